import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Program, run } from "./program.mjs";
import { until } from "./wait.mjs";

/** coturn at free ports of one address, with a certificate of its own. */
export class TurnServer {
  static async start(address, ports) {
    const server = new TurnServer();
    server.folder = await mkdtemp(join(tmpdir(), "otyrys-turn-"));
    server.ports = ports;
    server.secret = "a secret of this test";
    const [certificate, key] = ["certificate.pem", "key.pem"].map((name) => join(server.folder, name));
    const made = await run("openssl", [
      ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=turn"],
      ...["-addext", `subjectAltName=IP:${address}`, "-out", certificate, "-keyout", key],
    ]);
    if (made.code !== 0) throw new Error(made.output);
    // What docs/OPERATIONS.md recommends, but for addresses.
    server.program = new Program(
      "turnserver",
      [
        ...["-n", "--no-cli", "--log-file", "stdout", "--pidfile", join(server.folder, "pid")],
        ...["--userdb", join(server.folder, "users.db")],
        ...["--listening-ip", address, "--relay-ip", address, "--realm", "court.example"],
        ...["--listening-port", String(ports.plain), "--tls-listening-port", String(ports.tls)],
        ...["--use-auth-secret", "--static-auth-secret", server.secret],
        ...["--cert", certificate, "--pkey", key],
        ...["--allowed-peer-ip", address, "--denied-peer-ip", "0.0.0.0-255.255.255.255"],
        ...["--denied-peer-ip", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
        ...["--no-tcp-relay", "--no-multicast-peers", "--user-quota", "20", "--stale-nonce", "600"],
      ],
      { cwd: server.folder },
    );
    await until("the TURN server listens", () => server.program.isRunning && answers(address, ports.tls), 15_000);
    return server;
  }

  async stop() {
    await this.program?.stop(5_000);
    await rm(this.folder, { recursive: true, force: true });
  }
}

function answers(host, port) {
  return new Promise((done) => {
    const socket = connect({ host, port });
    socket.once("connect", () => {
      socket.destroy();
      done(true);
    });
    socket.once("error", () => done(false));
  });
}
