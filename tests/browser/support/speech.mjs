import { readFile, readdir, writeFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { join } from "node:path";
import { CACHE } from "./program.mjs";
import { decode, RATE } from "./sound.mjs";

const SPEECH = join(CACHE, "speech");
const FESTVOX = join(SPEECH, "festvox-ru/usr/share/festival/voices/russian/msu_ru_nsh_clunits");
const PROMPTS = join(SPEECH, "asterisk-core-sounds-en-wav/usr/share/asterisk/sounds/en_US_f_Allison");
const PROMPT_TEXTS = join(
  SPEECH,
  "asterisk-core-sounds-en/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz",
);

/** Sentences read by a man in Russian: Debian's festvox-ru, by number. */
export async function russian(...numbers) {
  const texts = await readFile(join(FESTVOX, "etc/txt.done.data"), "utf8");
  return Promise.all(
    numbers.map(async (number) => {
      const name = `ru_${String(number).padStart(4, "0")}`;
      const line = texts.split("\n").find((known) => known.includes(` ${name} `));
      if (line === undefined) throw new Error(`festvox-ru has no sentence ${name}`);
      // The plus before a stressed vowel is for synthesis.
      const text = line.slice(line.indexOf('"') + 1, line.lastIndexOf('"')).replaceAll("+", "");
      return { name, text, samples: await samplesOf(join(FESTVOX, "wav", `${name}.wav`)) };
    }),
  );
}

/** Telephone prompts spoken by a woman in English: Debian's asterisk-core-sounds-en, by name. */
export async function english(...names) {
  const texts = gunzipSync(await readFile(PROMPT_TEXTS)).toString("utf8");
  return Promise.all(
    names.map(async (name) => {
      const line = texts.split("\n").find((known) => known.startsWith(`${name}: `));
      return { name, text: line.slice(name.length + 2).trim(), samples: await samplesOf(join(PROMPTS, `${name}.wav`)) };
    }),
  );
}

/** The recording of a text as the rehearsal participants say it: any festvox sentence. */
export async function recordingOf(text) {
  const texts = await readFile(join(FESTVOX, "etc/txt.done.data"), "utf8");
  for (const line of texts.split("\n")) {
    const start = line.indexOf('"');
    if (start < 0) continue;
    if (line.slice(start + 1, line.lastIndexOf('"')).replaceAll("+", "").trim() !== text.trim()) continue;
    const name = line.trim().slice(1).trim().split(" ")[0];
    return samplesOf(join(FESTVOX, "wav", `${name}.wav`));
  }
  return undefined;
}

/** Whether the speech was fetched; without it nothing can be spoken. */
export async function isThere() {
  try {
    return (await readdir(join(FESTVOX, "wav"))).length > 0 && (await readdir(PROMPTS)).length > 0;
  } catch {
    return false;
  }
}

/** The clips one after the other, `gap` seconds apart, after `lead` seconds of silence. */
export async function writeWav(path, clips, { lead = 0, gap = 1.2, tail = 0 } = {}) {
  const silence = (seconds) => new Int16Array(Math.round(seconds * RATE));
  const parts = [silence(lead)];
  for (const clip of clips) parts.push(clip.samples, silence(gap));
  parts.push(silence(tail));
  const samples = Buffer.concat(parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength)));
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + samples.length, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(RATE, 24);
  header.writeUInt32LE(RATE * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write("data", 36);
  header.writeUInt32LE(samples.length, 40);
  await writeFile(path, Buffer.concat([header, samples]));
  return path;
}

async function samplesOf(path) {
  const { samples, code, errors } = await decode(path);
  if (code !== 0) throw new Error(`${path}: ${errors}`);
  return samples;
}
