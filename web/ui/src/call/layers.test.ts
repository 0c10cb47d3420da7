import { describe, expect, it, vi } from "vitest";
import { encodingsFor, sendLayers } from "./layers";

describe("encodingsFor", () => {
  it("lists the layers of a picture from the smallest", () => {
    expect(encodingsFor(720).map(({ rid }) => rid)).toEqual(["q", "h", "f"]);
    expect(encodingsFor(360).map(({ rid }) => rid)).toEqual(["h", "f"]);
    const rates = encodingsFor(720).map(({ maxBitrate }) => maxBitrate ?? 0);
    expect([...rates].sort((a, b) => a - b)).toEqual(rates);
  });

  it("sends a small picture in one encoding without a name", () => {
    expect(encodingsFor(240)).toHaveLength(1);
    expect(encodingsFor(240)[0]?.rid).toBeUndefined();
  });
});

describe("sendLayers", () => {
  function sender(active: boolean[]) {
    const parameters = { encodings: active.map((on) => ({ active: on })) };
    const setParameters = vi.fn(() => Promise.resolve());
    return { getParameters: () => parameters, setParameters, parameters };
  }

  it("pauses what nobody watches and goes on when somebody does", async () => {
    const fake = sender([true, true, true]);
    await sendLayers(fake as unknown as RTCRtpSender, [0, 2]);
    expect(fake.parameters.encodings.map(({ active }) => active)).toEqual([true, false, true]);
    await sendLayers(fake as unknown as RTCRtpSender, [0, 1, 2]);
    expect(fake.parameters.encodings.map(({ active }) => active)).toEqual([true, true, true]);
    expect(fake.setParameters).toHaveBeenCalledTimes(2);
  });

  it("leaves a sender alone that does so already", async () => {
    const fake = sender([true, false]);
    await sendLayers(fake as unknown as RTCRtpSender, [0]);
    expect(fake.setParameters).not.toHaveBeenCalled();
  });
});
