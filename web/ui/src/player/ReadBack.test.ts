import { describe, expect, it } from "vitest";
import { RequestError } from "../api/http";
import type { RecordApi } from "../api/record";
import type { Listen } from "../wire/Listen";
import type { RecordedSegment } from "../wire/RecordedSegment";
import { FakeClock, FakeElement } from "./fakes";
import { LIST_MS, LIVE_LAG_MS, ReadBack } from "./ReadBack";

const MINUTE_MS = 60_000;

function sound(participant: string, ends_ms: number, growing: boolean): RecordedSegment {
  return { segment: `file-${participant}`, participant, source: "microphone", starts_ms: 0, ends_ms, growing };
}

/** A record of judge and witness, ten minutes long, that still grows. */
function setUp() {
  const clock = new FakeClock();
  const server = {
    endsMs: 10 * MINUTE_MS,
    refuses: false,
    began: [] as Listen[],
    open: new Set<number>(),
    sent: [] as { segment: string; listening: number; fromMs: number }[],
  };
  const api = {
    list: () =>
      Promise.resolve({
        people: [
          { id: "judge", name: "J", role: "judge" as const },
          { id: "witness", name: "W", role: "witness" as const },
        ],
        segments: [
          sound("judge", server.endsMs, true),
          sound("witness", server.endsMs, true),
          { ...sound("witness", server.endsMs, true), segment: "picture", source: "camera" as const },
        ],
      }),
    listen: (wish: Listen) => {
      if (server.refuses) return Promise.reject(new RequestError("not_allowed"));
      server.began.push(wish);
      server.open.add(server.began.length);
      return Promise.resolve(server.began.length);
    },
    stop: (listening: number) => {
      server.open.delete(listening);
      return Promise.resolve();
    },
    sound: (segment: string, listening: number, fromMs: number) => {
      server.sent.push({ segment, listening, fromMs });
      return Promise.resolve({ bytes: new ArrayBuffer(1), fromMs, toMs: fromMs + 10_000 });
    },
    loudness: (_: string, from: number) => Promise.resolve({ from, levels: [255], more: false }),
  } satisfies Partial<Record<keyof RecordApi, unknown>>;
  const elements: FakeElement[] = [];
  const readBack = new ReadBack({
    api: api as unknown as RecordApi,
    clock,
    openElement: () => {
      const element = new FakeElement();
      elements.push(element);
      clock.elements.push(element);
      const openSink = () => ({
        append: () => Promise.resolve(),
        buffered: () => [[0, 86_400] as const],
        close: () => undefined,
      });
      return { element, openSink };
    },
  });
  readBack.start();
  return { clock, server, elements, readBack };
}

/** Lets what was promised happen. */
const settle = () => new Promise((done) => setTimeout(done, 0));

describe("ReadBack", () => {
  it("plays the last minute of a record that grows, once the server knows who listens to what", async () => {
    const { clock, server, elements, readBack } = setUp();
    await readBack.playLast(MINUTE_MS);
    const fromMs = server.endsMs - LIVE_LAG_MS - MINUTE_MS;
    expect(server.began).toEqual([
      {
        tracks: [
          { participant: "judge", source: "microphone" },
          { participant: "witness", source: "microphone" },
        ],
        from_ms: fromMs,
      },
    ]);
    await settle();
    clock.run(1_000);
    expect(readBack.player.getSnapshot()).toMatchObject({ playing: true });
    expect(readBack.getSnapshot().view).toEqual({ fromMs, toMs: server.endsMs - LIVE_LAG_MS });
    expect(elements.map(({ paused }) => paused)).toEqual([false, false]);
    expect(server.sent.map(({ listening, fromMs: from }) => [listening, from])).toEqual([
      [1, fromMs],
      [1, fromMs],
    ]);
  });

  it("is told of what was recorded meanwhile", async () => {
    const { clock, server, readBack } = setUp();
    await settle();
    server.endsMs += 30_000;
    clock.run(LIST_MS);
    await settle();
    expect(readBack.player.getSnapshot().durationMs).toBe(server.endsMs - LIVE_LAG_MS);
  });

  it("tells the server when the person stops, and loads anew what is heard again", async () => {
    const { clock, server, readBack } = setUp();
    await readBack.playFrom(1_000);
    clock.run(500);
    readBack.pause();
    expect(server.open.size).toBe(0);
    const before = server.sent.length;
    await readBack.playFrom(1_000);
    await settle();
    expect(server.began).toHaveLength(2);
    expect(server.sent.slice(before).map(({ listening, fromMs }) => [listening, fromMs])).toEqual([
      [2, 1_000],
      [2, 1_000],
    ]);
  });

  it("ends the listening when all there is was heard", async () => {
    const { clock, server, readBack } = setUp();
    await readBack.playFrom(server.endsMs - LIVE_LAG_MS - 500);
    clock.run(1_000);
    expect(readBack.player.getSnapshot().playing).toBe(false);
    expect(server.open.size).toBe(0);
  });

  it("asks for one person's track alone when only that one is heard", async () => {
    const { server, elements, readBack } = setUp();
    await readBack.playFrom(1_000);
    readBack.choose("witness");
    await settle();
    expect(server.began[1]?.tracks).toEqual([{ participant: "witness", source: "microphone" }]);
    expect(server.open).toEqual(new Set([2]));
    expect(elements.map(({ paused }) => paused)).toEqual([true, false]);
  });

  it("starts nothing when the person has stopped before the server answered", async () => {
    const { server, readBack } = setUp();
    await settle();
    const late = readBack.playFrom(1_000);
    readBack.pause();
    await late;
    expect(readBack.player.getSnapshot().playing).toBe(false);
    expect(server.open.size).toBe(0);
  });

  it("plays nothing and says so when the server refuses", async () => {
    const { server, readBack } = setUp();
    server.refuses = true;
    await readBack.playFrom(1_000);
    expect(readBack.getSnapshot().failure).toBe("not_allowed");
    expect(readBack.player.getSnapshot().playing).toBe(false);
    expect(server.sent).toEqual([]);
  });

  it("knows how loud everybody is", async () => {
    const { readBack } = setUp();
    await settle();
    expect([...readBack.getSnapshot().levels.values()].map(({ person, levels }) => [person, levels])).toEqual([
      ["judge", [255]],
      ["witness", [255]],
    ]);
  });
});
