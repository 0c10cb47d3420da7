// `make crash-test N=100`: the server is killed N times (SIGKILL) at seeded random moments of one
// live hearing with native participants, who come back by themselves. Afterwards the hearing is
// closed, and everything that anybody was told, or that was acknowledged on disk, is looked for in
// the sealed record. The last line is
//
//   crash: kills=N facts_lost=F media_lost_max=Xs unplayable=U
//
// - facts: each whole line of a chunk log that was on disk at a kill, each line of the draft that
//   the bench was told, each act that was confirmed to whoever conducts.
// - media lost: how much of a track that was being written is missing before a kill. What the
//   network and the wait for late packets hold is counted as lost, too.
// - unplayable: files of the record and copies for players that ffmpeg does not decode to the end
//   without a complaint.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { eventsOf, filesOf, protocolOf } from "../browser/support/bundle.mjs";
import { Court } from "../browser/support/court.mjs";
import { Person } from "../browser/support/person.mjs";
import { pause, until } from "../browser/support/wait.mjs";
import { chunkLogs, everybodyIsWritten, isOpen, ROLES, unplayable } from "./spool.mjs";

const KILLS = Number(process.env.N ?? 100);
const SEED = Number(process.env.SEED ?? 1);
/** A kill comes so long after everybody is being written again, at most. */
const WITHIN_MS = 3_000;
/** The draft catches up, and some hundred files are copied and hashed. */
const SEALED_MS = 900_000;

const say = (text) => process.stdout.write(`${text}\n`);

/** Repeatable chance (mulberry32). */
function dice(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What a story tells of the draft and of acts; both are told after they are stored. */
function told(story) {
  const lines = story.lines("< ").map((line) => {
    const [, minutes, seconds, name, text] = line.match(/^(\d+):(\d+) (.*?)(?: \(weak model\))?: (.*)$/);
    return { at_s: Number(minutes) * 60 + Number(seconds), name, text };
  });
  const stages = story.lines("= stage: ").length;
  const admitted = story.lines("= ").filter((line) => line.endsWith(" is admitted")).length;
  return { lines, acts: { stage_marked: stages, admitted } };
}

const chance = dice(SEED);
const court = await Court.open();
/** Takes the seat at the end, to close the hearing. */
let clerk;
let lost = { chunks: 0, lines: 0, acts: 0 };
let mediaLostMs = 0;
let broken = [];
try {
  const stories = [court.rehearse(ROLES)];
  const kills = [];
  const acknowledged = new Map();
  for (let kill = 1; kill <= KILLS; kill += 1) {
    if (!stories.at(-1).isRunning) stories.push(court.rehearse(ROLES));
    await everybodyIsWritten(court, stories.at(-1));
    await pause(chance() * WITHIN_MS);
    const at = await court.kill();
    const open = [];
    for (const [segment, lines] of await chunkLogs(court)) {
      const known = acknowledged.get(segment)?.length ?? 0;
      if (lines.length > known) acknowledged.set(segment, lines);
      if (isOpen(lines)) open.push({ segment, ends_ms: JSON.parse(lines.at(-1)).ends_ms });
    }
    kills.push({ at, open });
    say(`kill ${kill} of ${KILLS}: ${open.length} tracks were being written`);
    await court.start();
  }
  await everybodyIsWritten(court, stories.at(-1));
  clerk = await Person.arrive();
  await clerk.takeSeat(court.seats.clerk);
  await clerk.sees("hearing-room");
  await clerk.closesHearing();
  await until("the record is sealed", async () => (await court.verify()).code === 0, SEALED_MS);

  const bundle = court.bundleDir;
  const files = await filesOf(bundle);
  const events = await eventsOf(bundle);
  const protocol = await protocolOf(bundle);
  const zero = Date.parse(events.find(({ kind }) => kind === "on_record").at);

  const kept = new Map();
  for (const file of files.filter((known) => known.endsWith(".chunks.jsonl"))) {
    const text = await readFile(join(bundle, file), "utf8");
    kept.set(file.match(/([0-9a-f-]{36})\.chunks\.jsonl$/)[1], new Set(text.split("\n")));
  }
  for (const [segment, lines] of acknowledged) {
    lost.chunks += lines.filter((line) => !kept.get(segment)?.has(line)).length;
  }
  const expected = { stage_marked: 0, admitted: 0 };
  let lines = 0;
  for (const story of stories) {
    const heard = told(story);
    for (const line of heard.lines) {
      lines += 1;
      const found = protocol.lines.some(
        ({ name, text, start_ms }) =>
          name === line.name && text === line.text && Math.floor(start_ms / 1_000) === line.at_s,
      );
      if (!found) lost.lines += 1;
    }
    for (const kind of Object.keys(expected)) expected[kind] += heard.acts[kind];
  }
  for (const [kind, count] of Object.entries(expected)) {
    lost.acts += Math.max(0, count - events.filter((event) => event.kind === kind).length);
  }
  for (const { at, open } of kills) {
    for (const { ends_ms } of open) mediaLostMs = Math.max(mediaLostMs, at - zero - ends_ms);
  }
  broken = await unplayable(bundle, files);
  for (const file of broken) say(file);
  const chunks = [...acknowledged.values()].reduce((sum, log) => sum + log.length, 0);
  say(`looked for: ${chunks} chunks, ${lines} lines of the draft, ${expected.stage_marked + expected.admitted} acts`);
  say(`lost: ${lost.chunks} chunks, ${lost.lines} lines, ${lost.acts} acts`);
} finally {
  await clerk?.leave();
  await court.close();
}
const facts = lost.chunks + lost.lines + lost.acts;
say(
  `crash: kills=${KILLS} facts_lost=${facts} media_lost_max=${(mediaLostMs / 1_000).toFixed(2)}s unplayable=${broken.length}`,
);
process.exitCode = facts === 0 && broken.length === 0 && mediaLostMs <= 1_000 ? 0 : 1;
