import { describe, expect, it } from "vitest";
import { Perception, type Received } from "./Perception";

const picture = (id: string, figures: Partial<Received>) =>
  ({ kind: "video", trackIdentifier: id, ...figures }) as Received;
const sound = (id: string, totalSamplesReceived: number, concealedSamples: number) =>
  ({ kind: "audio", trackIdentifier: id, totalSamplesReceived, concealedSamples }) as Received;

describe("what a person saw and heard", () => {
  it("is the worst picture and all of the sound, since the last report", () => {
    const perception = new Perception();
    const at = (freezes: number, seconds: number) => ({ freezeCount: freezes, totalFreezesDuration: seconds });
    expect(perception.report([picture("a", at(7, 3)), picture("b", at(0, 0)), sound("c", 96_000, 4_000)])).toBeNull();
    expect(
      perception.report([picture("a", at(8, 3.25)), picture("b", at(2, 0.5)), sound("c", 192_000, 28_000)]),
    ).toEqual({ freezes: 2, frozen_ms: 500, concealed_permille: 250 });
  });

  it("says nothing of sound where nobody is to be heard", () => {
    const perception = new Perception();
    perception.report([picture("a", { freezeCount: 0 })]);
    expect(perception.report([picture("a", { freezeCount: 0 })])?.concealed_permille).toBeNull();
  });

  it("begins anew when other pictures are shown", () => {
    const perception = new Perception();
    perception.report([picture("a", { freezeCount: 0 })]);
    perception.reset();
    expect(perception.report([picture("a", { freezeCount: 1 })])).toBeNull();
    expect(perception.report([picture("a", { freezeCount: 1 })])?.freezes).toBe(0);
  });

  it("never says what the server would not believe", () => {
    const perception = new Perception();
    perception.report([picture("a", { freezeCount: 0, totalFreezesDuration: 0 }), sound("c", 0, 0)]);
    expect(
      perception.report([picture("a", { freezeCount: 90, totalFreezesDuration: 900 }), sound("c", 10, 90)]),
    ).toEqual({ freezes: 20, frozen_ms: 60_000, concealed_permille: 1_000 });
  });

  it("is taken from the times of arrival where the browser does not count freezes", () => {
    const perception = new Perception();
    let now = 0;
    const pass = (ms: number, arrives: boolean) => {
      for (const end = now + ms; now < end; now += 100) perception.look("a", now, arrives ? now : -1);
    };
    pass(1_000, true);
    perception.report([picture("a", {})]);
    pass(2_000, true);
    expect(perception.report([picture("a", {})])?.freezes).toBe(0);
    perception.look("a", now, now);
    const stands = now;
    now += 700;
    perception.look("a", now, now);
    pass(1_000, true);
    expect(perception.report([picture("a", {})])).toEqual({
      freezes: 1,
      frozen_ms: now - 1_000 - stands,
      concealed_permille: null,
    });
    // A camera that was off for a while did not freeze.
    now += 8_000;
    pass(1_000, true);
    expect(perception.report([picture("a", {})])?.freezes).toBe(0);
  });
});
