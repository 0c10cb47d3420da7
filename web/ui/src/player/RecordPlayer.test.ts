import { describe, expect, it } from "vitest";
import { FakeClock, FakeElement } from "./fakes";
import { DRIFT_SEEK_MS, NUDGE, RecordPlayer, STALL_PATIENCE_MS, TICK_MS } from "./RecordPlayer";

/** The judge from 0 to 10 s, the witness from 4 to 8 s. */
function setUp() {
  const clock = new FakeClock();
  const player = new RecordPlayer(
    [
      { id: "judge", startsMs: 0, endsMs: 10_000, person: "judge", sound: true },
      { id: "witness", startsMs: 4_000, endsMs: 8_000, person: "witness", sound: true },
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
    const { clock, player, judge, witness } = setUp();
    player.playFrom(4_000);
    clock.run(1_000);
    judge.currentTime += 0.15;
    clock.run(TICK_MS);
    expect(judge.playbackRate).toBeCloseTo(1 - NUDGE);
    expect(witness.playbackRate).toBe(1);
    clock.run(2_000);
    expect(judge.playbackRate).toBe(1);
    expect(Math.abs(judge.currentTime * 1000 - player.getSnapshot().positionMs)).toBeLessThan(70);
    judge.currentTime -= (DRIFT_SEEK_MS + 200) / 1000;
    clock.run(TICK_MS);
    expect(Math.abs(judge.currentTime * 1000 - player.getSnapshot().positionMs)).toBeLessThan(20);
  });

  it("stretches nobody's voice because playing began late", () => {
    const { clock, player, judge, witness } = setUp();
    for (const element of [judge, witness]) element.startDelayMs = 250;
    player.playFrom(4_500);
    const rates = new Set<number>();
    for (let passed = 0; passed < 2_000; passed += TICK_MS) {
      clock.run(TICK_MS);
      rates.add(judge.playbackRate).add(witness.playbackRate);
    }
    expect([...rates]).toEqual([1]);
    expect(Math.abs(judge.currentTime * 1000 - player.getSnapshot().positionMs)).toBeLessThan(70);
    expect(judge.currentTime).toBeGreaterThan(6);
  });

  it("goes on without a file that stands still although it has data", () => {
    const { clock, player, judge, witness } = setUp();
    witness.pace = 0;
    player.playFrom(4_500);
    clock.run(2_000);
    expect(player.getSnapshot().positionMs).toBeGreaterThan(6_300);
    expect(judge.playbackRate).toBe(1);
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

  it("plays one person alone, and pictures with it", () => {
    const { clock, player, judge, witness } = setUp();
    player.setPerson("witness");
    player.playFrom(5_000);
    clock.run(1_000);
    expect(judge.paused).toBe(true);
    expect(witness.paused).toBe(false);
    player.setPerson(null);
    clock.run(TICK_MS);
    expect(judge.paused).toBe(false);
    expect(judge.currentTime * 1000).toBeCloseTo(player.getSnapshot().positionMs, -2);
  });

  it("does not wait for a file where it is known to have nothing, and goes on with it after", () => {
    const { clock, player, judge } = setUp();
    const holed = new FakeElement();
    clock.elements.push(holed);
    player.attach("witness", holed, (ms) => ms >= 5_000 && ms < 6_000);
    player.playFrom(4_500);
    clock.run(700);
    holed.readyState = 1;
    expect(holed.paused).toBe(true);
    expect(player.getSnapshot().waiting).toBe(false);
    expect(judge.paused).toBe(false);
    holed.readyState = 4;
    clock.run(1_000);
    expect(holed.paused).toBe(false);
    expect(holed.currentTime * 1000 + 4_000).toBeCloseTo(player.getSnapshot().positionMs, -2);
  });

  it("goes on into what was recorded meanwhile", () => {
    const { clock, player, judge } = setUp();
    player.playFrom(9_000);
    clock.run(500);
    const grown = { id: "judge", startsMs: 0, endsMs: 20_000, person: "judge", sound: true };
    player.setSegments([grown], 0);
    clock.run(3_000);
    expect(player.getSnapshot()).toMatchObject({ playing: true, durationMs: 20_000 });
    expect(judge.paused).toBe(false);
  });

  it("keeps everybody's own voice at another speed", () => {
    const { judge, witness } = setUp();
    expect([judge.preservesPitch, witness.preservesPitch]).toEqual([true, true]);
  });
});
