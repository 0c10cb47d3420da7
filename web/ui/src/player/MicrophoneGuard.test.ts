import { describe, expect, it } from "vitest";
import { MicrophoneGuard } from "./MicrophoneGuard";

function setUp(isHeard: boolean) {
  const microphone = {
    isHeard,
    setMuted(muted: boolean) {
      microphone.isHeard = !muted;
      // The page tells of every change, also of this one.
      guard.look(state.playing);
    },
  };
  const state = { playing: false, stopped: 0 };
  const guard = new MicrophoneGuard(microphone, () => {
    state.stopped += 1;
    play(false);
  });
  const play = (playing: boolean) => {
    state.playing = playing;
    guard.look(playing);
  };
  return { microphone, state, guard, play };
}

describe("MicrophoneGuard", () => {
  it("switches the microphone off while something plays, and on again after", () => {
    const { microphone, state, play } = setUp(true);
    play(true);
    expect(microphone.isHeard).toBe(false);
    play(false);
    expect(microphone.isHeard).toBe(true);
    expect(state.stopped).toBe(0);
  });

  it("leaves off what was off before", () => {
    const { microphone, play } = setUp(false);
    play(true);
    play(false);
    expect(microphone.isHeard).toBe(false);
  });

  it("stops the playback when the person wants to speak", () => {
    const { microphone, state, play } = setUp(true);
    play(true);
    microphone.setMuted(false);
    expect(state).toEqual({ playing: false, stopped: 1 });
    expect(microphone.isHeard).toBe(true);
    play(true);
    expect(microphone.isHeard).toBe(false);
  });
});
