import assert from "node:assert/strict";
import { after, before } from "node:test";
import { join } from "node:path";
import { Court } from "./support/court.mjs";
import { FirefoxPerson } from "./support/firefox.mjs";
import { look, meet, Person } from "./support/person.mjs";
import { receptionDuring, receptionOf, told } from "./support/reception.mjs";
import { russian, writeWav } from "./support/speech.mjs";
import { step } from "./support/step.mjs";
import { pause, until } from "./support/wait.mjs";

const report = (text) => process.stdout.write(`# ${text}\n`);

let court;
let clerk;
let witness;

before(async () => {
  const env = (port) => ({ OTYRYS_DRAFT__ENABLED: "false", OTYRYS_SERVER__METRICS: `127.0.0.3:${port}` });
  court = await Court.open(env, { forFirefox: true });
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
  await meet(clerk, witness, court.seats);
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

/** A figure of the server's metrics. */
async function figure(name) {
  const text = await (await fetch(`http://127.0.0.3:${court.port}/metrics`)).text();
  return Number(new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1]);
}

step("both pages tell the server what they see and hear", { timeout: 60_000 }, async () => {
  const before = await figure("otyrys_perceived_reports_total");
  const concealed = await figure("otyrys_perceived_concealed_seconds_total");
  await pause(10_000);
  const reports = (await figure("otyrys_perceived_reports_total")) - before;
  const madeUp = (await figure("otyrys_perceived_concealed_seconds_total")) - concealed;
  const freezes = await figure("otyrys_perceived_freezes_total");
  report(`${reports} reports in 10 s, ${madeUp.toFixed(2)} s of sound made up, ${freezes} freezes since the start`);
  // One of them alone would tell five times.
  assert.ok(reports >= 8 && reports <= 12, `${reports} reports`);
  assert.ok(madeUp < 5, "most of the sound came");
});

step("a person with Firefox who reloads the page is back in their place", { timeout: 120_000 }, async () => {
  await witness.page.reload();
  await witness.sees("hearing-room");
  await until("the picture moves again", async () => (await receptionOf(witness)).frames > 20, 60_000);
  await clerk.closesHearing();
  await witness.sees("hearing-over");
});
