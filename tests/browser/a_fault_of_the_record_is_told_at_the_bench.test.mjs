import assert from "node:assert/strict";
import { after, before } from "node:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { Court } from "./support/court.mjs";
import { faultySender } from "./support/faulty_sender.mjs";
import { look, meet, OUTPUT, Person } from "./support/person.mjs";
import { russian, writeWav } from "./support/speech.mjs";
import { step } from "./support/step.mjs";
import { pause, until } from "./support/wait.mjs";

/** What a page shows late on a machine that is busy with all else. */
const BUSY_MS = 4_000;
/** When the bench is told at the latest: the law of the house. */
const TOLD_MS = 3_000;
/** A fault is shown for so long at least, and speech must be over for as long. */
const SHOWN_MS = 5_000;
const MENDED_MS = 30_000;
/** So long a fault that nobody mends is watched. */
const STANDS_MS = 9_000;
const DESK = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };

const report = (text) => process.stdout.write(`# ${text}\n`);

let court;
let clerk;
let witness;

/** From now on the witness sends what is broken in this way; or is whole again. */
const breaks = (fault, isBroken = true) =>
  witness.page.evaluate(([fault, isBroken]) => (window.faulty[fault] = isBroken), [fault, isBroken]);

const faultIsShown = async () => (await clerk.by("record-fault").count()) > 0;

/** The bench is told this fault of this person, and the session is off the record. */
async function isTold(fault) {
  const since = Date.now();
  await until(`${fault} is told`, faultIsShown, TOLD_MS + BUSY_MS);
  report(`${fault}: told after ${((Date.now() - since) / 1_000).toFixed(1)} s`);
  assert.equal(await clerk.attribute("record-fault", "data-fault"), fault);
  assert.ok((await clerk.by("record-fault").innerText()).includes(court.seats.witness.name), "the person is named");
  await until("the session is off the record", async () => !(await clerk.isOnRecord()), BUSY_MS);
}

/** Nobody mends it: it stays, and the session cannot go on record. */
async function stands() {
  const until = Date.now() + STANDS_MS;
  while (Date.now() < until) {
    assert.ok(await faultIsShown(), "the fault stays while it is not mended");
    assert.ok(await clerk.by("record-on").isDisabled(), "and keeps the session off the record");
    await pause(300);
  }
}

async function comesBack() {
  await until("the fault is over", async () => !(await faultIsShown()), MENDED_MS);
  await clerk.press("record-on");
  await until("the session is on record", () => clerk.isOnRecord());
  await pause(SHOWN_MS);
  assert.ok(await clerk.isOnRecord(), "and stays there");
  assert.equal(await faultIsShown(), false);
}

/** The banner as the clerk sees it, in each language, at a desk and on a phone. */
async function isSeen(name) {
  await mkdir(OUTPUT, { recursive: true });
  const { page } = clerk;
  for (const language of ["kk", "en", "ru"]) {
    await page.setViewportSize(DESK);
    await clerk.press(`language-${language}`);
    await until("the language is changed", async () => (await page.locator("html").getAttribute("lang")) === language);
    for (const [size, viewport] of Object.entries({ desk: DESK, phone: PHONE })) {
      await page.setViewportSize(viewport);
      await clerk.by("record-fault").scrollIntoViewIfNeeded();
      await page.screenshot({ path: join(OUTPUT, `fault-${name}-${size}-${language}.png`) });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(wide <= 1, `${size} ${language}: ${wide} px too wide`);
    }
  }
  const { violations } = await new AxeBuilder({ page }).include("[data-testid=record-fault]").analyze();
  assert.deepEqual(violations.map(({ id }) => id), []);
  await page.setViewportSize(DESK);
}

before(async () => {
  court = await Court.open({ OTYRYS_DRAFT__ENABLED: "false" });
  const spoken = await russian(303, 304, 306, 307, 308, 310);
  // Speech for longer than the test takes.
  const wav = await writeWav(join(court.dir, "witness.wav"), Array(20).fill(spoken).flat(), { lead: 1, gap: 0.3 });
  [clerk, witness] = await Promise.all([Person.arrive(), Person.arrive({ wav })]);
  await witness.context.addInitScript(faultySender);
});

after(async () => {
  if (step.hasFailed) await look({ clerk, witness }, [court?.program.output]);
  await Promise.all([clerk?.leave(), witness?.leave()]);
  await court?.close();
});

step("people are on record, and nothing is wrong", { timeout: 120_000 }, async () => {
  await meet(clerk, witness, court.seats);
  await clerk.goesOnRecord();
  await pause(SHOWN_MS);
  assert.equal(await faultIsShown(), false);
});

step("speech that is recorded as silence is told, until the microphone is off", { timeout: 180_000 }, async () => {
  await breaks("silence");
  await isTold("silence");
  await stands();
  await isSeen("silence");
  await witness.press("mute");
  await until("the fault is over", async () => !(await faultIsShown()), MENDED_MS);
  await breaks("silence", false);
  await witness.press("mute");
  await comesBack();
});

step("a picture that cannot be played is told, until the camera was off", { timeout: 180_000 }, async () => {
  await breaks("picture");
  await isTold("picture");
  await stands();
  await isSeen("picture");
  await witness.press("camera");
  await until("the fault is over", async () => !(await faultIsShown()), MENDED_MS);
  await breaks("picture", false);
  await witness.press("camera");
  await comesBack();
});

step("a clock that stands still is told, until the person came in again", { timeout: 180_000 }, async () => {
  await breaks("clock");
  await isTold("clock");
  await stands();
  await isSeen("clock");
  // With the page its packets begin anew.
  await witness.page.reload();
  await witness.sees("hearing-room");
  await comesBack();
  assert.deepEqual([...clerk.faults, ...witness.faults], [], "no page has failed");
});
