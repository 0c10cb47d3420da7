import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ClientMessage } from "../wire/ClientMessage";
import type { Offer } from "../wire/Offer";
import type { Perceived } from "../wire/Perceived";
import type { Slot } from "../wire/Slot";
import type { TrackSource } from "../wire/TrackSource";
import { MediaSession, type MediaState, type RemoteStreams } from "./MediaSession";
import { INITIAL_AUDIO_SLOTS, INITIAL_VIDEO_SLOTS } from "./slots";

type Track = MediaStreamTrack;

let made = 0;
const track = (kind: "audio" | "video"): Track =>
  ({ id: `${kind}-${made++}`, kind, getSettings: () => ({ height: 720 }) }) as unknown as Track;

class FakeStream {
  readonly tracks: readonly Track[];

  constructor(tracks: readonly Track[]) {
    this.tracks = tracks;
  }
}

class FakeTransceiver {
  mid: string | null = null;
  readonly receiver: { track: Track; getSynchronizationSources: () => { timestamp: number }[] };
  /** When its last packet came, if one did. */
  arrivedAt: number | null = null;
  readonly kind: "audio" | "video";
  readonly direction: RTCRtpTransceiverDirection;
  sent: Track | null;
  readonly sender = {
    replaceTrack: (next: Track | null) => {
      this.sent = next;
      return Promise.resolve();
    },
  };

  constructor(what: Track | "audio" | "video", { direction }: RTCRtpTransceiverInit) {
    this.sent = typeof what === "string" ? null : what;
    this.kind = (typeof what === "string" ? what : what.kind) as "audio" | "video";
    this.direction = direction ?? "sendrecv";
    this.receiver = {
      track: track(this.kind),
      getSynchronizationSources: () => (this.arrivedAt === null ? [] : [{ timestamp: this.arrivedAt }]),
    };
  }

  preferred: string[] = [];
  setCodecPreferences(codecs: { mimeType: string }[]): void {
    this.preferred = codecs.map(({ mimeType }) => mimeType);
  }
}

/** As much of a connection as decides which section carries what: mids are given out in order. */
class FakePeer {
  static all: FakePeer[] = [];
  connectionState: RTCPeerConnectionState = "new";
  onconnectionstatechange: (() => void) | null = null;
  localDescription: { sdp: string } | null = null;
  readonly answers: string[] = [];
  readonly transceivers: FakeTransceiver[] = [];
  configuration: RTCConfiguration;
  restarts = 0;

  constructor(configuration: RTCConfiguration) {
    this.configuration = configuration;
    FakePeer.all.push(this);
  }

  setConfiguration(configuration: RTCConfiguration): void {
    this.configuration = configuration;
  }

  restartIce(): void {
    this.restarts += 1;
  }

  addTransceiver(what: Track | "audio" | "video", init: RTCRtpTransceiverInit): FakeTransceiver {
    const transceiver = new FakeTransceiver(what, init);
    this.transceivers.push(transceiver);
    return transceiver;
  }

  getTransceivers(): FakeTransceiver[] {
    return this.transceivers;
  }

  setLocalDescription(): Promise<void> {
    this.transceivers.forEach((transceiver, index) => (transceiver.mid ??= String(index)));
    this.localDescription = { sdp: `sections=${this.transceivers.length}` };
    return Promise.resolve();
  }

  setRemoteDescription({ sdp }: { sdp: string }): Promise<void> {
    this.answers.push(sdp);
    return Promise.resolve();
  }

  becomes(state: RTCPeerConnectionState): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }

  /** What came on the sections so far, by kind. */
  figures: { freezeCount: number; totalSamplesReceived: number; concealedSamples: number } | null = null;

  getStats(): Promise<Map<string, unknown>> {
    const stats = this.transceivers.map(
      ({ kind, receiver }) =>
        [receiver.track.id, { type: "inbound-rtp", kind, trackIdentifier: receiver.track.id, ...this.figures }] as const,
    );
    return Promise.resolve(new Map(this.figures === null ? [] : stats));
  }

  close(): void {
    this.connectionState = "closed";
  }
}

/** A media session, with all that it told the server and the page. */
class Seat {
  readonly offers: Offer[] = [];
  readonly states: MediaState[] = [];
  streams: ReadonlyMap<string, RemoteStreams> = new Map();
  deadLines = 0;
  readonly perceived: Perceived[] = [];
  readonly media = new MediaSession({
    send: (message: ClientMessage) => {
      if (message.type === "offer") this.offers.push(message);
      return true;
    },
    onStreams: (streams) => (this.streams = streams),
    onState: (state) => this.states.push(state),
    onPerceived: (perceived) => this.perceived.push(perceived),
    onDeadLine: () => (this.deadLines += 1),
  });

  get peer(): FakePeer {
    const peer = FakePeer.all.at(-1);
    if (peer === undefined) throw new Error("no connection was made");
    return peer;
  }

  get lastOffer(): Offer {
    const offer = this.offers.at(-1);
    if (offer === undefined) throw new Error("nothing was offered");
    return offer;
  }

  /** What each section of the last offer carries: the source it names, or which kind of slot it is. */
  sections(): string[] {
    return this.peer.transceivers.map(({ mid, kind, direction }) => {
      const source = mid === null ? undefined : this.lastOffer.sources[mid];
      return source === undefined ? `${direction} ${kind}` : `${direction} ${source}`;
    });
  }

  /** The mids of the empty sections of a kind, as the server reads them off the offer. */
  slots(kind: "audio" | "video"): string[] {
    return this.peer.transceivers
      .filter((transceiver) => transceiver.kind === kind && transceiver.direction === "recvonly")
      .map(({ mid }) => mid ?? "none");
  }

  async answer(): Promise<void> {
    await this.media.answered(this.lastOffer.id, `answer ${this.lastOffer.id}`);
    await settle();
  }

  /** The track that an element would play for this participant. */
  playing(participant: string, source: TrackSource): Track | undefined {
    const stream = this.streams.get(participant)?.[source] as FakeStream | undefined;
    return stream?.tracks[0];
  }
}

/** Lets the browser know these codecs, with kind, in both directions. */
function browserHas(...mimeTypes: string[]): void {
  const capabilities = {
    getCapabilities: (kind: string) => ({
      codecs: mimeTypes.filter((type) => type.startsWith(kind)).map((mimeType) => ({ mimeType })),
    }),
  };
  vi.stubGlobal("RTCRtpSender", capabilities);
  vi.stubGlobal("RTCRtpReceiver", capabilities);
}

const settle = () => vi.advanceTimersByTimeAsync(0);

/** A connected seat that sends these, its first offer out. */
async function connected(sends: { microphone?: Track; camera?: Track } = {}): Promise<Seat> {
  const seat = new Seat();
  await seat.media.setLocalTrack("microphone", sends.microphone ?? null);
  await seat.media.setLocalTrack("camera", sends.camera ?? null);
  seat.media.connect();
  await settle();
  return seat;
}

const filled = (mid: string | undefined, participant: string, source: TrackSource): Slot => ({
  mid: mid ?? "none",
  track: { participant, source },
});

const EMPTY = [
  ...Array<string>(INITIAL_AUDIO_SLOTS).fill("recvonly audio"),
  ...Array<string>(INITIAL_VIDEO_SLOTS).fill("recvonly video"),
];

beforeEach(() => {
  vi.useFakeTimers();
  FakePeer.all = [];
  vi.stubGlobal("RTCPeerConnection", FakePeer);
  vi.stubGlobal("MediaStream", FakeStream);
  browserHas("video/VP8", "video/rtx", "video/H264", "video/AV1", "audio/opus", "audio/red");
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("an offer", () => {
  it("names what its sending sections carry and leaves the slots unnamed", async () => {
    const seat = await connected({ microphone: track("audio"), camera: track("video") });
    expect(seat.sections()).toEqual(["sendonly microphone", "sendonly camera", ...EMPTY]);
  });

  it("sends what everybody can take, and takes more", async () => {
    const seat = await connected({ microphone: track("audio"), camera: track("video") });
    const preferred = seat.peer.transceivers.map(({ preferred }) => preferred);
    expect(preferred[0]).toEqual(["audio/red", "audio/opus"]);
    expect(preferred[1]).toEqual(["video/VP8", "video/rtx"]);
    expect(preferred.at(-1)).toEqual(["video/VP8", "video/H264", "video/rtx"]);
  });

  it("sends H.264 from a browser that has nothing else", async () => {
    browserHas("video/H264", "video/rtx", "audio/opus");
    const seat = await connected({ microphone: track("audio"), camera: track("video") });
    const preferred = seat.peer.transceivers.map(({ preferred }) => preferred);
    expect(preferred[0]).toEqual([]);
    expect(preferred[1]).toEqual(["video/H264", "video/rtx"]);
  });

  it("has no sending section for a device that is not there", async () => {
    const seat = await connected({ camera: track("video") });
    expect(seat.sections()).toEqual(["sendonly camera", ...EMPTY]);
  });

  it("names nothing for one who only listens", async () => {
    const seat = await connected();
    expect(seat.lastOffer.sources).toEqual({});
    expect(seat.sections()).toEqual(EMPTY);
  });

  it("is made again for a camera that is switched on later, under that camera's own section", async () => {
    const seat = await connected({ microphone: track("audio") });
    await seat.answer();
    await seat.media.setLocalTrack("camera", track("video"));
    await settle();
    expect(seat.offers).toHaveLength(2);
    expect(seat.sections()).toEqual(["sendonly microphone", ...EMPTY, "sendonly camera"]);
  });

  it("is not needed for a camera that is switched off and on again", async () => {
    const [first, second] = [track("video"), track("video")];
    const seat = await connected({ camera: first });
    await seat.answer();
    const sending = seat.peer.transceivers[0];
    await seat.media.setLocalTrack("camera", null);
    expect(sending?.sent).toBeNull();
    await seat.media.setLocalTrack("camera", second);
    await settle();
    expect(sending?.sent).toBe(second);
    expect(seat.offers).toHaveLength(1);
  });

  it("waits for the answer to the one before it", async () => {
    const seat = await connected({ microphone: track("audio") });
    await seat.media.setLocalTrack("camera", track("video"));
    seat.media.slotsNeeded(INITIAL_AUDIO_SLOTS + 1, INITIAL_VIDEO_SLOTS);
    await settle();
    expect(seat.offers).toHaveLength(1);
    await seat.answer();
    expect(seat.offers).toHaveLength(2);
    expect(Object.values(seat.lastOffer.sources)).toEqual(["microphone", "camera"]);
  });

  it("takes no answer that belongs to another", async () => {
    const seat = await connected();
    await seat.media.answered(seat.lastOffer.id + 1, "not for this one");
    expect(seat.peer.answers).toEqual([]);
  });
});

describe("a slot", () => {
  it("plays the track of the participant whom the server put there", async () => {
    const seat = await connected({ microphone: track("audio") });
    await seat.answer();
    const [sound] = seat.slots("audio");
    const [, picture] = seat.slots("video");
    seat.media.slotsChanged([filled(sound, "judge", "microphone"), filled(picture, "witness", "camera")]);
    const received = (mid?: string) => seat.peer.transceivers.find((one) => one.mid === mid)?.receiver.track;
    expect(seat.playing("judge", "microphone")).toBe(received(sound));
    expect(seat.playing("witness", "camera")).toBe(received(picture));
    expect(seat.playing("judge", "camera")).toBeUndefined();
  });

  it("keeps its stream while others change, so that no picture flickers", async () => {
    const seat = await connected();
    await seat.answer();
    const [first, second] = seat.slots("video");
    seat.media.slotsChanged([filled(first, "judge", "camera")]);
    const before = seat.streams.get("judge")?.camera;
    seat.media.slotsChanged([filled(first, "judge", "camera"), filled(second, "witness", "camera")]);
    expect(seat.streams.get("judge")?.camera).toBe(before);
  });

  it("that the server emptied or never offered plays nobody", async () => {
    const seat = await connected();
    await seat.answer();
    const [mid = "none"] = seat.slots("audio");
    seat.media.slotsChanged([filled(mid, "judge", "microphone")]);
    seat.media.slotsChanged([{ mid, track: null }, filled("unheard-of", "witness", "microphone")]);
    expect(seat.playing("judge", "microphone")).toBeUndefined();
    expect(seat.playing("witness", "microphone")).toBeUndefined();
  });

  it("is added when the server needs more, and offered again after the connection is made anew", async () => {
    const seat = await connected();
    await seat.answer();
    seat.media.slotsNeeded(INITIAL_AUDIO_SLOTS + 2, INITIAL_VIDEO_SLOTS - 3);
    await settle();
    expect([seat.slots("audio").length, seat.slots("video").length]).toEqual([
      INITIAL_AUDIO_SLOTS + 2,
      INITIAL_VIDEO_SLOTS,
    ]);
    seat.media.connect();
    await settle();
    expect(FakePeer.all).toHaveLength(2);
    expect(seat.slots("audio")).toHaveLength(INITIAL_AUDIO_SLOTS + 2);
  });
});

describe("a connection", () => {
  it("that fails is made anew with everything that was sent, and plays nobody meanwhile", async () => {
    const seat = await connected({ microphone: track("audio"), camera: track("video") });
    await seat.answer();
    seat.media.slotsChanged([filled(seat.slots("audio")[0], "judge", "microphone")]);
    const broken = seat.peer;
    broken.becomes("failed");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(seat.peer).not.toBe(broken);
    expect(broken.connectionState).toBe("closed");
    expect(seat.streams.size).toBe(0);
    expect(seat.states.slice(-2)).toEqual(["failed", "connecting"]);
    expect(seat.sections()).toEqual(["sendonly microphone", "sendonly camera", ...EMPTY]);
  });

  it("whose offer is not answered is made anew, after twice as long each time", async () => {
    const seat = await connected();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(seat.offers).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(19_000);
    expect(seat.offers).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(seat.offers).toHaveLength(3);
  });

  it("takes relays of the latest welcome, also into a running connection", async () => {
    const server = (credential: string) => ({ urls: ["turn:relay"], username: "until", credential });
    const seat = new Seat();
    seat.media.useIceServers([server("first")]);
    seat.media.connect();
    await settle();
    expect(seat.peer.configuration.iceServers).toEqual([server("first")]);
    seat.media.useIceServers([server("second")]);
    expect(seat.peer.configuration.iceServers).toEqual([server("second")]);
  });

  it("that was closed stays closed", async () => {
    const seat = await connected();
    seat.media.close();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(FakePeer.all).toHaveLength(1);
    expect(seat.states.at(-1)).toBe("idle");
  });
});

describe("a network that changes", () => {
  /** A seat that hears the judge. */
  async function hearing(): Promise<{ seat: Seat; flow: (ms: number) => Promise<void> }> {
    const seat = await connected();
    await seat.answer();
    seat.peer.becomes("connected");
    const [mid] = seat.slots("audio");
    seat.media.slotsChanged([filled(mid, "judge", "microphone")]);
    const slot = seat.peer.transceivers.find((one) => one.mid === mid);
    if (slot === undefined) throw new Error("no slot");
    const flow = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 20) {
        slot.arrivedAt = performance.now();
        await vi.advanceTimersByTimeAsync(20);
      }
    };
    await flow(1_000);
    return { seat, flow };
  }

  it("is noticed by what no longer arrives, and ICE begins anew on the same connection", async () => {
    const { seat } = await hearing();
    await vi.advanceTimersByTimeAsync(900);
    expect(seat.peer.restarts).toBe(1);
    expect(seat.offers).toHaveLength(2);
    await seat.answer();
    await vi.advanceTimersByTimeAsync(1_000);
    expect([FakePeer.all.length, seat.deadLines]).toEqual([1, 0]);
  });

  it("takes the line of signalling with it when that does not answer either", async () => {
    const { seat } = await hearing();
    await vi.advanceTimersByTimeAsync(1_400);
    expect(seat.deadLines).toBe(1);
    // The new line's welcome.
    seat.media.resume(true);
    await settle();
    expect([FakePeer.all.length, seat.offers.length]).toEqual([1, 3]);
    await seat.answer();
    expect(seat.peer.answers).toHaveLength(2);
  });

  it("is not the silence of somebody who is no longer to be heard", async () => {
    const { seat } = await hearing();
    seat.media.slotsChanged([]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(seat.peer.restarts).toBe(0);
  });

  it("does not make it begin anew all the time", async () => {
    const { seat, flow } = await hearing();
    for (let round = 0; round < 10; round += 1) {
      await flow(60);
      await vi.advanceTimersByTimeAsync(740);
      await seat.answer();
    }
    expect(seat.peer.restarts).toBeLessThanOrEqual(4);
  });

  it("needs a fresh connection when the server has given the old one up", async () => {
    const { seat } = await hearing();
    seat.media.resume(false);
    await settle();
    expect(FakePeer.all).toHaveLength(2);
    seat.peer.becomes("failed");
    seat.media.resume(true);
    await settle();
    expect(FakePeer.all).toHaveLength(3);
  });
});

describe("what the person saw and heard", () => {
  it("is told each 2 s, of the slots that play somebody", async () => {
    const seat = await connected();
    await seat.answer();
    seat.media.slotsChanged([filled(seat.slots("video")[0], "judge", "camera")]);
    seat.peer.becomes("connected");
    seat.peer.figures = { freezeCount: 3, totalSamplesReceived: 0, concealedSamples: 0 };
    await vi.advanceTimersByTimeAsync(2_100);
    expect(seat.perceived).toEqual([]);
    seat.peer.figures = { freezeCount: 4, totalSamplesReceived: 0, concealedSamples: 0 };
    await vi.advanceTimersByTimeAsync(2_000);
    expect(seat.perceived).toEqual([{ freezes: 1, frozen_ms: 0, concealed_permille: null }]);
  });

  it("is nothing while nobody is to be seen or heard", async () => {
    const seat = await connected();
    await seat.answer();
    seat.peer.becomes("connected");
    seat.peer.figures = { freezeCount: 1, totalSamplesReceived: 0, concealedSamples: 0 };
    await vi.advanceTimersByTimeAsync(10_000);
    expect(seat.perceived).toEqual([]);
  });
});

describe("an offer that is refused", () => {
  it("is made again after the wait, over a fresh connection", async () => {
    const seat = await connected();
    seat.media.offerRefused(10_000);
    await vi.advanceTimersByTimeAsync(9_900);
    expect(FakePeer.all).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(FakePeer.all).toHaveLength(2);
    expect(seat.offers).toHaveLength(2);
  });
});
