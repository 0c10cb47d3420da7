// `make recorder-crash-test T=300`: in a live hearing with native participants the muxing process
// crashes (SIGSEGV) each 20 s, for T seconds. Afterwards the sealed record is looked at. The last
// line is
//
//   recorder: crashes=N off_record=F sound_missing_max=Xs unplayable=U
//
// - off record: how often the hearing left the record because of it.
// - sound missing: the longest time between two packets of a voice, over the borders of files, beyond
//   the 20 ms of a packet.
// - unplayable: files of the record and copies for players that ffmpeg does not decode to the end
//   without a complaint.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { eventsOf, filesOf } from "../browser/support/bundle.mjs";
import { Court } from "../browser/support/court.mjs";
import { Person } from "../browser/support/person.mjs";
import { run } from "../browser/support/program.mjs";
import { pause, until } from "../browser/support/wait.mjs";
import { everybodyIsWritten, ROLES, unplayable } from "./spool.mjs";

const SECONDS = Number(process.env.T ?? 300);
const EVERY_S = 20;
const SEALED_MS = 300_000;
const PACKET_MS = 20;

const say = (text) => process.stdout.write(`${text}\n`);

/** The muxing process of a server. */
async function muxingProcess(server) {
  const children = [];
  for (const thread of await readdir(`/proc/${server}/task`)) {
    children.push(...(await readFile(`/proc/${server}/task/${thread}/children`, "utf8")).split(" "));
  }
  for (const child of children.filter((known) => known !== "")) {
    const command = await readFile(`/proc/${child}/cmdline`, "utf8");
    if (command.split("\0")[1] === "recorder") return Number(child);
  }
  throw new Error("there is no muxing process");
}

/** Ends a process as a fault in C would. */
async function crash(pid) {
  process.kill(pid, "SIGSEGV");
  // Rust's handler takes the first one for an overflow of the stack, finds that it is none, and
  // waits for the instruction to fail again.
  await pause(50);
  process.kill(pid, "SIGSEGV");
}

/** The longest time between two packets of one voice, beyond a packet, in milliseconds. */
async function soundMissing(bundle, files, opened) {
  const times = [];
  for (const { segment, starts_ms } of opened) {
    const file = files.find((known) => known.startsWith("record/") && known.endsWith(`${segment}.webm`));
    const args = ["-v", "error", "-show_entries", "packet=pts_time", "-of", "csv=p=0", join(bundle, file)];
    const { code, output } = await run("ffprobe", args);
    if (code !== 0) throw new Error(`${file}: ${output}`);
    times.push(...output.split("\n").filter((line) => line !== "").map((line) => starts_ms + parseFloat(line) * 1_000));
  }
  times.sort((one, other) => one - other);
  const gaps = times.slice(1).map((at, n) => at - times[n] - PACKET_MS);
  return Math.max(0, ...gaps);
}

const court = await Court.open();
let clerk;
let crashes = 0;
let offRecord = 0;
let missingMs = 0;
let broken = [];
try {
  const rehearsal = court.rehearse(ROLES);
  await everybodyIsWritten(court, rehearsal);
  for (let left = SECONDS; left > 0; left -= EVERY_S) {
    await pause(EVERY_S * 1_000);
    await crash(await muxingProcess(court.program.child.pid));
    crashes += 1;
    await everybodyIsWritten(court, rehearsal);
    say(`crash ${crashes}: everybody is written again`);
  }
  clerk = await Person.arrive();
  await clerk.takeSeat(court.seats.clerk);
  await clerk.sees("hearing-room");
  await clerk.closesHearing();
  await until("the record is sealed", async () => (await court.verify()).code === 0, SEALED_MS);

  const bundle = court.bundleDir;
  const files = await filesOf(bundle);
  const events = await eventsOf(bundle);
  offRecord = events.filter(({ kind }) => kind === "record_failed").length;
  const opened = events.filter(({ kind }) => kind === "segment_opened").map(({ data }) => data);
  for (const role of ROLES.filter((known) => known !== "clerk")) {
    const { participant_id: participant } = court.seats[role];
    const own = opened.filter((known) => known.participant === participant && known.source === "microphone");
    const missing = await soundMissing(bundle, files, own);
    say(`${role}: a voice in ${own.length} files, ${missing.toFixed(0)} ms missing at most`);
    missingMs = Math.max(missingMs, missing);
  }
  broken = await unplayable(bundle, files);
  for (const file of broken) say(file);
} finally {
  await clerk?.leave();
  await court.close();
}
say(
  `recorder: crashes=${crashes} off_record=${offRecord} sound_missing_max=${(missingMs / 1_000).toFixed(2)}s unplayable=${broken.length}`,
);
process.exitCode = offRecord === 0 && missingMs <= PACKET_MS && broken.length === 0 ? 0 : 1;
