import assert from "node:assert/strict";
import { after, before } from "node:test";
import { join } from "node:path";
import { eventsOf, protocolOf } from "./support/bundle.mjs";
import { Court } from "./support/court.mjs";
import { look, meet, Person } from "./support/person.mjs";
import { russian, writeWav } from "./support/speech.mjs";
import { step } from "./support/step.mjs";
import { until } from "./support/wait.mjs";

const SEALED_MS = 180_000;

let court;
let clerk;
let interpreter;

before(async () => {
  court = await Court.open();
  await court.stop();
  await court.setRole("witness", "interpreter");
  await court.start();
  const sentences = await russian(303, 304, 306, 307, 308);
  // Twice: a busy recogniser passes over guesses.
  const wav = await writeWav(join(court.dir, "interpreter.wav"), [...sentences, ...sentences], { lead: 2, gap: 0.9 });
  [clerk, interpreter] = await Promise.all([Person.arrive(), Person.arrive({ wav })]);
});

after(async () => {
  if (step.hasFailed) await look({ clerk, interpreter }, [court?.log, court?.program.output]);
  for (const person of [clerk, interpreter]) await person?.leave();
  await court?.close();
});

step("a line from before says nothing, and one from after says for whom, in the room", { timeout: 180_000 }, async () => {
  const { witness, defendant } = court.seats;
  await meet(clerk, interpreter, court.seats);
  await clerk.goesOnRecord();
  await until("a line is there", async () => (await clerk.lines()).length >= 1, 60_000);
  const [before] = await clerk.lines();
  assert.equal(await clerk.by(`interprets-${before.id}`).count(), 0);
  await clerk.by(`interprets-for-${witness.participant_id}`).selectOption(defendant.participant_id);
  await until("what is being said is marked", () => clerk.by(`guess-interprets-${witness.participant_id}`).count(), 60_000);
  const marked = clerk.page.locator(".lines [data-testid^='interprets-']");
  await until("a marked line is there", () => marked.count(), 60_000);
  assert.match(await marked.first().innerText(), /Ким Алексей/u);
  assert.equal(await clerk.by(`interprets-${before.id}`).count(), 0, "what was said before stays as it is");
});

step("so does the protocol, and the log says who set it", { timeout: SEALED_MS + 30_000 }, async () => {
  await clerk.closesHearing();
  await until("the record is sealed", async () => (await court.verify()).code === 0, SEALED_MS);
  const { lines } = await protocolOf(court.bundleDir);
  const set = (await eventsOf(court.bundleDir)).filter(({ kind }) => kind === "interpretation_set");
  assert.equal(set.length, 1);
  assert.equal(set[0].actor, court.seats.clerk.participant_id);
  const own = lines.filter(({ participant }) => participant === court.seats.witness.participant_id);
  const marked = own.filter(({ interprets }) => interprets?.participant === court.seats.defendant.participant_id);
  assert.ok(marked.length > 0 && marked.length < own.length, `${marked.length} of ${own.length} lines`);
  const first = own.indexOf(marked[0]);
  assert.deepEqual(own.slice(first), marked, "from the moment on at which it was set");
});
