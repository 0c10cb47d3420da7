import { run } from "./program.mjs";

/**
 * Writes 3 s of 640x360 with so much noise that an encoder takes all the bits that it is given: a
 * leafy courtyard rather than Chromium's green plate, which needs 200 kbit/s.
 */
export async function writeFilm(path) {
  const picture = "testsrc2=size=640x360:rate=25,noise=alls=24:allf=t";
  const args = ["-v", "error", "-f", "lavfi", "-i", picture, "-t", "3", "-pix_fmt", "yuv420p", path];
  const { code, output } = await run("ffmpeg", args);
  if (code !== 0) throw new Error(`${path}: ${output}`);
  return path;
}
