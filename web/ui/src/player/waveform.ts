/** The server's values of loudness for each second (`Loudness` on the wire). */
export const LEVELS_PER_SECOND = 10;
/** The largest value. */
const LOUDEST = 255;

export type View = { fromMs: number; toMs: number };

/** What of a file's loudness is known: one value for each 100 ms from `startsMs` on. */
export type Levels = { startsMs: number; levels: readonly number[] };

/** The loudest value, 0 to 1, in each of `bins` equal parts of the view; `null` where nothing was recorded. */
export function waveform(files: readonly Levels[], { fromMs, toMs }: View, bins: number): (number | null)[] {
  const binMs = (toMs - fromMs) / bins;
  return Array.from({ length: bins }, (_, bin) => {
    const beginsMs = fromMs + bin * binMs;
    let loudest: number | null = null;
    for (const { startsMs, levels } of files) {
      const first = Math.max(0, Math.floor(((beginsMs - startsMs) * LEVELS_PER_SECOND) / 1000));
      const last = Math.ceil(((beginsMs + binMs - startsMs) * LEVELS_PER_SECOND) / 1000);
      for (let at = first; at < Math.min(last, levels.length); at += 1) {
        loudest = Math.max(loudest ?? 0, (levels[at] ?? 0) / LOUDEST);
      }
    }
    return loudest;
  });
}

/** The outline of a waveform as an SVG path, `height` high and one unit wide for each value. */
export function outline(values: readonly (number | null)[], height: number): string {
  const middle = height / 2;
  return values
    .flatMap((value, at) => {
      if (value === null) return [];
      const half = Math.max(0.5, value * middle);
      return [`M${at + 0.5} ${(middle - half).toFixed(1)}V${(middle + half).toFixed(1)}`];
    })
    .join("");
}
