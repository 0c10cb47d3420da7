import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, before } from "node:test";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";
import { protocolOf, withTurnedBit } from "./support/bundle.mjs";
import { Court } from "./support/court.mjs";
import { CHROMIUM, OUTPUT } from "./support/person.mjs";
import { step } from "./support/step.mjs";
import { until } from "./support/wait.mjs";

/** One part of the film, so that a hearing of two parts is long enough. */
const PART_S = 64;
const DESK = { width: 1280, height: 800 };
const PHONE = { width: 360, height: 740 };

let court;
let browser;
let page;
const asked = [];

before(async () => {
  await mkdir(OUTPUT, { recursive: true });
  // A busy machine that falls behind for a moment is no matter here.
  court = await Court.open({ OTYRYS_RECORD__FAULT_AFTER_MS: "60000" });
});

after(async () => {
  if (step.hasFailed) process.stdout.write(court.program.output.replace(/^/gm, "# "));
  await browser?.close();
  await court?.close();
});

const derived = () => join(court.dataDir, "derived", court.hearing.id);

/** The inode of the film's first part, once it is there. */
async function firstPart() {
  const folders = (await readdir(derived()).catch(() => [])).filter((name) => name.startsWith("parts-"));
  if (folders.length === 0) return undefined;
  return (await stat(join(derived(), folders[0], "00000")).catch(() => undefined))?.ino;
}

step("a hearing is held, and its film is made although the server is killed", { timeout: 600_000 }, async () => {
  const natives = court.rehearse(["judge", "defendant"], "--rounds", "5");
  await natives.ended;
  await until("the first part of the film is made", firstPart, 240_000);
  const first = await firstPart();
  await court.kill();
  await court.start();
  const seen = new Set();
  await until(
    "the film is made",
    async () => {
      const part = await firstPart();
      if (part !== undefined) seen.add(part);
      return (await readdir(derived())).sort().join() === "room.json,room.mp4,room.vtt";
    },
    240_000,
  );
  assert.deepEqual([...seen].filter((part) => part !== first), [], "the first part is not made again");
});

step("what is handed out verifies, and says what is not sealed", { timeout: 60_000 }, async () => {
  const whole = await court.verify();
  assert.equal(whole.code, 0, whole.output);
  assert.match(whole.output, /4 further files .* are no part of the seal/);
  const turned = await withTurnedBit(court.bundleDir, "derived/room.mp4", (dir) => court.verify(dir));
  assert.notEqual(turned.code, 0);
  assert.match(turned.output, /derived\/room\.mp4/);
});

step("the film has chapters, sound and a picture", { timeout: 60_000 }, async () => {
  const film = join(court.bundleDir, "derived/room.mp4");
  const probe = (...what) => execFileSync("ffprobe", ["-v", "error", ...what, "-of", "json", film]);
  const { format, streams, chapters } = JSON.parse(probe("-show_format", "-show_streams", "-show_chapters"));
  assert.ok(Number(format.duration) > PART_S, format.duration);
  assert.deepEqual(streams.map((stream) => stream.codec_name), ["h264", "aac"]);
  const titles = chapters.map((chapter) => chapter.tags.title);
  assert.match(titles[0], /\d\d:\d\d:\d\d$/);
  assert.ok(titles.length >= 3, titles.join(", "));
});

step("a plain browser plays it from a folder", { timeout: 120_000 }, async () => {
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
  page = await (await browser.newContext({ viewport: DESK, locale: "ru-RU" })).newPage();
  page.on("request", (request) => asked.push(request.url()));
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  await page.goto(pathToFileURL(join(court.bundleDir, "index.html")).href);
  const film = page.getByTestId("film");
  await until("the film is loaded", () => film.evaluate((video) => video.readyState >= 1 && video.duration > 0));
  const { lines } = await protocolOf(court.bundleDir);
  assert.equal(await film.evaluate((video) => video.textTracks[0].cues?.length ?? -1), lines.length);
  const buttons = page.getByTestId("lines").getByRole("button");
  assert.equal(await buttons.count(), lines.length);
  const last = buttons.last();
  const wanted = Number(await last.getAttribute("data-ms")) / 1_000;
  await last.click();
  await until("it plays from there", () => film.evaluate((video, from) => !video.paused && video.currentTime > from, wanted));
  assert.ok((await film.evaluate((video) => video.currentTime)) < wanted + 10);
  await until("the line is marked", async () => (await last.getAttribute("aria-current")) === "true");
  await page.getByTestId("chapters").getByRole("button").first().click();
  await until("it is at its beginning", () => film.evaluate((video) => video.currentTime < 5));
  assert.deepEqual(faults, []);
});

step("everybody can use the page, and it asks nobody", { timeout: 120_000 }, async () => {
  for (const [size, viewport] of Object.entries({ desk: DESK, phone: PHONE })) {
    await page.setViewportSize(viewport);
    for (const language of ["kk", "ru", "en"]) {
      await page.locator(`[data-language="${language}"]`).click();
      assert.equal(await page.locator("html").getAttribute("lang"), language);
      await page.screenshot({ path: join(OUTPUT, `export-${size}-${language}.png`), fullPage: size === "phone" });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(overflow <= 1, `${size} ${language}: ${overflow} px too wide`);
    }
    const { violations } = await new AxeBuilder({ page }).analyze();
    const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), [], size);
  }
  assert.deepEqual(asked.filter((url) => !url.startsWith("file:")), []);
});

step("the page of the case plays it beside the record, with captions", { timeout: 120_000 }, async () => {
  const context = await browser.newContext({ viewport: DESK, locale: "ru-RU", ignoreHTTPSErrors: true });
  const registry = await context.newPage();
  await registry.goto(court.registryLink);
  await registry.getByTestId("registry-case").first().getByRole("link").click();
  const film = registry.getByTestId("room-film");
  await until("the package is open, with its film", async () => {
    if ((await film.count()) > 0) return true;
    await registry.locator("[data-testid^='open-package-']").first().click({ timeout: 1_000 });
    return false;
  });
  const { lines } = await protocolOf(court.bundleDir);
  await until("the film and its captions are loaded", () =>
    film.evaluate((video, cues) => video.duration > 0 && video.textTracks[0]?.cues?.length === cues, lines.length),
  );
  const [from] = (await registry.locator(".room-film time").last().innerText()).split(":").map(Number);
  await registry.locator(".room-film .stages button").last().click();
  await until("it plays from the last chapter", () =>
    film.evaluate((video, seconds) => video.currentTime >= seconds, from * 60),
  );
  for (const [size, viewport] of Object.entries({ desk: DESK, phone: PHONE })) {
    await registry.setViewportSize(viewport);
    await registry.locator(".room-film").scrollIntoViewIfNeeded();
    await registry.screenshot({ path: join(OUTPUT, `registry-film-${size}.png`) });
    const overflow = await registry.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(overflow <= 1, `${size}: ${overflow} px too wide`);
    const { violations } = await new AxeBuilder({ page: registry }).include(".room-film").analyze();
    assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), [], size);
  }
  await context.close();
});
