import { spawn } from "node:child_process";
import { join } from "node:path";
import { homedir } from "node:os";

/** The user's cache of things that can be fetched again. */
export const CACHE = process.env.OTYRYS_CACHE ?? join(homedir(), ".cache/otyrys");

/** The program under test. */
export const OTYRYS =
  process.env.OTYRYS_BINARY ?? join(process.env.CARGO_TARGET_DIR ?? join(CACHE, "target"), "debug/otyrys");

/** A command that runs until it is told to stop; its output is kept, and read by lines. */
export class Program {
  constructor(command, args, { env = {}, cwd, stdin = "ignore" } = {}) {
    this.output = "";
    this.child = spawn(command, args, {
      cwd,
      env: { ...process.env, OPENBLAS_NUM_THREADS: "1", ...env },
      stdio: [stdin, "pipe", "pipe"],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text) => {
        this.output += text;
      });
    }
    this.ended = new Promise((done) => {
      this.child.once("error", (error) => {
        this.output += `${error}\n`;
        done({ code: null, signal: null });
      });
      this.child.once("close", (code, signal) => done({ code, signal }));
    });
    this.isRunning = true;
    void this.ended.then(() => {
      this.isRunning = false;
    });
  }

  /** The output's lines that begin with `prefix`, without it. */
  lines(prefix = "") {
    return this.output
      .split("\n")
      .filter((line) => line.startsWith(prefix))
      .map((line) => line.slice(prefix.length));
  }

  /** Asks it to stop; gives how it ended, or `null` if it did not within `ms` and was killed. */
  async stop(ms = 30_000) {
    if (this.isRunning) this.child.kill("SIGTERM");
    let timer;
    const late = new Promise((done) => {
      timer = setTimeout(() => done(null), ms);
    });
    const ended = await Promise.race([this.ended, late]);
    clearTimeout(timer);
    if (ended === null) await this.kill();
    return ended;
  }

  /** Ends it as a power cut would. */
  async kill() {
    if (this.isRunning) this.child.kill("SIGKILL");
    return this.ended;
  }
}

/** Runs a command to its end. */
export async function run(command, args, options) {
  const program = new Program(command, args, options);
  const { code } = await program.ended;
  return { code, output: program.output };
}
