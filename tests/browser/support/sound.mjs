import { spawn } from "node:child_process";

/** Samples a second of all sound here. */
export const RATE = 16_000;
/** Samples of one step of an envelope: 20 ms. */
const STEP = 320;
export const STEPS_A_SECOND = RATE / STEP;

/** Decodes a file to its end. `errors` is whatever the decoder complained of. */
export async function decode(path, { picture = false } = {}) {
  const args = ["-v", "error", "-xerror", "-err_detect", "explode", "-i", path];
  if (picture) args.push("-map", "0:v", "-f", "framehash", "-");
  else args.push("-map", "0:a", "-ac", "1", "-ar", String(RATE), "-f", "s16le", "-");
  const child = spawn("ffmpeg", args, { stdio: ["ignore", "pipe", "pipe"] });
  const parts = [];
  let errors = "";
  child.stdout.on("data", (part) => parts.push(part));
  child.stderr.on("data", (text) => {
    errors += text;
  });
  const code = await new Promise((done, failed) => {
    child.once("error", failed);
    child.once("close", done);
  });
  const data = Buffer.concat(parts);
  if (picture) {
    const frames = data.toString().split("\n").filter((line) => line !== "" && !line.startsWith("#")).length;
    return { code, errors, frames };
  }
  // A copy, since the samples must begin at an even address.
  const samples = new Int16Array(new Uint8Array(data).buffer, 0, data.length >> 1);
  return { code, errors, samples, seconds: samples.length / RATE };
}

/** Loudness of each 20 ms, as the logarithm of the mean square over a floor. */
export function envelope(samples) {
  const steps = new Float64Array(Math.floor(samples.length / STEP));
  for (let step = 0; step < steps.length; step += 1) {
    let sum = 0;
    for (let at = step * STEP; at < (step + 1) * STEP; at += 1) sum += samples[at] ** 2;
    steps[step] = Math.log10(sum / STEP + 1_000);
  }
  return steps;
}

/**
 * Where `clip` sounds in `record` (envelopes), and how alike they are there: the normalised
 * cross-correlation at its best shift, 1 for the same course of loudness, about 0 for another.
 */
export function find(clip, record) {
  let best = { at: 0, likeness: -1 };
  for (let at = 0; at + clip.length <= record.length; at += 1) {
    const likeness = correlation(clip, record, at);
    if (likeness > best.likeness) best = { at, likeness };
  }
  return { likeness: best.likeness, atMs: (best.at * 1000) / STEPS_A_SECOND };
}

function correlation(clip, record, at) {
  const n = clip.length;
  let [a, b] = [0, 0];
  for (let i = 0; i < n; i += 1) {
    a += clip[i];
    b += record[at + i];
  }
  a /= n;
  b /= n;
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < n; i += 1) {
    const [x, y] = [clip[i] - a, record[at + i] - b];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa * bb === 0 ? 0 : ab / Math.sqrt(aa * bb);
}
