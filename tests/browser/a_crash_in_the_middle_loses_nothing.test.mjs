import assert from "node:assert/strict";
import { after, before } from "node:test";
import { join } from "node:path";
import { eventsOf, protocolOf } from "./support/bundle.mjs";
import { Court } from "./support/court.mjs";
import { look, Person } from "./support/person.mjs";
import { CACHE } from "./support/program.mjs";
import { decode, envelope, find } from "./support/sound.mjs";
import { russian, writeWav } from "./support/speech.mjs";
import { step } from "./support/step.mjs";
import { until } from "./support/wait.mjs";

const SEALED_MS = 180_000;
/** Of what was sent before a crash, at most 1 s is not kept; twice that on a busy machine. */
const LOST_MS = 2_000;

const report = (text) => process.stdout.write(`# ${text}\n`);

let court;
let clerk;
let natives;
/** So long both sides of the crash last: whole sentences of the clerk fall into it wherever it begins. */
const SPEECH_MS = 30_000;

let spoken;
/** Milliseconds since 1970: on record, killed, on record again. */
const at = {};
const CORRECTED = "Слушается дело номер один.";
/** The line that the clerk corrects. */
let corrected;

const segmentsOf = (record, role, source) =>
  record
    .filter((file) => file.participant === court.seats[role].participant_id && file.source === source)
    .sort((a, b) => a.starts_ms - b.starts_ms);

before(async () => {
  // The record is heard again with the model that heard it: what is asked here is whether a crash loses
  // anything.
  court = await Court.open({ OTYRYS_DRAFT__FINAL_PASS__MODEL: join(CACHE, "models/ggml-base.bin") });
  spoken = await russian(303, 304, 306, 307, 308, 310, 314, 316, 319, 320);
  // The clerk speaks all the time: whenever the crash comes, there are words before and after.
  const wav = await writeWav(join(court.dir, "clerk.wav"), [...spoken, ...spoken], { lead: 6, gap: 0.9 });
  clerk = await Person.arrive({ wav });
});

after(async () => {
  if (step.hasFailed) await look({ clerk }, [court?.log, court?.program.output, natives?.output]);
  await clerk?.leave();
  await natives?.stop();
  await court?.close();
});

step("people are on record", { timeout: 120_000 }, async () => {
  const { seats } = court;
  natives = court.rehearse(["defendant", "witness"], "--leave-open");
  await clerk.takeSeat(seats.clerk);
  await clerk.sees("hearing-room");
  await clerk.admits(seats.defendant);
  await clerk.admits(seats.witness);
  await clerk.goesOnRecord();
  at.onRecord = Date.now();
  await until(
    "words from before the crash are in the draft",
    async () => Date.now() > at.onRecord + SPEECH_MS && (await clerk.lines()).length >= 2,
    90_000,
  );
  corrected = (await clerk.lines())[0].id;
  await clerk.corrects(corrected, CORRECTED);
});

step("after a crash everybody is back in their places by themselves, on record", { timeout: 180_000 }, async () => {
  const { seats } = court;
  const others = [seats.defendant.participant_id, seats.witness.participant_id];
  at.killed = await court.kill();
  await clerk.sees("reconnecting");
  await court.start();
  await until(
    "the session is on record again with everybody in the room",
    async () => {
      if ((await clerk.by("reconnecting").count()) > 0 || !(await clerk.isOnRecord())) return false;
      const presences = await Promise.all(others.map((id) => clerk.attribute(`person-${id}`, "data-presence")));
      return presences.every((presence) => presence === "admitted");
    },
    90_000,
  );
  at.back = Date.now();
  report(`everybody is back ${((at.back - at.killed) / 1_000).toFixed(1)} s after the crash`);
  assert.equal(await clerk.by("ready").count(), 0, "no second self-test");
  const before = await clerk.framesOf(others);
  await until(
    "pictures move again",
    async () => (await clerk.framesOf(others)).every((frames, n) => frames >= before[n] + 30 || frames > 50),
    60_000,
  );
  const lines = await clerk.lines();
  assert.equal(lines.find(({ id }) => id === corrected)?.text, CORRECTED);
  await until(
    "new words are in the draft",
    async () => Date.now() > at.back + SPEECH_MS && (await clerk.lines()).length >= lines.length + 2,
    120_000,
  );
  await clerk.closesHearing();
});

step("a crash while the record is heard again costs the file at hand", { timeout: SEALED_MS }, async () => {
  const percent = async () => Number(await clerk.by("final-pass").locator("progress").getAttribute("value", { timeout: 500 }));
  await until("a file of several is done", async () => (await percent()) > 0, 120_000);
  const heard = await percent();
  await court.kill();
  assert.ok(heard < 100, "and not all of them");
  await court.start();
  // The page has waited for the server.
  await until("it goes on", async () => (await clerk.by("protocol-html").count()) > 0 || (await percent()) >= heard, 60_000);
  report(`${heard} % was heard again before the crash`);
});

step("all of the record plays, before and after the crash", { timeout: SEALED_MS + 120_000 }, async () => {
  await until("the bundle is sealed", async () => (await court.verify()).code === 0, SEALED_MS);
  const { record } = await protocolOf(court.bundleDir);
  // The protocol has whole seconds; the event is exact.
  const onRecord = (await eventsOf(court.bundleDir)).find(({ kind }) => kind === "on_record");
  at.killedMs = at.killed - Date.parse(onRecord.at);
  for (const role of ["clerk", "defendant", "witness"]) {
    for (const source of ["microphone", "camera"]) {
      const segments = segmentsOf(record, role, source);
      assert.ok(segments.length >= 2, `${role}'s ${source}: ${segments.length} segments`);
      assert.ok(
        segments.every(({ ends_ms }, n) => n + 1 === segments.length || ends_ms <= segments[n + 1].starts_ms),
        `${role}'s ${source} does not overlap itself`,
      );
      const before = segments.filter(({ starts_ms }) => starts_ms < at.killedMs).at(-1);
      const lost = at.killedMs - before.ends_ms;
      report(`${role}'s ${source}: ${lost.toFixed(0)} ms before the crash are lost`);
      assert.ok(lost < LOST_MS, `${role}'s ${source} ends ${lost} ms before the crash`);
      for (const file of segments) {
        for (const path of [file.file, file.playback]) {
          const decoded = await decode(join(court.bundleDir, path), { picture: source === "camera" });
          assert.deepEqual([decoded.code, decoded.errors], [0, ""], path);
          assert.ok((decoded.frames ?? decoded.samples.length) > 0, path);
        }
      }
    }
  }
});

step("words from before and after the crash are in the protocol, under who said them", async () => {
  const { lines } = await protocolOf(court.bundleDir);
  for (const role of ["clerk", "defendant"]) {
    const own = lines.filter(({ participant }) => participant === court.seats[role].participant_id);
    assert.ok(own.length > 0, `the ${role} has lines`);
  }
  const clerks = lines.filter(({ participant }) => participant === court.seats.clerk.participant_id);
  assert.ok(clerks.some(({ end_ms }) => end_ms <= at.killedMs), "before");
  assert.ok(clerks.some(({ start_ms }) => start_ms > at.killedMs), "after");
  assert.equal(new Set(lines.map(({ id }) => id)).size, lines.length, "no line is there twice");
  for (const [at, line] of clerks.slice(1).entries()) {
    assert.ok(line.start_ms >= clerks[at].end_ms, `nothing is there twice: ${clerks[at].text} | ${line.text}`);
  }
  const edited = lines.filter((line) => line.edited !== null && line.edited !== undefined);
  assert.deepEqual(edited.map((line) => [line.id, line.edited.text]), [[corrected, CORRECTED]]);
});

step("the clerk's sound is in the record on both sides of the crash", async () => {
  const { record } = await protocolOf(court.bundleDir);
  const found = { before: 0, after: 0 };
  for (const file of segmentsOf(record, "clerk", "microphone")) {
    const { samples } = await decode(join(court.bundleDir, file.file));
    for (const clip of spoken) {
      const { likeness } = find(envelope(clip.samples), envelope(samples));
      if (likeness >= 0.8) found[file.starts_ms < at.killedMs ? "before" : "after"] += 1;
    }
  }
  report(`whole sentences of the clerk: ${found.before} before, ${found.after} after the crash`);
  assert.ok(found.before >= 1 && found.after >= 1, JSON.stringify(found));
});
