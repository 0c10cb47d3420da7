import assert from "node:assert/strict";
import { after, before } from "node:test";
import { Court, freePort } from "./support/court.mjs";
import { FirefoxPerson } from "./support/firefox.mjs";
import { look, Person } from "./support/person.mjs";
import { mayBuildSites, Site } from "./support/site.mjs";
import { step } from "./support/step.mjs";
import { TurnServer } from "./support/turn_server.mjs";
import { until } from "./support/wait.mjs";

const skip = (await mayBuildSites()) ? false : "network namespaces need root";
const report = (text) => process.stdout.write(`# ${text}\n`);

let site;
let turn;
let court;
let clerk;
let natives;
let ports;

/** A court at the address that the site reaches, with people who speak in it. */
async function open(env, arrive = () => Person.arrive({ executable: site.chromium })) {
  court = await Court.open((port) => ({
    OTYRYS_SERVER__LISTEN: `0.0.0.0:${port}`,
    OTYRYS_MEDIA__LISTEN: `0.0.0.0:${port}`,
    OTYRYS_MEDIA__ADVERTISE: `["${site.court}"]`,
    OTYRYS_DRAFT__ENABLED: "false",
    ...env,
  }));
  natives = court.rehearse(["defendant", "witness"], "--leave-open");
  // The link as the site reaches it.
  const { clerk: seat, defendant, witness } = court.seats;
  const link = seat.link.replace(new URL(seat.link).host, `${site.court}:${court.port}`);
  clerk = await arrive();
  await clerk.takeSeat({ ...seat, link });
  await clerk.sees("hearing-room");
  await clerk.admits(defendant);
  await clerk.admits(witness);
}

async function close() {
  await clerk?.leave();
  await natives?.stop();
  await court?.close();
  [clerk, natives, court] = [];
}

/** The others are seen and heard, by the path that `isRight` accepts. */
async function getsThrough(what, isRight) {
  const { defendant, witness } = court.seats;
  const ids = [defendant.participant_id, witness.participant_id];
  const path = await until(
    `media goes ${what}`,
    async () => {
      const path = await clerk.path();
      if (path !== null && isRight(path)) return path;
      throw new Error(JSON.stringify(path));
    },
    30_000,
  );
  const [frames, [energy]] = [await clerk.framesOf(ids), await clerk.soundEnergies()];
  await until(
    `pictures and sound come ${what}`,
    async () => {
      const [now, [heard]] = [await clerk.framesOf(ids), await clerk.soundEnergies()];
      return now.every((count, n) => count >= frames[n] + 25) && heard > (energy ?? 0);
    },
    30_000,
  );
  const later = await clerk.path();
  assert.ok(later.sent > path.sent + 10_000, `the clerk is sent too: ${later.sent - path.sent} bytes`);
  assert.equal(later.nearPort, path.nearPort, "the path has not changed meanwhile");
  report(`${what}: ${JSON.stringify(later)}`);
  return later;
}

/** A media port of its own, and a relay that hides it. */
function withRelay() {
  const url = (scheme, port, transport) => `${scheme}:${site.court}:${port}?transport=${transport}`;
  const urls = [url("turn", ports.plain, "udp"), url("turn", ports.plain, "tcp"), url("turns", ports.tls, "tcp")];
  return {
    OTYRYS_MEDIA__LISTEN: `0.0.0.0:${ports.media}`,
    OTYRYS_TURN__URLS: JSON.stringify(urls),
    OTYRYS_TURN__SECRET: turn.secret,
  };
}

/** The page is loaded anew behind another firewall, and comes straight back in. */
async function comesBack() {
  await clerk.page.reload();
  await clerk.sees("hearing-room");
}

before(async () => {
  if (skip) return;
  site = await Site.build();
});

after(async () => {
  if (skip) return;
  if (step.hasFailed) await look({ clerk }, [court?.program.output, natives?.output, turn?.program.output]);
  await close();
  await turn?.stop();
  await site?.remove();
});

step("over TCP at the port of the pages, when no UDP comes out", { skip, timeout: 180_000 }, async () => {
  await site.opens(["tcp"]);
  await open({});
  const path = await getsThrough("over TCP", ({ protocol, relay }) => protocol === "tcp" && relay === null);
  assert.equal(path.farPort, court.port);
  await close();
});

step("over a relay by UDP, when only the relay's port is open", { skip, timeout: 180_000 }, async () => {
  ports = { media: await freePort(), plain: await freePort(), tls: await freePort() };
  turn = await TurnServer.start(site.court, ports);
  await open(withRelay());
  await site.opens(["tcp", court.port], ["udp", ports.plain]);
  await comesBack();
  const path = await getsThrough("over TURN by UDP", ({ relay }) => relay === "udp");
  assert.equal(path.farPort, ports.media, "the relay reaches the media port as any client");
});

step("over a relay by TCP", { skip, timeout: 120_000 }, async () => {
  await site.opens(["tcp", court.port], ["tcp", ports.plain]);
  await comesBack();
  await getsThrough("over TURN by TCP", ({ relay }) => relay === "tcp");
});

step("over a relay by TLS, as on port 443", { skip, timeout: 120_000 }, async () => {
  await site.opens(["tcp", court.port], ["tcp", ports.tls]);
  await comesBack();
  await getsThrough("over TURN by TLS", ({ relay }) => relay === "tls");
});

step("and no secret of it is in any log", { skip }, async () => {
  const output = `${court.log}${court.program.output}`;
  assert.ok(!output.includes(turn.secret), "the shared secret was logged");
  const credentials = await clerk.page.evaluate(() =>
    window.keptConnections.flatMap((one) => one.getConfiguration().iceServers.map(({ credential }) => credential)),
  );
  assert.ok(credentials.length > 0);
  for (const credential of credentials) assert.ok(!output.includes(credential), "a credential was logged");
});

step("Firefox gets through over TCP", { skip, timeout: 180_000 }, async () => {
  await close();
  await site.opens(["tcp"]);
  await open(withRelay(), () => FirefoxPerson.arrive({ site }));
  await getsThrough("with Firefox over TCP", ({ protocol, relay }) => protocol === "tcp" && relay === null);
});

for (const by of ["udp", "tcp"]) {
  step(`Firefox gets through over a relay by ${by.toUpperCase()}`, { skip, timeout: 120_000 }, async () => {
    await site.opens(["tcp", court.port], [by, ports.plain]);
    await comesBack();
    await getsThrough(`with Firefox over TURN by ${by}`, ({ relay }) => relay === by);
  });
}
