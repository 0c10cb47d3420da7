import { describe, expect, it } from "vitest";
import {
  type Clock,
  DRIFT_SEEK_MS,
  type MediaElementLike,
  NUDGE,
  RecordPlayer,
  STALL_PATIENCE_MS,
  TICK_MS,
} from "./RecordPlayer";

/** Virtual time that also moves the elements that play. */
class FakeClock implements Clock {
  private nowMs = 0;
  private readonly timers = new Set<{ action: () => void; due: number; period: number }>();
  readonly elements: FakeElement[] = [];

  now(): number {
    return this.nowMs;
  }

  every(ms: number, action: () => void): () => void {
    const timer = { action, due: this.nowMs + ms, period: ms };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  run(ms: number): void {
    for (let passed = 0; passed < ms; passed += 10) {
      this.nowMs += 10;
      for (const element of this.elements) element.advance(10);
      for (const timer of [...this.timers]) {
        if (timer.due > this.nowMs || !this.timers.has(timer)) continue;
        timer.due += timer.period;
        timer.action();
      }
    }
  }
}

class FakeElement implements MediaElementLike {
  currentTime = 0;
  playbackRate = 1;
  preload = "none";
  paused = true;
  seeking = false;
  readyState = 4;
  error: unknown = null;
  /** How fast this element really runs, for drift. */
  pace = 1;

  play(): Promise<void> {
    this.paused = false;
    return Promise.resolve();
  }

  pause(): void {
    this.paused = true;
  }

  advance(ms: number): void {
    if (!this.paused && this.readyState >= 2) this.currentTime += (ms / 1000) * this.playbackRate * this.pace;
  }
}

/** The judge from 0 to 10 s, the witness from 4 to 8 s. */
function setUp() {
  const clock = new FakeClock();
  const player = new RecordPlayer(
    [
      { id: "judge", startsMs: 0, endsMs: 10_000 },
      { id: "witness", startsMs: 4_000, endsMs: 8_000 },
    ],
    0,
    clock,
  );
  const judge = new FakeElement();
  const witness = new FakeElement();
  clock.elements.push(judge, witness);
  player.attach("judge", judge);
  player.attach("witness", witness);
  return { clock, player, judge, witness };
}

describe("RecordPlayer", () => {
  it("starts each file when its turn on the record's clock comes, and stops it after", () => {
    const { clock, player, judge, witness } = setUp();
    player.play();
    clock.run(3_000);
    expect(judge.paused).toBe(false);
    expect(witness.paused).toBe(true);
    clock.run(2_000);
    expect(witness.paused).toBe(false);
    expect(witness.currentTime).toBeCloseTo(1, 0);
    expect(player.getSnapshot().active).toEqual(["judge", "witness"]);
    clock.run(4_000);
    expect(witness.paused).toBe(true);
    expect(judge.paused).toBe(false);
  });

  it("goes to a line: every file to its own place", () => {
    const { player, judge, witness } = setUp();
    player.playFrom(6_500);
    expect(judge.currentTime).toBeCloseTo(6.5);
    expect(witness.currentTime).toBeCloseTo(2.5);
    expect(witness.paused).toBe(false);
    player.playFrom(1_000);
    expect(witness.paused).toBe(true);
    expect(witness.currentTime).toBe(0);
  });

  it("nudges a file that drifts a little and resets one that drifts far", () => {
    const { clock, player, judge } = setUp();
    player.play();
    clock.run(1_000);
    judge.currentTime += 0.15;
    clock.run(TICK_MS);
    expect(judge.playbackRate).toBeCloseTo(1 - NUDGE);
    clock.run(3_000);
    expect(judge.playbackRate).toBe(1);
    expect(Math.abs(judge.currentTime * 1000 - player.getSnapshot().positionMs)).toBeLessThan(70);
    judge.currentTime -= (DRIFT_SEEK_MS + 200) / 1000;
    clock.run(TICK_MS);
    expect(Math.abs(judge.currentTime * 1000 - player.getSnapshot().positionMs)).toBeLessThan(20);
  });

  it("keeps a file that runs slow within hearing of the others", () => {
    const { clock, player, judge } = setUp();
    judge.pace = 0.98;
    player.play();
    clock.run(8_000);
    expect(Math.abs(judge.currentTime * 1000 - player.getSnapshot().positionMs)).toBeLessThan(100);
  });

  it("plays at another speed", () => {
    const { clock, player, judge } = setUp();
    player.setRate(2);
    player.play();
    clock.run(2_000);
    expect(player.getSnapshot().positionMs).toBeCloseTo(4_000, -2);
    expect(judge.currentTime).toBeCloseTo(4, 0);
    player.setRate(0.5);
    clock.run(2_000);
    expect(player.getSnapshot().positionMs).toBeCloseTo(5_000, -2);
  });

  it("holds the clock for all while one file loads, but not for ever", () => {
    const { clock, player, judge, witness } = setUp();
    witness.readyState = 0;
    player.playFrom(5_000);
    clock.run(1_000);
    expect(player.getSnapshot().waiting).toBe(true);
    expect(player.getSnapshot().positionMs).toBeLessThan(5_200);
    expect(judge.paused).toBe(true);
    witness.readyState = 4;
    clock.run(500);
    expect(player.getSnapshot().waiting).toBe(false);
    expect(judge.paused).toBe(false);
    witness.readyState = 0;
    clock.run(STALL_PATIENCE_MS + 1_000);
    expect(player.getSnapshot().waiting).toBe(false);
    expect(player.getSnapshot().positionMs).toBeGreaterThan(5_500);
  });

  it("says that a file is broken and plays the others", () => {
    const { clock, player, judge, witness } = setUp();
    witness.error = new Error("format");
    witness.readyState = 0;
    player.playFrom(5_000);
    clock.run(1_000);
    expect(player.getSnapshot()).toMatchObject({ broken: true, waiting: false });
    expect(judge.paused).toBe(false);
  });

  it("stops at the end and starts over from there", () => {
    const { clock, player, judge } = setUp();
    player.playFrom(9_500);
    clock.run(1_000);
    expect(player.getSnapshot()).toMatchObject({ playing: false, positionMs: 10_000 });
    expect(judge.paused).toBe(true);
    player.play();
    expect(player.getSnapshot().positionMs).toBe(0);
  });

  it("stays paused while seeking by hand", () => {
    const { player, judge } = setUp();
    player.seek(2_000);
    expect(judge.paused).toBe(true);
    expect(judge.currentTime).toBeCloseTo(2);
    expect(player.getSnapshot().positionMs).toBe(2_000);
  });
});
