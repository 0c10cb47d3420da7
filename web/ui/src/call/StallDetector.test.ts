import { describe, expect, it } from "vitest";
import { STALL_MS, StallDetector } from "./StallDetector";

/** Looks each 100 ms at what arrived last, and gives the moments at which it stalls. */
function moments(arrivals: readonly (number | null)[], detector = new StallDetector()): number[] {
  return arrivals.flatMap((arrival, index) => (detector.stalls(index * 100, arrival) ? [index * 100] : []));
}

const flowing = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index);
const still = (arrival: number | null, count: number) => Array<number | null>(count).fill(arrival);

describe("a stall", () => {
  it("is noticed once, so long after the last arrival", () => {
    expect(moments([...flowing(1, 5), ...still(5, 30)])).toEqual([400 + STALL_MS]);
  });

  it("is noticed again after media has flowed again", () => {
    const first = [...flowing(1, 5), ...still(5, 10)];
    expect(moments([...first, ...flowing(6, 3), ...still(8, 10)])).toHaveLength(2);
  });

  it("is none while nothing has flowed yet, nor in a pause shorter than it", () => {
    expect(moments(still(null, 30))).toEqual([]);
    expect(moments(still(7, 30))).toEqual([]);
    expect(moments([...flowing(1, 5), ...still(5, 4), ...flowing(6, 5)])).toEqual([]);
  });

  it("is none when somebody else is to be heard", () => {
    const detector = new StallDetector();
    moments(flowing(1, 5), detector);
    detector.reset();
    expect(moments(still(5, 30), detector)).toEqual([]);
  });
});
