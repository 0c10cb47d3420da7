import { spawn } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { FIREFOX } from "./firefox.mjs";
import { CHROMIUM } from "./person.mjs";
import { run } from "./program.mjs";

/** Rules of the firewall stand before the kernel's own, in the order in which they were given. */
const FIRST_RULE = 100;

/** Whether this user may make network namespaces. */
export async function mayBuildSites() {
  return (await run("unshare", ["--net", "true"])).code === 0;
}

/**
 * A site away from the court: a network namespace for its browser, and one for the router before
 * it, whose firewall drops what it is told to. Two ways lead to the router, as a phone has Wi-Fi
 * and cellular; at first the first one is up.
 *
 *     court (this machine)  <-->  router  <== wifi, cell ==>  site
 */
export class Site {
  static async build() {
    const site = new Site();
    // Interfaces have at most 15 letters. Networks of two sites at once must differ.
    site.name = `oty${process.pid.toString(36)}`;
    const network = `10.${200 + (process.pid % 50)}.${(process.pid >> 6) % 250}`;
    site.court = `${network}.1`;
    site.ways = {
      wifi: { near: `${network}.66`, far: `${network}.65` },
      cell: { near: `${network}.130`, far: `${network}.129` },
    };
    site.router = `${site.name}r`;
    site.inside = `${site.name}s`;
    site.rules = 0;
    site.doors = [];
    site.folder = await mkdtemp(join(tmpdir(), "otyrys-site-"));
    try {
      await site.#lay(network);
    } catch (error) {
      await site.remove();
      throw error;
    }
    return site;
  }

  async #lay(network) {
    const { name, router, inside } = this;
    for (const namespace of [router, inside]) {
      await ip("netns", "add", namespace);
      // Addresses that the kernel makes up by itself become valid seconds later, which a browser
      // takes for a change of networks: it gives up the page that it is loading.
      for (const links of ["all", "default"]) {
        await must("ip", "netns", "exec", namespace, "sysctl", "-eqw", `net.ipv6.conf.${links}.disable_ipv6=1`);
      }
      await ip("-n", namespace, "link", "set", "lo", "up");
    }
    await ip("link", "add", `${name}c`, "type", "veth", "peer", "name", "court", "netns", router);
    await ip("address", "add", `${this.court}/26`, "dev", `${name}c`);
    await ip("link", "set", `${name}c`, "up");
    await ip("-n", router, "address", "add", `${network}.2/26`, "dev", "court");
    await ip("-n", router, "link", "set", "court", "up");
    await ip("-n", router, "route", "add", "default", "via", this.court);
    await must("ip", "netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1");
    for (const [way, { near, far }] of Object.entries(this.ways)) {
      await ip("-n", router, "link", "add", way, "type", "veth", "peer", "name", way, "netns", inside);
      await ip("-n", router, "address", "add", `${far}/26`, "dev", way);
      await ip("-n", router, "link", "set", way, "up");
      await ip("route", "add", `${near}/32`, "via", `${network}.2`);
    }
    await this.goOver("wifi");

    this.chromium = await this.#within(CHROMIUM);
    this.firefox = await this.#within(FIREFOX);
  }

  /** A program that runs another one at the site. */
  async #within(program) {
    const path = join(this.folder, basename(program));
    await writeFile(path, `#!/bin/sh\nexec ip netns exec ${this.inside} ${program} "$@"\n`);
    await chmod(path, 0o755);
    return path;
  }

  /** Lets this machine reach a port of the site's own loopback network, as the same port of its own. */
  async reaches(port) {
    const there = `const { connect } = require("node:net");
      const line = connect(${port}, "127.0.0.1");
      line.on("error", () => process.exit(1));
      process.stdin.pipe(line).pipe(process.stdout);`;
    const door = createServer((line) => {
      const { stdin, stdout } = spawn("ip", ["netns", "exec", this.inside, process.execPath, "-e", there], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      line.pipe(stdin).on("error", () => line.destroy());
      stdout.pipe(line).on("error", () => stdin.destroy());
    });
    await new Promise((done) => door.listen(port, "127.0.0.1", done));
    this.doors.push(door);
  }

  /** Takes the present way down and another one up, as a phone does that leaves the house. */
  async goOver(way) {
    for (const other of Object.keys(this.ways)) {
      if (other === way) continue;
      await ip("-n", this.inside, "address", "flush", "dev", other);
      await ip("-n", this.inside, "link", "set", other, "down");
    }
    const { near, far } = this.ways[way];
    await ip("-n", this.inside, "link", "set", way, "up");
    await ip("-n", this.inside, "address", "add", `${near}/26`, "dev", way);
    await ip("-n", this.inside, "route", "add", "default", "via", far);
  }

  /**
   * From now on the firewall silently drops what comes from the site, but for what `open` names:
   * `["tcp", 443]` a port, `["udp"]` all ports of a protocol. Nothing is cut that it let through.
   */
  async opens(...open) {
    for (; this.rules > 0; this.rules -= 1) {
      await ip("-n", this.router, "rule", "delete", "pref", String(FIRST_RULE + this.rules));
    }
    const back = ["iif", "court", "lookup", "main"];
    const through = open.map(([protocol, port]) => [
      ...["ipproto", protocol],
      ...(port === undefined ? [] : ["dport", String(port)]),
      ...["lookup", "main"],
    ]);
    for (const rule of [back, ...through, ["blackhole"]]) await this.#rule(rule);
  }

  /**
   * Drops what comes from these ports of the site, `["udp", 5000]`, and what goes to them, as a
   * translator (NAT) does that has forgotten them.
   */
  async forgets(...ports) {
    for (const [protocol, port] of ports) {
      for (const end of [
        ["sport", String(port)],
        ["iif", "court", "dport", String(port)],
      ]) {
        await ip("-n", this.router, "rule", "add", "pref", "1", "ipproto", protocol, ...end, "blackhole");
      }
    }
  }

  async #rule(rule) {
    this.rules += 1;
    await ip("-n", this.router, "rule", "add", "pref", String(FIRST_RULE + this.rules), ...rule);
  }

  /** Ports of the site's own ends of TCP connections that are up. */
  async tcpPorts() {
    const { output } = await run("ip", ["netns", "exec", this.inside, "cat", "/proc/net/tcp"]);
    const ESTABLISHED = "01";
    return output
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state]) => state === ESTABLISHED)
      .map(([, local]) => Number.parseInt(local.split(":")[1], 16));
  }

  async remove() {
    for (const door of this.doors) door.close();
    for (const namespace of [this.inside, this.router]) await run("ip", ["netns", "delete", namespace]);
    await run("ip", ["link", "delete", `${this.name}c`]);
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function ip(...args) {
  return must("ip", ...args);
}

async function must(command, ...args) {
  const { code, output } = await run(command, args);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${output}`);
  return output;
}
