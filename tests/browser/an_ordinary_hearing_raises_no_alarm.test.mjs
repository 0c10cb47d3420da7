import assert from "node:assert/strict";
import { after, before } from "node:test";
import { join } from "node:path";
import { BadLine, THROUGH_A_BAD_LINE } from "./support/bad_line.mjs";
import { Court } from "./support/court.mjs";
import { look, Person } from "./support/person.mjs";
import { recorderSeconds } from "./support/processes.mjs";
import { russian, writeWav } from "./support/speech.mjs";
import { step } from "./support/step.mjs";
import { pause } from "./support/wait.mjs";

/** How long the hearing is on record. A long one is run by hand: OTYRYS_MINUTES=15. */
const MINUTES = Number(process.env.OTYRYS_MINUTES ?? 1.5);
/** What the server writes into its log with each fault of the record. */
const FAULT = "the record cannot be written";
const NOT_CHECKED = "what is recorded is not being checked";

const report = (text) => process.stdout.write(`# ${text}\n`);

let court;
let line;
let clerk;
let witness;
let natives;

/** Chromium sends nothing of silence when its answer asks for it (RFC 7587, `usedtx`). */
function withoutSilence() {
  const take = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
    return take.call(this, { type, sdp: sdp.replaceAll("useinbandfec=1", "useinbandfec=1;usedtx=1") });
  };
}

/** What happens to people in a hearing, one after the other. */
const EVENTS = [
  ["the witness mutes the microphone", () => pressed("mute", 6_000)],
  ["the witness switches the camera off", () => pressed("camera", 8_000)],
  ["a phone in a lift", () => badly({ loss: 0.08, burst: 4, delay_ms: 60, jitter_ms: 80 }, 12_000)],
  ["a narrow line", () => badly({ rate_bps: 400_000, delay_ms: 40 }, 10_000)],
  ["a line that is gone for 3 s", () => badly({ cut: true }, 3_000)],
  ["the clerk mutes the microphone", () => pressed("mute", 4_000, clerk)],
];

async function pressed(button, ms, person = witness) {
  await person.press(button);
  await pause(ms);
  await person.press(button);
}

async function badly(conditions, ms) {
  await line.becomes({ both: conditions });
  await pause(ms);
  await line.mends();
}

/** Packets of sound that the witness has sent. */
async function soundSent() {
  return witness.page.evaluate(async () => {
    let packets = 0;
    for (const connection of window.keptConnections) {
      for (const report of (await connection.getStats()).values()) {
        if (report.type === "outbound-rtp" && report.kind === "audio") packets += report.packetsSent;
      }
    }
    return packets;
  });
}

const faults = () => court.program.output.split("\n").filter((told) => told.includes(FAULT));

before(async () => {
  court = await Court.open({ OTYRYS_DRAFT__ENABLED: "false", ...THROUGH_A_BAD_LINE });
  line = await BadLine.lay(court, { seed: 7 });
  const spoken = await russian(303, 304, 306, 307, 308, 310);
  // Some 10 s for each sentence with the silence after it.
  const clips = Array.from({ length: MINUTES * 6 + 6 }, (_, number) => spoken[number % spoken.length]);
  const wav = (name, gap) => writeWav(join(court.dir, name), clips, { lead: 1, gap });
  const [often, seldom] = await Promise.all([wav("clerk.wav", 8), wav("witness.wav", 4)]);
  [clerk, witness] = await Promise.all([
    Person.arrive({ wav: often }),
    Person.arrive({ wav: seldom, viewport: { width: 390, height: 844 } }),
  ]);
  await witness.context.addInitScript(withoutSilence);
});

after(async () => {
  if (step.hasFailed) await look({ clerk, witness }, [court?.program.output, natives?.output]);
  await Promise.all([clerk?.leave(), witness?.leave()]);
  await natives?.stop();
  await line?.close();
  await court?.close();
});

step("people are on record, one of them sends no silence", { timeout: 180_000 }, async () => {
  const { seats } = court;
  await Promise.all([clerk.takeSeat(seats.clerk), witness.takeSeat(seats.witness)]);
  await clerk.sees("hearing-room");
  // Now: before a clerk sits the rehearsal's judge lets everybody in.
  natives = court.rehearse(["judge", "defendant"], "--leave-open");
  await witness.sees("waiting");
  await clerk.admits(seats.defendant);
  await clerk.admits(seats.witness);
  await clerk.goesOnRecord();
});

step("whatever people and lines do, no fault is found", { timeout: MINUTES * 60_000 + 180_000 }, async () => {
  const { pid } = court.program.child;
  const before = await recorderSeconds(pid);
  const sentBefore = await soundSent();
  const began = Date.now();
  for (let number = 0; Date.now() - began < MINUTES * 60_000; number += 1) {
    const [what, happens] = EVENTS[number % EVENTS.length];
    await happens();
    assert.deepEqual(faults(), [], what);
    await pause(4_000);
    assert.deepEqual(faults(), [], `after ${what}`);
    assert.equal(await clerk.isOnRecord(), true, `the session is on record after ${what}`);
  }
  const took = (Date.now() - began) / 1_000;
  const sent = ((await soundSent()) - sentBefore) / took;
  const used = await recorderSeconds(pid);
  const share = (name) => ((used[name] - before[name]) / took) * 100;
  const shares = Object.keys(used).map((name) => `${name} ${share(name).toFixed(2)} %`);
  report(`${took.toFixed(0)} s on record; processor time, of a core: ${shares.join(", ")}; the witness sent ${sent.toFixed(0)} packets of sound a second`);
  assert.ok(sent < 45, "silence is not sent");
  assert.ok(!court.program.output.includes(NOT_CHECKED), "everything was checked");
  assert.ok(used.checking > before.checking, "something was checked");
  assert.deepEqual([...clerk.faults, ...witness.faults], [], "no page has failed");
});
