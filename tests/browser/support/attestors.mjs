import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { freePort } from "./court.mjs";
import { OTYRYS, Program, run } from "./program.mjs";
import { until } from "./wait.mjs";

const START_MS = 20_000;

async function openssl(cwd, ...args) {
  const { code, output } = await run("openssl", args, { cwd });
  if (code !== 0) throw new Error(`openssl ${args.join(" ")}: ${output}`);
}

/** OpenSSL's time-stamping authority (RFC 3161) behind HTTP. It can be down and come back. */
export class TimeStampAuthority {
  /** Makes one; nobody answers yet. */
  static async found(dir) {
    const authority = new TimeStampAuthority();
    authority.dir = dir;
    authority.port = await freePort();
    await mkdir(dir, { recursive: true });
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    await openssl(dir, "req", "-x509", ...key, "-keyout", "root.key", "-out", "root.pem", "-subj", "/CN=Root");
    await openssl(dir, "req", ...key, "-keyout", "own.key", "-out", "own.csr", "-subj", "/CN=Authority");
    await writeFile(join(dir, "own.cnf"), "extendedKeyUsage = critical, timeStamping\n");
    const signed = ["-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-extfile", "own.cnf"];
    await openssl(dir, "x509", "-req", "-in", "own.csr", ...signed, "-out", "own.pem");
    await writeFile(
      join(dir, "tsa.cnf"),
      [
        "[tsa]\ndefault_tsa = own\n[own]\nserial = serial\nsigner_cert = own.pem\nsigner_key = own.key",
        "certs = root.pem\ndefault_policy = 1.2.3.4\nsigner_digest = sha256\ndigests = sha256\n",
      ].join("\n"),
    );
    return authority;
  }

  get url() {
    return `http://127.0.0.1:${this.port}/tsp`;
  }

  /** Whom its certificate leads to (PEM). */
  get roots() {
    return join(this.dir, "root.pem");
  }

  async start() {
    this.server = createServer(async (request, answer) => {
      const parts = [];
      for await (const part of request) parts.push(part);
      await writeFile(join(this.dir, "query"), Buffer.concat(parts));
      const out = ["-queryfile", "query", "-out", "answer"];
      await openssl(this.dir, "ts", "-reply", "-config", "tsa.cnf", ...out);
      answer.setHeader("content-type", "application/timestamp-reply");
      answer.end(await readFile(join(this.dir, "answer")));
    });
    await new Promise((done) => this.server.listen(this.port, "127.0.0.1", done));
  }

  async stop() {
    if (this.server === undefined) return;
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  /** Whether OpenSSL takes `stamp` for one of its own on `file`. */
  async vouchesFor(file, stamp) {
    const { code } = await run("openssl", ["ts", "-verify", "-data", file, "-in", stamp, "-CAfile", this.roots]);
    return code === 0;
  }
}

/** `otyrys witness` of a court. It can be killed and started again. */
export class Witness {
  static async found(dir, courtKey) {
    const witness = new Witness();
    witness.dir = dir;
    witness.port = await freePort();
    await mkdir(dir, { recursive: true });
    await writeFile(
      join(dir, "otyrys.toml"),
      [
        `[server]\nlisten = "127.0.0.1:${witness.port}"\ndata_dir = "${dir}/data"`,
        `[witness]\nname = "witness.test"\ncourts = ["${courtKey}"]\n`,
      ].join("\n"),
    );
    return witness;
  }

  get url() {
    return `https://127.0.0.1:${this.port}`;
  }

  /** The certificate that it made itself. */
  get trust() {
    return join(this.dir, "data/tls/certificate.pem");
  }

  async start() {
    this.program = new Program(OTYRYS, ["witness"], { cwd: this.dir, env: { NO_COLOR: "1" } });
    await until("the witness has started", () => this.key !== undefined || !this.program.isRunning, START_MS);
    if (!this.program.isRunning) throw new Error(this.program.output);
  }

  /** As it prints it. */
  get key() {
    return /witness\.test\+\S+/.exec(this.program.output)?.[0];
  }
}
