import { describe, expect, it, vi } from "vitest";
import type { SoundPiece } from "../api/record";
import { SoundFeed } from "./SoundFeed";

/** A file that begins at 5 s of the record; pieces of 10 s; nothing from 35 s on yet. */
function setUp() {
  const asked: number[] = [];
  const sinks: { parts: number; closed: boolean; buffered: [number, number][] }[] = [];
  const onFailure = vi.fn();
  const load = (fromMs: number): Promise<SoundPiece | null> => {
    asked.push(fromMs);
    if (fromMs >= 35_000) return Promise.resolve(null);
    return Promise.resolve({ bytes: new ArrayBuffer(1), fromMs, toMs: fromMs + 10_000 });
  };
  const feed = new SoundFeed({
    startsMs: 5_000,
    load,
    openSink: () => {
      const sink = { parts: 0, closed: false, buffered: [] as [number, number][] };
      sinks.push(sink);
      return {
        append: () => {
          sink.parts += 1;
          return Promise.resolve();
        },
        buffered: () => sink.buffered,
        close: () => {
          sink.closed = true;
        },
      };
    },
    onFailure,
  });
  return { feed, asked, sinks, onFailure };
}

describe("SoundFeed", () => {
  it("loads ahead of what is heard, piece after piece, and no more than is needed", async () => {
    const { feed, asked, sinks } = setUp();
    await feed.want(7_000, 8_000);
    await feed.want(8_000, 8_000);
    expect(asked).toEqual([7_000]);
    await feed.want(10_000, 8_000);
    expect(asked).toEqual([7_000, 17_000]);
    expect(sinks).toMatchObject([{ parts: 2, closed: false }]);
  });

  it("begins with the file where the record is before it", async () => {
    const { feed, asked } = setUp();
    await feed.want(0, 8_000);
    expect(asked).toEqual([5_000]);
  });

  it("begins anew after a jump, and after it was let go", async () => {
    const { feed, asked, sinks } = setUp();
    await feed.want(7_000, 8_000);
    await feed.want(25_000, 8_000);
    expect(asked).toEqual([7_000, 25_000]);
    expect(sinks).toMatchObject([{ closed: true }, { closed: false }]);
    feed.release();
    await feed.want(25_000, 8_000);
    expect(asked).toEqual([7_000, 25_000, 25_000]);
  });

  it("asks again where nothing was recorded yet", async () => {
    const { feed, asked, sinks } = setUp();
    await feed.want(36_000, 8_000);
    await feed.want(36_000, 8_000);
    expect(asked).toEqual([36_000, 36_000]);
    expect(sinks).toEqual([]);
  });

  it("knows where what is loaded has nothing, and is not sure of anything else", async () => {
    const { feed, sinks } = setUp();
    await feed.want(5_000, 8_000);
    const [sink] = sinks;
    if (sink !== undefined) sink.buffered = [[0, 2], [4, 10]];
    expect([6_000, 7_500, 8_990, 9_500, 16_000].map((ms) => feed.silentAt(ms))).toEqual([false, true, false, false, false]);
  });

  it("throws away a piece that comes after it was let go", async () => {
    const { feed, sinks } = setUp();
    await feed.want(7_000, 8_000);
    const late = feed.want(12_000, 8_000);
    feed.release();
    await late;
    expect(sinks).toMatchObject([{ parts: 1, closed: true }]);
  });
});
