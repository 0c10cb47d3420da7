import assert from "node:assert/strict";
import { after, before } from "node:test";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { filesOf } from "./support/bundle.mjs";
import { Court } from "./support/court.mjs";
import { FirefoxPerson } from "./support/firefox.mjs";
import { look, Person } from "./support/person.mjs";
import { mayBuildSites, Site } from "./support/site.mjs";
import { step } from "./support/step.mjs";
import { pause, until } from "./support/wait.mjs";

const skip = (await mayBuildSites()) ? false : "network namespaces need root";
const report = (text) => process.stdout.write(`# ${text}\n`);

/** Sound is back so soon after a change of networks; twice that on a busy machine. */
const BACK_MS = 2_000;
const isBusy = () => loadavg()[0] > 3 * cpus().length;
/** How long is watched after a change: a second interruption would still be seen. */
const WATCH_MS = 8_000;

let site;
let court;
let clerk;
let natives;

/** The page notes each 50 ms how many packets of sound have come. */
function watchSound() {
  window.soundSeen = [];
  setInterval(async () => {
    let packets = 0;
    for (const connection of window.keptConnections) {
      if (connection.connectionState === "closed") continue;
      for (const report of (await connection.getStats()).values()) {
        if (report.type === "inbound-rtp" && report.kind === "audio") packets += report.packetsReceived ?? 0;
      }
    }
    window.soundSeen.push({ at: performance.now(), packets });
  }, 50);
}

/** How long no sound came at most since `from`, and when that was over, in milliseconds. */
async function longestSilence(from) {
  const seen = await clerk.page.evaluate(() => window.soundSeen);
  let [longest, last] = [{ ms: 0, overAt: from }, from];
  for (let n = 1; n < seen.length; n += 1) {
    if (seen[n].at < from || seen[n].packets === seen[n - 1].packets) continue;
    if (seen[n].at - last > longest.ms) longest = { ms: seen[n].at - last, overAt: seen[n].at };
    last = seen[n].at;
  }
  const end = seen.at(-1).at;
  return end - last > longest.ms ? { ms: end - last, overAt: Infinity } : longest;
}

const presences = async () =>
  clerk.page.evaluate(() =>
    [...document.querySelectorAll("[data-testid^='person-']")]
      .map(({ dataset }) => [dataset.testid, dataset.presence])
      .sort(),
  );

/** The files of the record of what the clerk sends. */
const record = async () => filesOf(join(court.dataDir, "record", court.hearing.id, clerk.id));

/** Does something to the network; the clerk hears again in time, in the same seat. */
async function changes(what, change) {
  const before = { path: await clerk.path(), people: await presences(), record: await record() };
  const log = court.program.output.length;
  const from = await clerk.page.evaluate(() => performance.now());
  await change();
  const took = (await clerk.page.evaluate(() => performance.now())) - from;
  await pause(WATCH_MS);
  const silence = await longestSilence(from);
  const busy = isBusy() ? ", the machine is busy" : "";
  report(`${what}: no sound for ${silence.ms.toFixed(0)} ms (the change itself took ${took.toFixed(0)} ms${busy})`);
  assert.ok(silence.ms < BACK_MS * (busy === "" ? 1 : 2), `${what}: no sound for ${silence.ms} ms`);

  const path = await clerk.path();
  assert.notEqual(path.nearPort, before.path.nearPort, "media goes another way");
  assert.equal(path.connections, before.path.connections, "the peer connection is the same");
  await until("the clerk is sent too", async () => (await clerk.path()).sent > path.sent + 5_000);
  assert.deepEqual(await presences(), before.people, "everybody is in their place, once");
  assert.deepEqual(await record(), before.record, "the record goes on in the same files");
  assert.ok(await clerk.isOnRecord());
  const gone = court.program.output.slice(log).match(/media is gone/g) ?? [];
  assert.deepEqual(gone, [], "no media session has ended");
  return { before: before.path, path };
}

before(async () => {
  if (skip) return;
  site = await Site.build();
});

after(async () => {
  if (skip) return;
  if (step.hasFailed) await look({ clerk }, [court?.program.output, natives?.output]);
  await close();
  await site?.remove();
});

async function close() {
  await clerk?.leave();
  await natives?.stop();
  await court?.close();
  [clerk, natives, court] = [];
}

const BROWSERS = {
  Chromium: () => Person.arrive({ executable: site.chromium }),
  Firefox: () => FirefoxPerson.arrive({ site }),
};

for (const [browser, arrive] of Object.entries(BROWSERS)) {
  step(`a hearing, heard from a phone with ${browser} on Wi-Fi`, { skip, timeout: 120_000 }, async () => {
    court = await Court.open((port) => ({
      OTYRYS_SERVER__LISTEN: `0.0.0.0:${port}`,
      OTYRYS_MEDIA__LISTEN: `0.0.0.0:${port}`,
      OTYRYS_MEDIA__ADVERTISE: `["${site.court}"]`,
      OTYRYS_DRAFT__ENABLED: "false",
    }));
    natives = court.rehearse(["defendant", "witness"], "--leave-open");
    clerk = await arrive();
    const { clerk: seat, defendant, witness } = court.seats;
    const link = seat.link.replace(new URL(seat.link).host, `${site.court}:${court.port}`);
    await clerk.takeSeat({ ...seat, link });
    await clerk.sees("hearing-room");
    await clerk.admits(defendant);
    await clerk.admits(witness);
    await clerk.goesOnRecord();
    // Sound and picture, three files each.
    await until("the clerk is on record", async () => (await record()).length === 6);
    await clerk.page.evaluate(watchSound);
    await until("sound comes", async () => (await clerk.path()) !== null && (await clerk.soundEnergies())[0] > 0);
    await pause(2_000);
  });

  step(`Wi-Fi goes and cellular comes (${browser})`, { skip, timeout: 60_000 }, async () => {
    const { before, path } = await changes("from Wi-Fi to cellular", () => site.goOver("cell"));
    assert.notEqual(path.near, before.near, "the address is another one");
  });

  step(`a translator on the way forgets all that it knew, and nobody is told (${browser})`, { skip, timeout: 60_000 }, async () => {
    const { nearPort } = await clerk.path();
    const ports = (await site.tcpPorts()).map((port) => ["tcp", port]);
    assert.ok(ports.length > 0, "there is a line of signalling");
    await changes("a forgetful NAT", () => site.forgets(["udp", nearPort], ...ports));
  });

  step(`cellular goes and Wi-Fi comes back (${browser})`, { skip, timeout: 60_000 }, async () => {
    await changes("from cellular to Wi-Fi", () => site.goOver("wifi"));
  });

  step(`the record of it all is whole (${browser})`, { skip, timeout: 120_000 }, async () => {
    await clerk.closesHearing();
    await until("the bundle is sealed", async () => (await court.verify()).code === 0, 90_000);
    await close();
  });
}
