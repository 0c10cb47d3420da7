import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { decode } from "../browser/support/sound.mjs";
import { until } from "../browser/support/wait.mjs";

/** Who takes part; each with a voice and a picture. */
export const ROLES = ["judge", "clerk", "defendant", "witness"];
const TRACKS = ROLES.length * 2;
/** A track is being written when its log grew in the last … */
const FRESH_MS = 1_500;
const BACK_MS = 90_000;

/** The chunk logs of the spool, by the id of their segment: whole lines. */
export async function chunkLogs(court) {
  const dir = join(court.dataDir, "record", court.hearing.id);
  const logs = new Map();
  const names = await readdir(dir, { recursive: true }).catch(() => []);
  for (const name of names.filter((known) => known.endsWith(".chunks.jsonl"))) {
    const text = await readFile(join(dir, name), "utf8").catch(() => "");
    logs.set(name.match(/([0-9a-f-]{36})\.chunks\.jsonl$/)[1], text.split("\n").slice(0, -1));
  }
  return logs;
}

export const isOpen = (lines) => lines.length > 0 && !lines.at(-1).startsWith('{"end"');

/** Waits until all tracks are being written. */
export async function everybodyIsWritten(court, rehearsal) {
  let before = new Map();
  const grewAt = new Map();
  return until(
    "everybody is being written again",
    async () => {
      if (!rehearsal.isRunning) throw new Error(`the participants are gone:\n${rehearsal.output.slice(-2_000)}`);
      const logs = await chunkLogs(court);
      for (const [segment, lines] of logs) {
        if (lines.length > (before.get(segment)?.length ?? 0)) grewAt.set(segment, Date.now());
      }
      const isFirst = before.size === 0;
      before = logs;
      if (isFirst) return grewAt.clear();
      const fresh = [...logs].filter(
        ([segment, lines]) => isOpen(lines) && Date.now() - (grewAt.get(segment) ?? 0) < FRESH_MS,
      );
      return fresh.length >= TRACKS;
    },
    BACK_MS,
  );
}

/** The files of record and players among `files` that do not decode to their end, with the reason. */
export async function unplayable(bundle, files) {
  const broken = [];
  for (const file of files.filter((known) => /\.(webm|mkv|mp4)$/.test(known))) {
    const { code, errors, frames, samples } = await decode(join(bundle, file), {
      picture: !file.includes("microphone"),
    });
    if (code === 0 && errors === "" && (frames ?? samples.length) > 0) continue;
    broken.push(`${file}: ${errors || "nothing in it"}`);
  }
  return broken;
}
