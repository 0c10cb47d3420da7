import assert from "node:assert/strict";
import { after, before } from "node:test";
import { join } from "node:path";
import { Court } from "./support/court.mjs";
import { FirefoxPerson } from "./support/firefox.mjs";
import { look, Person } from "./support/person.mjs";
import { receptionDuring, receptionOf, told } from "./support/reception.mjs";
import { russian, writeWav } from "./support/speech.mjs";
import { step } from "./support/step.mjs";
import { until } from "./support/wait.mjs";

const report = (text) => process.stdout.write(`# ${text}\n`);

let court;
let clerk;
let witness;

before(async () => {
  court = await Court.open({ OTYRYS_DRAFT__ENABLED: "false" }, { forFirefox: true });
  const spoken = await russian(303, 304, 306, 307, 308, 310, 314, 316, 319, 320);
  const wav = await writeWav(join(court.dir, "clerk.wav"), [...spoken, ...spoken], { lead: 1, gap: 0.3 });
  [clerk, witness] = await Promise.all([Person.arrive({ wav }), FirefoxPerson.arrive()]);
});

after(async () => {
  if (step.hasFailed) await look({ clerk, witness }, [court?.program.output]);
  await Promise.all([clerk?.leave(), witness?.leave()]);
  await court?.close();
});

step("a person with Firefox passes the self-test, waits and is let in", { timeout: 120_000 }, async () => {
  const { seats } = court;
  await Promise.all([clerk.takeSeat(seats.clerk), witness.takeSeat(seats.witness)]);
  await clerk.sees("hearing-room");
  await witness.sees("waiting");
  await clerk.admits(seats.witness);
  await witness.sees("hearing-room");
});

step("both see and hear each other", { timeout: 120_000 }, async () => {
  for (const person of [clerk, witness]) {
    await until("the picture moves", async () => (await receptionOf(person)).frames > 50, 60_000);
  }
  const [atClerk, atWitness] = await Promise.all([receptionDuring(clerk, 10), receptionDuring(witness, 10)]);
  report(`Chromium receives ${told(atClerk)}`);
  report(`Firefox receives ${told(atWitness)}`);
  for (const reception of [atClerk, atWitness]) {
    assert.ok(reception.framesPerSecond > 10, "the picture moves");
    assert.ok(reception.energy > 1e-4, "there is sound");
    assert.ok(reception.soundLoss === 0, "no sound is lost on a good line");
  }
  assert.deepEqual([...clerk.faults, ...witness.faults], [], "no page has failed");
});

step("a person with Firefox who reloads the page is back in their place", { timeout: 120_000 }, async () => {
  await witness.page.reload();
  await witness.sees("hearing-room");
  await until("the picture moves again", async () => (await receptionOf(witness)).frames > 20, 60_000);
  await clerk.closesHearing();
  await witness.sees("hearing-over");
});
