import { machineAddress } from "./court.mjs";
import { OTYRYS, Program } from "./program.mjs";
import { until } from "./wait.mjs";

/** A line without a fault. */
const PERFECT = {};
/** Beside the server's 127.0.0.1, with the same port: what the server advertises to browsers. */
const ADDRESS = machineAddress();

/** What makes a `Court` send its people over a bad line: `Court.open(THROUGH_A_BAD_LINE)`. */
export const THROUGH_A_BAD_LINE = { OTYRYS_MEDIA__ADVERTISE: `["${ADDRESS}"]` };

/**
 * A bad line between all browsers and a server, of which each browser has one of its own: `otyrys
 * relay`, which repeats the same chance for the same seed.
 */
export class BadLine {
  static async lay(court, { seed = 1 } = {}) {
    const line = new BadLine();
    line.program = new Program(
      OTYRYS,
      ["relay", "--listen", `${ADDRESS}:${court.port}`, "--to", `127.0.0.1:${court.port}`, "--seed", String(seed)],
      { cwd: court.dir, stdin: "pipe" },
    );
    await until("the relay listens", () => line.answers().length > 0 || !line.program.isRunning);
    if (!line.program.isRunning) throw new Error(`the relay did not start:\n${line.program.output}`);
    return line;
  }

  answers() {
    return this.program.lines("{").map((line) => JSON.parse(`{${line}`));
  }

  /** Makes the line so from now on; what is not named is perfect. `both`, or `up` and `down`. */
  async becomes(conditions) {
    await this.order(conditions);
  }

  async mends() {
    await this.order({ both: PERFECT });
  }

  /** Datagrams that passed, and that were lost, both ways. */
  async traffic() {
    return (await this.order({ traffic: true })).traffic;
  }

  async order(order) {
    const before = this.answers().length;
    this.program.child.stdin.write(`${JSON.stringify(order)}\n`);
    await until("the relay answers", () => this.answers().length > before);
    const answer = this.answers()[before];
    if (answer.error !== undefined) throw new Error(`${JSON.stringify(order)}: ${answer.error}`);
    return answer;
  }

  async close() {
    this.program.child.stdin.end();
    await this.program.stop();
  }
}
