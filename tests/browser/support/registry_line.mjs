import { Agent, createServer, request } from "node:https";

/** A commit of a package: `POST .../packages/{key}`. */
const COMMIT = /\/packages\/[^/]+$/;

/**
 * A bad line between a server and its registry. It passes everything on, but the answer to the
 * first commit gets lost on its way back, after the registry has done its work.
 */
export class RegistryLine {
  /** `identity`: certificate and key (PEM) of the line's near end; `target`: the registry's origin. */
  static async lay(identity, target) {
    const line = new RegistryLine();
    line.commits = [];
    line.agent = new Agent({ rejectUnauthorized: false, keepAlive: true });
    line.server = createServer({ cert: identity.cert, key: identity.key }, (asked, answer) =>
      line.#pass(asked, answer, target()),
    );
    await new Promise((done) => line.server.listen(0, "127.0.0.1", done));
    line.url = `https://localhost:${line.server.address().port}/registry/api/v1`;
    return line;
  }

  #pass(asked, answer, target) {
    const isCommit = asked.method === "POST" && COMMIT.test(asked.url);
    const sent = request(
      `${target}${asked.url}`,
      { method: asked.method, headers: { ...asked.headers, host: new URL(target).host }, agent: this.agent },
      (answered) => {
        const parts = [];
        answered.on("data", (part) => parts.push(part));
        answered.on("end", () => {
          const body = Buffer.concat(parts);
          if (isCommit) {
            const isLost = this.commits.length === 0;
            this.commits.push({ status: answered.statusCode, body: body.toString(), isLost });
            if (isLost) {
              asked.socket.destroy();
              return;
            }
          }
          answer.writeHead(answered.statusCode, answered.headers);
          answer.end(body);
        });
      },
    );
    sent.on("error", () => asked.socket.destroy());
    asked.pipe(sent);
  }

  async close() {
    this.agent.destroy();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}
