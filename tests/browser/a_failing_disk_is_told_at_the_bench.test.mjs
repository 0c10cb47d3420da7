import assert from "node:assert/strict";
import { after, before } from "node:test";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Court } from "./support/court.mjs";
import { mayMountDisks } from "./support/disk.mjs";
import { look, Person } from "./support/person.mjs";
import { step } from "./support/step.mjs";
import { pause, until } from "./support/wait.mjs";

/** The law of the house, and what the page needs on a busy machine to show it. */
const TOLD_MS = 3_000 + 1_000;
/** A fault is shown for 5 s at least, and ends when the disk takes bytes again. */
const MENDED_MS = 30_000;
const SETTLED_MS = 60_000;
/** Of the clerk, the defendant and the witness. */
const TRACKS = 6;

const report = (text) => process.stdout.write(`# ${text}\n`);

let court;
let clerk;
let natives;
/** What the disk had acknowledged, by file. */
const acknowledged = new Map();

const recordDir = () => join(court.disk.root, court.dataDir, "record", court.hearing.id);

async function filesOf(ending) {
  const names = await readdir(recordDir(), { recursive: true });
  return names.filter((name) => name.endsWith(ending));
}

/** Keeps the whole lines of all chunk logs. */
async function keepWhatIsAcknowledged() {
  for (const name of await filesOf(".chunks.jsonl")) {
    const text = await readFile(join(recordDir(), name), "utf8");
    acknowledged.set(name, text.slice(0, text.lastIndexOf("\n") + 1));
  }
}

/** Waits until the bench is told, and says how long that took. */
async function isTold(what, since, fault) {
  await clerk.sees("record-fault", TOLD_MS);
  report(`${what}: told after ${((Date.now() - since) / 1_000).toFixed(1)} s`);
  assert.equal(await clerk.attribute("record-fault", "data-fault"), fault);
  assert.equal(await clerk.isOnRecord(), false, "the session is off the record");
}

async function goesOnRecordAgain() {
  await until("the fault is over", async () => (await clerk.by("record-fault").count()) === 0, MENDED_MS);
  await clerk.press("record-on");
  await until("the session is on record", () => clerk.isOnRecord());
}

/** Everybody's microphone and camera are being written: so many files grow from now on. */
async function isWritten() {
  await keepWhatIsAcknowledged();
  const before = new Map(acknowledged);
  await until("everybody is being written", async () => {
    await keepWhatIsAcknowledged();
    const grown = [...acknowledged].filter(([name, lines]) => lines.length > (before.get(name)?.length ?? 0));
    return grown.length >= TRACKS;
  });
}

before(async () => {
  assert.ok(await mayMountDisks(), "this test needs the right to mount a disk of its own (root)");
  court = await Court.open({ OTYRYS_DRAFT__ENABLED: "false" }, { diskSize: "64m" });
  clerk = await Person.arrive();
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
  await isWritten();
});

step("a full disk is told, and the record goes on when there is room", { timeout: 120_000 }, async () => {
  await keepWhatIsAcknowledged();
  const full = await court.disk.fill();
  await isTold("full disk", full, "disk");
  await keepWhatIsAcknowledged();
  await court.disk.empty();
  await goesOnRecordAgain();
  await isWritten();
});

step("a record that became read-only is told when the next file is begun", { timeout: 120_000 }, async () => {
  await clerk.press("record-off");
  await until("the session is off the record", async () => !(await clerk.isOnRecord()));
  await court.disk.makeReadOnly("record");
  await clerk.press("record-on");
  await isTold("read-only record", Date.now(), "disk");
  await court.disk.makeWritable("record");
  await goesOnRecordAgain();
  await isWritten();
});

step("a hearing whose key is gone is not recorded in a way that nobody could read", { timeout: 120_000 }, async () => {
  const key = join(recordDir(), "hearing.key");
  const line = await readFile(key);
  await clerk.press("record-off");
  await until("the session is off the record", async () => !(await clerk.isOnRecord()));
  await court.disk.within("rm", key.slice(court.disk.root.length));
  await clerk.press("record-on");
  await isTold("missing key", Date.now(), "disk");
  const { code, day } = await court.reconcile();
  assert.equal(code, 1);
  assert.ok(day.hearings[0].mismatches.some(({ kind }) => kind === "key_lost"));
  await writeFile(key, line);
  await goesOnRecordAgain();
  await isWritten();
});

step("nothing that was acknowledged is lost, and what rotted is named and costs the rest nothing", { timeout: 180_000 }, async () => {
  await keepWhatIsAcknowledged();
  // A byte of the first chunk of somebody's sound, while its file grows.
  const [name] = (await filesOf(".webm")).filter((file) => file.includes("microphone"));
  const path = join(recordDir(), name);
  const bytes = await readFile(path);
  await court.disk.flip(path.slice(court.disk.root.length), 100, bytes[100]);
  await pause(2_000);
  await clerk.closesHearing();
  for (const [file, lines] of acknowledged) {
    const now = await readFile(join(recordDir(), file), "utf8");
    assert.ok(now.startsWith(lines), `acknowledged lines of ${file} are gone`);
  }
  const found = await until(
    "what rotted is named",
    async () => {
      const { day } = await court.reconcile();
      return day.hearings[0].mismatches.find(({ kind, segment }) => kind === "pieces_damaged" && name.includes(segment));
    },
    SETTLED_MS,
  );
  report(`of ${name} ${found.from_ms} to ${found.to_ms} ms are damaged`);
  assert.ok(found.to_ms - found.from_ms < 2_000, "the rest of it holds");
  await until("the rest is sealed", () => court.program.output.includes("record and protocol are sealed"), SETTLED_MS);
});
