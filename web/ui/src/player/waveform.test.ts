import { describe, expect, it } from "vitest";
import { outline, waveform } from "./waveform";

describe("waveform", () => {
  it("shows the loudest value of each part, and nothing where nothing was recorded", () => {
    const file = { startsMs: 1_000, levels: [0, 51, 255, 0, 102, 0, 0, 0, 0, 0] };
    expect(waveform([file], { fromMs: 0, toMs: 4_000 }, 4)).toEqual([null, 1, null, null]);
    expect(waveform([file], { fromMs: 1_000, toMs: 2_000 }, 5)).toEqual([0.2, 1, 0.4, 0, 0]);
  });

  it("puts the files of a person together", () => {
    const files = [
      { startsMs: 0, levels: Array<number>(10).fill(51) },
      { startsMs: 2_000, levels: Array<number>(10).fill(255) },
    ];
    expect(waveform(files, { fromMs: 0, toMs: 3_000 }, 3)).toEqual([0.2, null, 1]);
  });

  it("draws silence as a thin line and leaves out what was not recorded", () => {
    expect(outline([0, null, 1], 24)).toBe("M0.5 11.5V12.5M2.5 0.0V24.0");
  });
});
