import { cp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";

/** All files of a bundle, by their paths in it. */
export async function filesOf(dir) {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
}

/** Runs `look` on a copy of the bundle in which one bit in the middle of `path` is turned. */
export async function withTurnedBit(dir, path, look) {
  const copy = `${dir}-turned`;
  await rm(copy, { recursive: true, force: true });
  await cp(dir, copy, { recursive: true });
  try {
    const file = join(copy, path);
    const content = await readFile(file);
    content[content.length >> 1] ^= 1;
    await rm(file);
    await writeFile(file, content);
    return await look(copy);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

/** The agreed protocol of a bundle. */
export async function protocolOf(dir) {
  const path = (await filesOf(dir)).find((known) => known.endsWith("protocol.json"));
  return JSON.parse(await readFile(join(dir, path), "utf8"));
}

/** The events of a bundle, in order. */
export async function eventsOf(dir) {
  const path = (await filesOf(dir)).find((known) => known.endsWith("events.jsonl"));
  const lines = (await readFile(join(dir, path), "utf8")).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line));
}
