import type { ClientMessage } from "../wire/ClientMessage";
import type { IceServer } from "../wire/IceServer";
import type { Perceived } from "../wire/Perceived";
import type { Slot } from "../wire/Slot";
import type { TrackSource } from "../wire/TrackSource";
import { encodingsFor, sendLayers } from "./layers";
import { Perception, type Received } from "./Perception";
import { StallDetector } from "./StallDetector";
import { INITIAL_AUDIO_SLOTS, INITIAL_VIDEO_SLOTS, mapSlots, missingSlots } from "./slots";

/** A connection that reports `disconnected` for this long is made anew. */
const DISCONNECTED_GRACE_MS = 5_000;
/** An offer without an answer for this long is made anew with a fresh connection; doubles each time. */
const ANSWER_TIMEOUT_MS = 10_000;
/** Longest wait for an answer: offering faster would only add to the load of a server that is late. */
const ANSWER_TIMEOUT_MAX_MS = 60_000;
/** An ICE restart that is not answered for this long goes over a fresh line: this one is dead too. */
const RESTART_ANSWER_MS = 500;
/** Least time between two ICE restarts: on a line that is gone altogether they would only pile up. */
const RESTART_PAUSE_MS = 2_000;
/** How often what arrives is looked at. */
const LOOK_MS = 100;
/** Wait before a failed connection is made anew, so that a dead path is not hammered. */
export const REFUSED_WAIT_MS = 1_000;
/** Wait before a server without room is asked again: everybody who waits asks. */
export const OVERLOADED_WAIT_MS = 10_000;
/** How often the server is told what came of sound and picture. */
const PERCEIVED_MS = 2_000;

/** The streams of one participant, as elements want them. */
export type RemoteStreams = Partial<Record<TrackSource, MediaStream>>;

/** Whether media flows. */
export type MediaState = "idle" | "connecting" | "connected" | "failed";

export type MediaSessionEvents = {
  send: (message: ClientMessage) => boolean;
  onStreams: (streams: ReadonlyMap<string, RemoteStreams>) => void;
  onState: (state: MediaState) => void;
  /** What this person saw and heard in the last 2 s. */
  onPerceived: (perceived: Perceived) => void;
  /** Nothing comes through the line of signalling either. */
  onDeadLine: () => void;
};

type LocalSource = Exclude<TrackSource, "screen">;

const LOCAL_SOURCES: readonly LocalSource[] = ["microphone", "camera"];

/**
 * The one RTCPeerConnection of a seat. The client always offers, the server always answers:
 * `sendonly` sections for what this person sends, `recvonly` slots that the server fills.
 */
export class MediaSession {
  private readonly events: MediaSessionEvents;
  private peer: RTCPeerConnection | null = null;
  private readonly local: Record<LocalSource, MediaStreamTrack | null> = { microphone: null, camera: null };
  private senders: Partial<Record<LocalSource, RTCRtpTransceiver>> = {};
  private slots: readonly Slot[] = [];
  private readonly streams = new Map<string, MediaStream>();
  private audioSlots = INITIAL_AUDIO_SLOTS;
  private videoSlots = INITIAL_VIDEO_SLOTS;
  private nextOfferId = 1;
  private openOfferId: number | null = null;
  private offerAgain = false;
  private answerTimeoutMs = ANSWER_TIMEOUT_MS;
  private iceServers: readonly IceServer[] = [];
  private restartedAtMs = -Infinity;
  private readonly stall = new StallDetector();
  private readonly perception = new Perception();
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();

  constructor(events: MediaSessionEvents) {
    this.events = events;
  }

  /** The relays to use from now on. Their credentials are good for a while only. */
  useIceServers(servers: readonly IceServer[]): void {
    this.iceServers = servers;
    this.peer?.setConfiguration(this.configuration());
  }

  /**
   * There is a new line of signalling. Where the server still has the old media session, the
   * connection goes on over whatever network there is now; otherwise a fresh one is made.
   */
  resume(isKept: boolean): void {
    const peer = this.peer;
    if (!isKept || peer === null || peer.connectionState === "failed" || peer.connectionState === "closed") {
      this.connect();
      return;
    }
    // An answer to the old line's offer will not come any more.
    this.openOfferId = null;
    this.offerAgain = false;
    this.restartedAtMs = performance.now();
    peer.restartIce();
    this.offer();
  }

  /** Makes a fresh connection and offers. */
  connect(): void {
    this.closePeer();
    const peer = new RTCPeerConnection(this.configuration());
    this.peer = peer;
    this.look(peer);
    this.perceive(peer);
    this.events.onState("connecting");
    peer.onconnectionstatechange = () => this.peerStateChanged(peer);
    for (const source of LOCAL_SOURCES) this.addSender(peer, source);
    this.addSlots(peer, "audio", this.audioSlots);
    this.addSlots(peer, "video", this.videoSlots);
    this.offer();
  }

  /** Sends another track, or nothing, as this source. A section is added when there was none. */
  async setLocalTrack(source: LocalSource, track: MediaStreamTrack | null): Promise<void> {
    this.local[source] = track;
    const peer = this.peer;
    if (peer === null) return;
    const transceiver = this.senders[source];
    if (transceiver !== undefined) {
      await transceiver.sender.replaceTrack(track);
    } else if (track !== null) {
      this.addSender(peer, source);
      this.offer();
    }
  }

  /** The server's answer to the offer of that id; an answer to an older offer is ignored. */
  async answered(id: number, sdp: string): Promise<void> {
    const peer = this.peer;
    if (peer === null || id !== this.openOfferId) return;
    try {
      await peer.setRemoteDescription({ type: "answer", sdp });
    } catch {
      this.recreateSoon(peer);
      return;
    }
    this.openOfferId = null;
    this.answerTimeoutMs = ANSWER_TIMEOUT_MS;
    this.publishStreams();
    if (this.offerAgain) {
      this.offerAgain = false;
      this.offer();
    }
  }

  /** Which track arrives where, from now on. */
  slotsChanged(slots: readonly Slot[]): void {
    this.slots = slots;
    this.stall.reset();
    this.perception.reset();
    this.publishStreams();
  }

  /** The page shows other pictures, or others large: what stops or begins now does not freeze. */
  picturesChanged(): void {
    this.perception.reset();
  }

  /** The server has more tracks for this person than slots. */
  slotsNeeded(audio: number, video: number): void {
    const peer = this.peer;
    const moreAudio = missingSlots(this.audioSlots, audio);
    const moreVideo = missingSlots(this.videoSlots, video);
    if (moreAudio + moreVideo === 0) return;
    this.audioSlots += moreAudio;
    this.videoSlots += moreVideo;
    if (peer === null) return;
    this.addSlots(peer, "audio", moreAudio);
    this.addSlots(peer, "video", moreVideo);
    this.offer();
  }

  /** Which layers of this person's camera somebody watches, counted from the smallest. */
  layersWatched(source: TrackSource, layers: readonly number[]): void {
    const sender = source === "camera" ? this.senders.camera?.sender : undefined;
    // A sender that cannot pause a layer goes on sending it: that costs bandwidth and breaks nothing.
    if (sender !== undefined) sendLayers(sender, layers).catch(() => undefined);
  }

  /** The server refused the offer: start over with a fresh connection, after a while. */
  offerRefused(waitMs: number): void {
    if (this.peer !== null) this.recreateSoon(this.peer, waitMs);
  }

  /** Ends all media. */
  close(): void {
    this.closePeer();
    this.events.onState("idle");
  }

  private configuration(): RTCConfiguration {
    return {
      bundlePolicy: "max-bundle",
      rtcpMuxPolicy: "require",
      iceServers: this.iceServers.map(({ urls, username, credential }) => ({ urls, username, credential })),
    };
  }

  /** Looks at what arrives, for as long as this is the connection. */
  private look(peer: RTCPeerConnection): void {
    this.after(LOOK_MS, () => {
      if (peer !== this.peer) return;
      const now = performance.now();
      if (this.stall.stalls(now, this.lastArrival(peer))) this.restart(peer);
      for (const { receiver } of this.playing(peer)) {
        if (receiver.track.kind === "video") this.perception.look(receiver.track.id, now, newestOf(receiver));
      }
      this.look(peer);
    });
  }

  /** When something arrived last in a slot that plays somebody, on whatever clock; null for never. */
  private lastArrival(peer: RTCPeerConnection): number | null {
    let latest: number | null = null;
    for (const { receiver } of this.playing(peer)) {
      const newest = newestOf(receiver);
      if (newest !== null) latest = Math.max(latest ?? newest, newest);
    }
    return latest;
  }

  /** The slots that play somebody. */
  private playing(peer: RTCPeerConnection): RTCRtpTransceiver[] {
    const playing = new Set(this.slots.filter(({ track }) => track !== null).map(({ mid }) => mid));
    return peer.getTransceivers().filter(({ mid }) => mid !== null && playing.has(mid));
  }

  /** Tells what was seen and heard, for as long as this is the connection. */
  private perceive(peer: RTCPeerConnection): void {
    this.after(PERCEIVED_MS, () => {
      if (peer !== this.peer) return;
      if (peer.connectionState === "connected") {
        // A browser that gives no figures is asked again; nobody depends on them.
        this.readPerception(peer).catch(() => undefined);
      }
      this.perceive(peer);
    });
  }

  private async readPerception(peer: RTCPeerConnection): Promise<void> {
    const playing = new Set(this.playing(peer).map(({ receiver }) => receiver.track.id));
    const received: Received[] = [];
    (await peer.getStats()).forEach((stats: RTCStats) => {
      if (stats.type !== "inbound-rtp") return;
      const inbound = stats as Received;
      if (playing.has(inbound.trackIdentifier)) received.push(inbound);
    });
    const perceived = this.perception.report(received);
    if (peer === this.peer && perceived !== null) this.events.onPerceived(perceived);
  }

  /** The path is broken: looks for another one, over the same connection. */
  private restart(peer: RTCPeerConnection): void {
    const now = performance.now();
    if (now - this.restartedAtMs < RESTART_PAUSE_MS) return;
    this.restartedAtMs = now;
    peer.restartIce();
    this.offer();
    const id = this.openOfferId;
    this.after(RESTART_ANSWER_MS, () => {
      if (peer === this.peer && this.openOfferId === id) this.events.onDeadLine();
    });
  }

  private addSender(peer: RTCPeerConnection, source: LocalSource): void {
    const track = this.local[source];
    if (track === null) return;
    const init: RTCRtpTransceiverInit = { direction: "sendonly" };
    if (source === "camera") init.sendEncodings = encodingsFor(track.getSettings().height ?? 0);
    const transceiver = peer.addTransceiver(track, init);
    if (source === "camera") preferPictureCodecs(transceiver);
    else preferRed(transceiver);
    this.senders[source] = transceiver;
  }

  private addSlots(peer: RTCPeerConnection, kind: "audio" | "video", count: number): void {
    for (let added = 0; added < count; added += 1) {
      const transceiver = peer.addTransceiver(kind, { direction: "recvonly" });
      if (kind === "video") preferPictureCodecs(transceiver);
    }
  }

  private offer(): void {
    const peer = this.peer;
    if (peer === null) return;
    if (this.openOfferId !== null) {
      this.offerAgain = true;
      return;
    }
    const id = this.nextOfferId++;
    this.openOfferId = id;
    this.makeOffer(peer, id).catch(() => this.recreateSoon(peer));
  }

  private async makeOffer(peer: RTCPeerConnection, id: number): Promise<void> {
    await peer.setLocalDescription();
    const sdp = peer.localDescription?.sdp;
    if (peer !== this.peer || sdp === undefined || id !== this.openOfferId) return;
    const sources: Record<string, TrackSource> = {};
    for (const source of LOCAL_SOURCES) {
      const mid = this.senders[source]?.mid;
      if (mid !== null && mid !== undefined) sources[mid] = source;
    }
    // Not sent means that the socket is gone: the next welcome makes everything anew.
    if (!this.events.send({ type: "offer", id, sdp, sources })) return;
    this.after(this.answerTimeoutMs, () => {
      if (peer !== this.peer || this.openOfferId !== id) return;
      this.answerTimeoutMs = Math.min(ANSWER_TIMEOUT_MAX_MS, this.answerTimeoutMs * 2);
      this.connect();
    });
  }

  private peerStateChanged(peer: RTCPeerConnection): void {
    if (peer !== this.peer) return;
    switch (peer.connectionState) {
      case "connected":
        this.events.onState("connected");
        break;
      case "failed":
        this.recreateSoon(peer);
        break;
      case "disconnected":
        this.events.onState("connecting");
        this.restart(peer);
        this.after(DISCONNECTED_GRACE_MS, () => {
          if (peer === this.peer && peer.connectionState === "disconnected") this.connect();
        });
        break;
      case "new":
      case "connecting":
      case "closed":
        break;
    }
  }

  private recreateSoon(peer: RTCPeerConnection, waitMs = REFUSED_WAIT_MS): void {
    if (peer !== this.peer) return;
    this.events.onState("failed");
    this.after(waitMs, () => {
      if (peer === this.peer) this.connect();
    });
  }

  private publishStreams(): void {
    const peer = this.peer;
    if (peer === null) return;
    const byMid = new Map<string, MediaStreamTrack>();
    for (const transceiver of peer.getTransceivers()) {
      if (transceiver.mid !== null) byMid.set(transceiver.mid, transceiver.receiver.track);
    }
    const result = new Map<string, RemoteStreams>();
    for (const [participant, mids] of mapSlots(this.slots)) {
      const entry: RemoteStreams = {};
      for (const [source, mid] of Object.entries(mids) as [TrackSource, string][]) {
        const track = byMid.get(mid);
        if (track !== undefined) entry[source] = this.streamOf(track);
      }
      result.set(participant, entry);
    }
    this.events.onStreams(result);
  }

  /** One stream for each track, kept: an element that gets a new stream object flickers. */
  private streamOf(track: MediaStreamTrack): MediaStream {
    const known = this.streams.get(track.id);
    if (known !== undefined) return known;
    const stream = new MediaStream([track]);
    this.streams.set(track.id, stream);
    return stream;
  }

  private after(ms: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      action();
    }, ms);
    this.timers.add(timer);
  }

  private closePeer(): void {
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    const peer = this.peer;
    this.peer = null;
    this.senders = {};
    this.slots = [];
    this.streams.clear();
    this.openOfferId = null;
    this.offerAgain = false;
    this.stall.reset();
    this.perception.reset();
    if (peer === null) return;
    peer.onconnectionstatechange = null;
    peer.close();
    this.events.onStreams(new Map());
  }
}

/** When something arrived last, on whatever clock; null for never. */
function newestOf(receiver: RTCRtpReceiver): number | null {
  const times = receiver.getSynchronizationSources().map(({ timestamp }) => timestamp);
  return times.length === 0 ? null : Math.max(...times);
}

/** The codecs of a name that the browser has for a section, in its own order. */
function codecsOf(transceiver: RTCRtpTransceiver, kind: "audio" | "video"): (name: string) => RTCRtpCodec[] {
  const side = transceiver.direction === "sendonly" ? RTCRtpSender : RTCRtpReceiver;
  const codecs = side.getCapabilities(kind)?.codecs ?? [];
  return (name) => codecs.filter(({ mimeType }) => mimeType.toLowerCase() === `${kind}/${name}`);
}

/**
 * Offers to send VP8, which everybody can show, and H.264 from a browser that has nothing else;
 * offers to receive both. Each with its repair stream.
 */
function preferPictureCodecs(transceiver: RTCRtpTransceiver): void {
  const named = codecsOf(transceiver, "video");
  const [vp8, h264] = [named("vp8"), named("h264")];
  const wanted = transceiver.direction === "sendonly" && vp8.length > 0 ? vp8 : [...vp8, ...h264];
  if (wanted.length > 0) transceiver.setCodecPreferences([...wanted, ...named("rtx")]);
}

/**
 * Sends the voice in RED (RFC 2198) where the browser can: each packet repeats the one before it,
 * so that a single loss is heard neither in the hearing nor in the record. It costs some 35 kbit/s,
 * far less than the smallest picture; the server takes it off again for a receiver with little room.
 */
function preferRed(transceiver: RTCRtpTransceiver): void {
  const named = codecsOf(transceiver, "audio");
  const red = named("red");
  if (red.length > 0) transceiver.setCodecPreferences([...red, ...named("opus")]);
}
