import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LocalDevices } from "./LocalDevices";

class FakeTrack {
  stopped = false;
  onended: (() => void) | null = null;

  stop(): void {
    this.stopped = true;
  }
}

/** One `getUserMedia` call whose outcome the test decides. */
type Question = {
  wish: MediaStreamConstraints;
  grant: (...tracks: FakeTrack[]) => Promise<void>;
  refuse: (name: string) => Promise<void>;
};

let questions: Question[];

/** Lets everything that waits for a settled promise run. */
const settle = () => new Promise<void>((resolve) => setTimeout(resolve));

function question(at: number): Question {
  const asked = questions[at];
  if (asked === undefined) throw new Error(`the browser was asked ${questions.length} times only`);
  return asked;
}

beforeEach(() => {
  questions = [];
  const getUserMedia = (wish: MediaStreamConstraints) =>
    new Promise((resolve, reject) => {
      questions.push({
        wish,
        grant: (...tracks) => {
          resolve({ getTracks: () => tracks });
          return settle();
        },
        refuse: (name) => {
          reject(Object.assign(new Error(name), { name }));
          return settle();
        },
      });
    });
  vi.stubGlobal("window", { isSecureContext: true });
  vi.stubGlobal("navigator", {
    mediaDevices: {
      getUserMedia,
      enumerateDevices: () => Promise.resolve([]),
      addEventListener: () => undefined,
      removeEventListener: () => undefined,
    },
  });
});

afterEach(() => vi.unstubAllGlobals());

describe("a device of this computer", () => {
  it("is in use once the browser grants it", async () => {
    const devices = new LocalDevices();
    void devices.open("camera");
    expect(devices.getSnapshot().camera).toEqual({ track: null, problem: null, asking: true });
    const track = new FakeTrack();
    await question(0).grant(track);
    expect(devices.getSnapshot().camera).toEqual({ track, problem: null, asking: false });
    expect(track.stopped).toBe(false);
  });

  it("stays off when it is switched off while the browser still asks", async () => {
    const devices = new LocalDevices();
    void devices.open("camera");
    devices.stop("camera");
    const late = [new FakeTrack(), new FakeTrack()];
    await question(0).grant(...late);
    expect(late.every(({ stopped }) => stopped)).toBe(true);
    expect(devices.getSnapshot().camera).toEqual({ track: null, problem: null, asking: false });
  });

  it("never says that it has a track after it was switched off, not even for a moment", async () => {
    const devices = new LocalDevices();
    void devices.open("camera");
    devices.stop("camera");
    const seen: unknown[] = [];
    devices.subscribe(() => seen.push(devices.getSnapshot().camera.track));
    await question(0).grant(new FakeTrack());
    expect(seen.filter((track) => track !== null)).toEqual([]);
  });

  it("complains of nothing when a request that was given up is refused", async () => {
    const devices = new LocalDevices();
    void devices.open("microphone");
    devices.stop("microphone");
    await question(0).refuse("NotAllowedError");
    expect(devices.getSnapshot().microphone.problem).toBeNull();
  });

  it("is the one chosen last, in whichever order the browser answers", async () => {
    const devices = new LocalDevices();
    void devices.open("camera", "first");
    void devices.open("camera", "second");
    const [first, second] = [new FakeTrack(), new FakeTrack()];
    await question(1).grant(second);
    await question(0).grant(first);
    expect(question(1).wish.video).toMatchObject({ deviceId: { ideal: "second" } });
    expect(devices.getSnapshot().camera).toEqual({ track: second, problem: null, asking: false });
    expect([first.stopped, second.stopped]).toEqual([true, false]);
  });

  it("still counts as asked for while an older request is answered", async () => {
    const devices = new LocalDevices();
    void devices.open("camera", "first");
    void devices.open("camera", "second");
    await question(0).refuse("NotReadableError");
    expect(devices.getSnapshot().camera).toEqual({ track: null, problem: null, asking: true });
  });

  it("is let go when the page went away in the meantime, and not opened again", async () => {
    const devices = new LocalDevices();
    void devices.openAll();
    devices.dispose();
    const late = new FakeTrack();
    await question(0).grant(late);
    expect(late.stopped).toBe(true);
    expect(questions).toHaveLength(1);
  });

  it("is replaced by another one: the lamp of the first goes out", async () => {
    const devices = new LocalDevices();
    const [first, second] = [new FakeTrack(), new FakeTrack()];
    void devices.open("camera");
    await question(0).grant(first);
    void devices.open("camera", "other");
    expect(first.stopped).toBe(false);
    await question(1).grant(second);
    expect(first.stopped).toBe(true);
    expect(devices.getSnapshot().camera.track).toBe(second);
  });
});

describe("both devices", () => {
  it("are asked for one after the other", async () => {
    const devices = new LocalDevices();
    void devices.openAll();
    expect(questions.map(({ wish }) => Object.keys(wish))).toEqual([["audio"]]);
    await question(0).refuse("NotFoundError");
    expect(questions.map(({ wish }) => Object.keys(wish))).toEqual([["audio"], ["video"]]);
    expect(devices.getSnapshot().microphone.problem).toBe("missing");
  });

  it("leave the camera off when it was switched off during the microphone's question", async () => {
    const devices = new LocalDevices();
    void devices.openAll();
    devices.stop("camera");
    await question(0).grant(new FakeTrack());
    expect(questions).toHaveLength(1);
    expect(devices.getSnapshot().camera.track).toBeNull();
  });
});
