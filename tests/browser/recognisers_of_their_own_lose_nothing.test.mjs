// The whole program with its recognisers in processes of their own: they die, stop, come back, and
// nothing of the draft is missing or there twice.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { join } from "node:path";
import { protocolOf } from "./support/bundle.mjs";
import { Court } from "./support/court.mjs";
import { look, Person } from "./support/person.mjs";
import { OTYRYS, Program } from "./support/program.mjs";
import { russian, writeWav } from "./support/speech.mjs";
import { step } from "./support/step.mjs";
import { until } from "./support/wait.mjs";
import { wordErrorRate } from "./support/words.mjs";

const SEALED_MS = 180_000;
/** A worker's files are another's so long after its last word, and the rest is recognised. */
const TAKEN_OVER_MS = 60_000;
const WORD_ERRORS = 0.35;

const report = (text) => process.stdout.write(`# ${text}\n`);

let court;
let clerk;
let spoken;
const workers = [];

/** Starts a recogniser beside the server. */
function work() {
  const worker = new Program(OTYRYS, ["worker"], {
    cwd: court.dir,
    env: { OTYRYS_SERVER__DATA_DIR: court.dataDir, OTYRYS_DRAFT__APART: "true", NO_COLOR: "1" },
  });
  workers.push(worker);
  return worker;
}

/** Whether it reads a file of the record, as its log says. */
const reads = (worker) => worker.output.includes("reading a file of the record");

before(async () => {
  court = await Court.open({ OTYRYS_DRAFT__APART: "true" });
  spoken = await russian(303, 304, 306, 307, 308, 310, 314, 316, 319, 320);
  const wav = await writeWav(join(court.dir, "clerk.wav"), spoken, { lead: 12, gap: 0.9 });
  clerk = await Person.arrive({ wav });
});

after(async () => {
  if (step.hasFailed) await look({ clerk }, [court?.log, court?.program.output, ...workers.map((one) => one.output)]);
  await clerk?.leave();
  for (const worker of workers) await worker.stop();
  await court?.close();
});

step("without a recogniser the hearing goes on and the bench is told", { timeout: 120_000 }, async () => {
  await clerk.takeSeat(court.seats.clerk);
  await clerk.sees("hearing-room");
  await clerk.goesOnRecord();
  await clerk.sees("draft-off");
});

step("whoever starts first reads, and the bench sees what is being said, and lines", { timeout: 120_000 }, async () => {
  work();
  await until("the draft runs", () => clerk.by("draft-state").count());
  await until("words are shown while they are spoken", () => clerk.page.locator("[data-testid^='guess-']").count(), 60_000);
  await until("a line is there", async () => (await clerk.lines()).length >= 1, 60_000);
  assert.ok(reads(workers[0]));
});

step("a recogniser is killed, and another one goes on in the middle of its file", { timeout: 120_000 }, async () => {
  work();
  await until("the second one is ready", () => workers[1].output.includes("recognises with"));
  const before = (await clerk.lines()).length;
  const at = Date.now();
  await workers[0].kill();
  await until("there are more lines", async () => (await clerk.lines()).length > before, TAKEN_OVER_MS);
  assert.ok(reads(workers[1]));
  report(`the next line stood there ${((Date.now() - at) / 1_000).toFixed(1)} s after the kill`);
});

step("a recogniser that is told to end gives its file back at once", { timeout: 120_000 }, async () => {
  const third = work();
  await until("the third one is ready", () => third.output.includes("recognises with"));
  const at = Date.now();
  assert.equal((await workers[1].stop())?.code, 0);
  await until("the third one reads", () => reads(third));
  report(`taken over ${((Date.now() - at) / 1_000).toFixed(1)} s after the word to end`);
});

step("the draft is whole: each sentence, once, and as good as in one process", { timeout: SEALED_MS + 60_000 }, async () => {
  const sentences = spoken.length;
  await until("all is said and drafted", async () => (await clerk.lines()).length >= sentences, 120_000);
  await clerk.closesHearing();
  await until("the record is sealed", async () => (await court.verify()).code === 0, SEALED_MS);
  const { lines, means } = await protocolOf(court.bundleDir);
  assert.ok(means.model, "the protocol names the model");
  const own = lines.filter(({ participant }) => participant === court.seats.clerk.participant_id);
  for (let at = 1; at < own.length; at += 1) {
    assert.ok(own[at].start_ms >= own[at - 1].end_ms, `${own[at - 1].text} | ${own[at].text}`);
  }
  // Chromium plays the file again and again, from its own beginning: what follows what is known. The
  // first sentence may have begun before the record, the last one was cut off.
  const whole = own.slice(1, -1).map(({ text }) => {
    const errors = spoken.map((sentence) => wordErrorRate([[sentence.text, text]]));
    const best = Math.min(...errors);
    return { text, sentence: errors.indexOf(best), best };
  });
  const told = whole.map(({ text }) => text).join(" | ");
  for (let at = 1; at < whole.length; at += 1) {
    const step = (whole[at].sentence - whole[at - 1].sentence + sentences) % sentences;
    assert.ok(step <= 1, `a sentence is missing before "${whole[at].text}" in: ${told}`);
  }
  const errors = whole.map(({ best }) => best).sort((a, b) => a - b)[Math.floor(whole.length / 2)];
  report(`${own.length} lines, median of word errors ${(errors * 100).toFixed(1)} %`);
  assert.ok(errors < WORD_ERRORS, told);
});
