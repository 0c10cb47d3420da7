import { describe, expect, it } from "vitest";
import { mapSlots, missingSlots } from "./slots";

describe("slots", () => {
  it("gathers the tracks of each participant and leaves empty slots out", () => {
    const map = mapSlots([
      { mid: "2", track: { participant: "judge", source: "microphone" } },
      { mid: "3", track: null },
      { mid: "10", track: { participant: "judge", source: "camera" } },
      { mid: "11", track: { participant: "witness", source: "camera" } },
    ]);
    expect(Object.fromEntries(map)).toEqual({
      judge: { microphone: "2", camera: "10" },
      witness: { camera: "11" },
    });
  });

  it("never keeps a participant whose slots were taken away", () => {
    expect(mapSlots([{ mid: "2", track: null }]).size).toBe(0);
  });

  it("adds only what is missing", () => {
    expect(missingSlots(8, 10)).toBe(2);
    expect(missingSlots(8, 3)).toBe(0);
  });
});
