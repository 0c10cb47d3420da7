import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { createSocket } from "node:dgram";
import { request } from "node:https";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { Disk } from "./disk.mjs";
import { OTYRYS, Program, run } from "./program.mjs";
import { until } from "./wait.mjs";

/** How long a start may take on a busy machine: schema, certificate, model of speech. */
const START_MS = 60_000;
/** Kazakhstan is at UTC+5. */
const COURT_OFFSET_MS = 5 * 3_600_000;

/**
 * An address of this machine by which Firefox reaches it: Firefox sends no media to 127.0.0.1. Where
 * there is none, another one of the loopback network.
 */
export function machineAddress() {
  const addresses = Object.values(networkInterfaces()).flat();
  return addresses.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.2";
}

/** A server of its own folder and ports, with a demo hearing. It can be killed and started again. */
export class Court {
  /**
   * Starts one; `env`, or what it gives for a free port, is added to its configuration. `forFirefox`:
   * media at an address that Firefox sends to. `diskSize`: its data on a disk of its own, which goes
   * with the server.
   */
  static async open(env = {}, { forFirefox = false, diskSize } = {}) {
    const dir = await mkdtemp(join(tmpdir(), "otyrys-"));
    const court = new Court(dir, await freePort(), env);
    court.forFirefox = forFirefox;
    if (diskSize !== undefined) court.disk = new Disk(court.dataDir, diskSize);
    await court.start({ demo: true });
    const demo = await court.get("/api/v1/demo");
    court.hearing = demo.hearing;
    court.registryLink = demo.registry_link;
    court.seats = Object.fromEntries(demo.seats.map((seat) => [seat.role, seat]));
    return court;
  }

  constructor(dir, port, env) {
    this.dir = dir;
    this.dataDir = join(dir, "data");
    this.port = port;
    this.env = typeof env === "function" ? env(port) : env;
    this.url = `https://127.0.0.1:${port}`;
    this.log = "";
  }

  /** Starts the server again; only the first start seeds a hearing. */
  async start({ demo = false } = {}) {
    const address = `127.0.0.1:${this.port}`;
    const before = (await this.disk?.before()) ?? [];
    const [command, ...args] = [...before, OTYRYS, "serve", ...(demo ? ["--demo"] : [])];
    this.program = new Program(command, args, {
      cwd: this.dir,
      env: {
        OTYRYS_SERVER__LISTEN: address,
        OTYRYS_MEDIA__LISTEN: this.forFirefox ? `${machineAddress()}:${this.port}` : address,
        OTYRYS_SERVER__DATA_DIR: this.dataDir,
        NO_COLOR: "1",
        ...this.env,
      },
    });
    this.disk?.seenBy(this.program);
    await until(
      "the server answers",
      async () => {
        if (!this.program.isRunning) return true;
        return this.get("/api/v1/about");
      },
      START_MS,
    );
    if (!this.program.isRunning) throw new Error(`the server did not start:\n${this.program.output}`);
  }

  /** Stops the server; `null` if it had to be killed. */
  async stop() {
    const ended = await this.program.stop();
    this.log += this.program.output;
    return ended;
  }

  /** Kills the server; gives the moment, in milliseconds since 1970. */
  async kill() {
    const at = Date.now();
    await this.program.kill();
    this.log += this.program.output;
    return at;
  }

  /** Stops the server and removes its folder, unless it is to be looked at. */
  async close() {
    await this.stop();
    if (process.env.OTYRYS_KEEP === undefined) await rm(this.dir, { recursive: true, force: true });
    else process.stderr.write(`# kept: ${this.dir}\n${this.log}\n`);
  }

  async get(path, headers = {}) {
    const { status, body } = await fetchOwn(`${this.url}${path}`, { headers });
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${body}`);
    return JSON.parse(body);
  }

  /** Where the sealed bundle is handed out to. */
  get bundleDir() {
    return join(this.dir, "bundle");
  }

  /** `otyrys export` of the sealed bundle, once: on the server's disk it is encrypted. */
  async export() {
    if (this.isExported) return { code: 0, output: "" };
    const env = { OTYRYS_SERVER__DATA_DIR: this.dataDir };
    const exported = await run(OTYRYS, ["export", this.hearing.id, this.bundleDir], { env });
    this.isExported = exported.code === 0;
    return exported;
  }

  /** `otyrys verify` on a folder. */
  async verify(dir = this.bundleDir) {
    const exported = await this.export();
    return exported.code === 0 ? run(OTYRYS, ["verify", dir]) : exported;
  }

  /** `otyrys reconcile` of the hearing's day on a server with a disk of its own. */
  async reconcile() {
    // By the calendar of the demo court.
    const date = new Date(Date.parse(this.hearing.scheduled_at) + COURT_OFFSET_MS).toISOString().slice(0, 10);
    const data = `OTYRYS_SERVER__DATA_DIR=${this.dataDir}`;
    const { code, output } = await this.disk.within("env", data, OTYRYS, "reconcile", "--json", "--date", date);
    return { code, day: JSON.parse(output) };
  }

  /** The registry as a reader sees it, by the key of the registry link. */
  async registry(path) {
    const key = new URL(this.registryLink).hash.replace("#key=", "");
    const { status, headers, body } = await fetchOwn(`${this.url}/registry/api/v1/session`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ key }),
    });
    if (status >= 300) throw new Error(`the registry does not let the reader in: ${status} ${body}`);
    const cookie = headers["set-cookie"][0].split(";")[0];
    return this.get(`/registry/api/v1${path}`, { cookie });
  }

  /** Changes what the court administration decides about a seat; the server must not run. */
  async setLanguage(role, language) {
    await this.#decide(role, "language", language);
  }

  /** The same for the role of a seat, which keeps its name in `seats`. */
  async setRole(seat, role) {
    await this.#decide(seat, "role", role);
  }

  async #decide(seat, column, value) {
    const { code, output } = await run("python3", [
      "-c",
      "import sqlite3, sys\n" +
        "database = sqlite3.connect(sys.argv[1])\n" +
        `database.execute('UPDATE participants SET ${column} = ? WHERE id = ?', sys.argv[2:])\n` +
        "database.commit()\n",
      join(this.dataDir, "otyrys.db"),
      value,
      this.seats[seat].participant_id,
    ]);
    if (code !== 0) throw new Error(output);
  }

  /** Native participants in the seats of `roles`. */
  rehearse(roles, ...args) {
    const links = roles.flatMap((role) => ["--link", this.seats[role].link]);
    return new Program(OTYRYS, ["rehearse", ...links, ...args], { cwd: this.dir });
  }

  /** The server's own certificate with its key (PEM). */
  async certificate() {
    const [cert, key] = await Promise.all(
      ["certificate.pem", "private-key.pem"].map((name) => readFile(join(this.dataDir, "tls", name))),
    );
    return { cert, key, path: join(this.dataDir, "tls/certificate.pem") };
  }
}

/** A request to a server with a certificate of its own. */
function fetchOwn(url, { method = "GET", headers = {}, body } = {}) {
  return new Promise((done, failed) => {
    const sent = request(url, { method, headers, rejectUnauthorized: false, timeout: 10_000 }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("error", failed);
      answer.on("end", () =>
        done({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts).toString() }),
      );
    });
    sent.on("error", failed);
    sent.on("timeout", () => sent.destroy(new Error("no answer in time")));
    sent.end(body);
  });
}

/** A port that is free for both TCP and UDP. */
export async function freePort() {
  for (;;) {
    const tcp = createServer();
    await new Promise((done) => tcp.listen(0, "127.0.0.1", done));
    const { port } = tcp.address();
    const udp = createSocket("udp4");
    const free = await new Promise((done) => {
      udp.once("error", () => done(false));
      udp.bind(port, "127.0.0.1", () => done(true));
    });
    await new Promise((done) => udp.close(done)).catch(() => undefined);
    await new Promise((done) => tcp.close(done));
    if (free) return port;
  }
}
