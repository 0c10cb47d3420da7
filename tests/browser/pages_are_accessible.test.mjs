import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { AxeBuilder } from "@axe-core/playwright";
import { Court } from "./support/court.mjs";
import { OUTPUT, Person } from "./support/person.mjs";
import { until } from "./support/wait.mjs";

const LANGUAGES = ["kk", "ru", "en"];
const DESK = { width: 1280, height: 800 };
const PHONE = { width: 360, height: 740 };

let court;
let clerk;
let witness;
let natives;

before(async () => {
  await mkdir(OUTPUT, { recursive: true });
  court = await Court.open();
  [clerk, witness] = await Promise.all([Person.arrive(), Person.arrive()]);
});

after(async () => {
  await Promise.all([clerk?.leave(), witness?.leave()]);
  await natives?.stop();
  await court?.close();
});

/** Nothing serious or critical by axe, no sideways scrolling, in each language and on a phone. */
async function isAccessible(person, name) {
  const { page } = person;
  const found = [];
  const wide = [];
  for (const [size, viewport] of Object.entries({ desk: DESK, phone: PHONE })) {
    for (const language of LANGUAGES) {
      // In the hearing room a phone has no place for the switch.
      await page.setViewportSize(DESK);
      await person.press(`language-${language}`);
      await until("the language is changed", async () => (await page.locator("html").getAttribute("lang")) === language);
      await page.setViewportSize(viewport);
      await page.screenshot({ path: join(OUTPUT, `${name}-${size}-${language}.png`), fullPage: size === "phone" });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (overflow > 1) wide.push(`${size} ${language}: ${overflow} px too wide`);
    }
    const { violations } = await new AxeBuilder({ page }).analyze();
    for (const { id, impact, nodes } of violations) {
      if (impact !== "serious" && impact !== "critical") continue;
      found.push(`${size} ${id} (${impact}): ${nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`);
    }
  }
  await page.setViewportSize(DESK);
  assert.deepEqual({ found, wide }, { found: [], wide: [] }, name);
}

test("the home page", async () => {
  await clerk.page.goto(court.url);
  await clerk.sees(`seat-${court.seats.clerk.participant_id}`);
  await isAccessible(clerk, "home");
});

test("the self-test", async () => {
  await witness.page.goto(court.seats.witness.link);
  await witness.page.locator(".preview video").waitFor();
  await isAccessible(witness, "self-test");
});

test("the waiting room", async () => {
  await witness.press("ready");
  await witness.sees("waiting");
  await isAccessible(witness, "waiting");
});

test("the room on record, as the clerk and as the witness see it", { timeout: 240_000 }, async () => {
  await clerk.takeSeat(court.seats.clerk);
  await clerk.sees("hearing-room");
  // Now: before a clerk sits the rehearsal's judge lets everybody in.
  natives = court.rehearse(["judge", "defendant"], "--leave-open");
  await clerk.admits(court.seats.defendant);
  await clerk.admits(court.seats.witness);
  await clerk.goesOnRecord();
  await until("the draft has lines", async () => (await clerk.lines()).length >= 3, 120_000);
  await isAccessible(clerk, "room-clerk");
  await clerk.press("read-back-1");
  await clerk.sees("voice-room");
  await isAccessible(clerk, "room-clerk-reads-back");
  await clerk.page.setViewportSize(PHONE);
  for (const view of ["people", "draft"]) {
    await clerk.press(`view-${view}`);
    await clerk.page.screenshot({ path: join(OUTPUT, `room-clerk-phone-${view}.png`) });
  }
  await clerk.press("view-picture");
  await clerk.page.setViewportSize(DESK);
  await isAccessible(witness, "room-witness");
});

test("the page of a wrong link", async () => {
  await witness.page.goto(`${court.url}/j/wrong`);
  await witness.sees("error-link_unknown");
  await isAccessible(witness, "wrong-link");
});

test("the page after the hearing", async () => {
  await clerk.closesHearing();
  await clerk.sees("voice-room");
  await isAccessible(clerk, "over");
});

test("the registry", { timeout: 240_000 }, async () => {
  const { case_number: number } = court.hearing;
  await until(
    "the package is delivered",
    async () => (await court.registry(`/cases/${encodeURIComponent(number)}`)).packages.length === 1,
    180_000,
  );
  await witness.page.goto(`${court.url}/registry`);
  await witness.sees("registry-sign-in");
  await isAccessible(witness, "registry-sign-in");
  await clerk.page.goto(court.registryLink);
  await clerk.sees("registry-case");
  await isAccessible(clerk, "registry");
  await clerk.page.locator("[data-testid='registry-case'] a").first().click();
  await clerk.sees("package");
  const open = clerk.page.locator("[data-testid^='open-package-']");
  if ((await open.count()) > 0) await open.first().click();
  await clerk.sees("player");
  await isAccessible(clerk, "registry-case");
});
