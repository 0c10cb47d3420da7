import { failureCode, RequestError } from "../api/http";
import { redeemInvitation } from "../api/invitations";
import type { Act } from "../wire/Act";
import type { ErrorCode } from "../wire/ErrorCode";
import type { Language } from "../wire/Language";
import type { Role } from "../wire/Role";
import type { ServerMessage } from "../wire/ServerMessage";
import { HearingStore } from "./HearingStore";
import { ownView, publishes, shownPictures } from "./hearingState";
import { type DeviceKind, LocalDevices } from "./LocalDevices";
import { MediaSession, type MediaState, OVERLOADED_WAIT_MS, REFUSED_WAIT_MS } from "./MediaSession";
import { type ActOutcome, SeatConnection, type SocketLike } from "./SeatConnection";

/** Codes after which trying to connect again is pointless. */
const FINAL_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  "link_unknown",
  "link_in_use",
  "link_replaced",
  "hearing_closed",
]);

export type CallSessionOptions = {
  token: string;
  participantId: string;
  role: Role;
  language: () => Language;
};

/** One seat in one hearing, from the self-test to the end: ties the parts of `call/` together. */
export class CallSession {
  readonly store = new HearingStore(() => performance.now());
  readonly devices = new LocalDevices();
  private readonly options: CallSessionOptions;
  private readonly connection: SeatConnection;
  private readonly media: MediaSession;
  private ready = false;
  private disposed = false;
  private lastSending = "";
  private lastShown = "";
  private muted = false;
  private cameraOff = false;
  private sentTracks: Record<DeviceKind, MediaStreamTrack | null> = { microphone: null, camera: null };
  private readonly stopListening: () => void;
  private readonly stopShowing: () => void;
  private readonly stopWatchingNetwork: () => void;

  constructor(options: CallSessionOptions) {
    this.options = options;
    this.media = new MediaSession({
      send: (message) => this.connection.send(message),
      onStreams: (streams) => this.store.update({ streams }),
      onState: (media) => this.mediaChanged(media),
      onPerceived: (perceived) => this.connection.send({ type: "perceived", ...perceived }),
      onDeadLine: () => this.networkChanged(),
    });
    this.connection = new SeatConnection({
      open: () => new WebSocket(seatUrl(options.participantId)) as SocketLike,
      language: options.language,
      refusal: () => this.refusal(),
      events: {
        onState: (connection) => this.store.update({ connection }),
        onMessage: (message) => this.receive(message),
        onEnd: (end) => {
          this.media.close();
          this.devices.stop("microphone");
          this.devices.stop("camera");
          this.store.update({ end });
        },
      },
    });
    this.stopListening = this.devices.subscribe(() => this.devicesChanged());
    this.stopShowing = this.store.subscribe(this.sayShown);
    document.addEventListener("visibilitychange", this.sayShown);
    window.addEventListener("online", this.networkChanged);
    this.stopWatchingNetwork = watchNetwork(this.networkChanged);
  }

  /** Connects, so that the bench sees that the person is at their self-test. */
  start(): void {
    this.connection.start();
  }

  /** The self-test is over. */
  becomeReady(): void {
    this.ready = true;
    this.sayReady();
    this.media.connect();
    this.saySending();
    this.store.update({});
  }

  /**
   * Goes straight back in after the page was reloaded in the middle: what the person had switched
   * off stays off.
   */
  async comeBack(): Promise<void> {
    const own = ownView(this.store.getSnapshot());
    this.muted = own?.microphone === false;
    this.cameraOff = own?.camera === false;
    if (publishes(this.options.role)) {
      await (this.cameraOff ? this.devices.open("microphone") : this.devices.openAll());
    }
    if (!this.disposed && this.store.getSnapshot().end === null) this.becomeReady();
  }

  /** Whether the person has passed the self-test on this page. */
  get isReady(): boolean {
    return this.ready;
  }

  get isMuted(): boolean {
    return this.muted;
  }

  get isCameraOff(): boolean {
    return this.cameraOff;
  }

  /** Mutes or unmutes this person's own microphone; it goes on sending silence, so clocks hold. */
  setMuted(muted: boolean): void {
    this.muted = muted;
    const { track } = this.devices.getSnapshot().microphone;
    if (track !== null) track.enabled = !muted;
    else if (!muted) void this.devices.open("microphone");
    this.saySending();
    this.store.update({});
  }

  /** Switches this person's own camera; off means that its lamp goes out. */
  setCameraOff(off: boolean): void {
    this.cameraOff = off;
    if (off) this.devices.stop("camera");
    else void this.devices.open("camera");
    this.saySending();
    this.store.update({});
  }

  /** Asks for an act; a refusal is kept as the snapshot's `problem`. */
  async act(act: Act): Promise<ActOutcome> {
    const outcome = await this.connection.act(act);
    this.store.update({ problem: outcome.error });
    return outcome;
  }

  dismissProblem(): void {
    this.store.update({ problem: null });
  }

  /** Leaves the hearing on purpose. */
  leave(): void {
    this.connection.leave();
  }

  /** The page goes away. */
  dispose(): void {
    this.disposed = true;
    this.stopListening();
    this.stopShowing();
    document.removeEventListener("visibilitychange", this.sayShown);
    window.removeEventListener("online", this.networkChanged);
    this.stopWatchingNetwork();
    this.connection.dispose();
    this.media.close();
    this.devices.dispose();
  }

  private readonly networkChanged = (): void => {
    if (this.store.getSnapshot().end === null) this.connection.reconnectNow();
  };

  private mediaChanged(media: MediaState): void {
    const { problem } = this.store.getSnapshot();
    const isOver = media === "connected" && (problem === "overloaded" || problem === "bad_offer");
    this.store.update({ media, problem: isOver ? null : problem });
  }

  private receive(message: ServerMessage): void {
    this.store.receive(message);
    switch (message.type) {
      case "welcome":
        this.lastSending = "";
        this.lastShown = "";
        this.media.useIceServers(message.ice_servers);
        if (!this.ready) break;
        this.sayReady();
        this.media.resume(message.resumes_media);
        this.saySending();
        break;
      case "answer":
        void this.media.answered(message.id, message.sdp);
        break;
      case "slots":
        this.media.slotsChanged(message.slots);
        break;
      case "layers_watched":
        this.media.layersWatched(message.source, message.layers);
        break;
      case "slots_needed":
        this.media.slotsNeeded(message.audio, message.video);
        break;
      case "error":
        if (message.error === "bad_offer") this.media.offerRefused(REFUSED_WAIT_MS);
        if (message.error === "overloaded") this.media.offerRefused(OVERLOADED_WAIT_MS);
        break;
      default:
        break;
    }
  }

  /** Someone who comes back admitted is not asked to wait again, so is not ready again either. */
  private sayReady(): void {
    if (ownView(this.store.getSnapshot())?.presence === "admitted") return;
    this.connection.send({ type: "ready", ...this.working() });
  }

  private saySending(): void {
    if (!this.ready) return;
    const { microphone, camera } = this.working();
    const sending = { microphone: microphone && !this.muted, camera: camera && !this.cameraOff };
    const said = JSON.stringify(sending);
    if (said === this.lastSending) return;
    if (this.connection.send({ type: "sending", ...sending })) this.lastSending = said;
  }

  /** Tells the server how large each picture is shown, so that it sends no more than that. */
  private readonly sayShown = (): void => {
    if (!this.ready || this.disposed) return;
    const pictures = shownPictures(this.store.getSnapshot(), document.visibilityState === "hidden");
    const said = JSON.stringify(pictures);
    if (said === this.lastShown) return;
    this.media.picturesChanged();
    if (this.connection.send({ type: "shown", pictures })) this.lastShown = said;
  };

  private working(): { microphone: boolean; camera: boolean } {
    const { microphone, camera } = this.devices.getSnapshot();
    return { microphone: microphone.track !== null, camera: camera.track !== null };
  }

  private devicesChanged(): void {
    const { microphone, camera } = this.devices.getSnapshot();
    this.sendTrack("microphone", microphone.track);
    this.sendTrack("camera", camera.track);
  }

  private sendTrack(kind: DeviceKind, track: MediaStreamTrack | null): void {
    if (this.sentTracks[kind] === track) return;
    this.sentTracks[kind] = track;
    if (kind === "microphone" && track !== null) track.enabled = !this.muted;
    if (!publishes(this.options.role)) return;
    void this.media.setLocalTrack(kind, track);
    this.saySending();
  }

  private async refusal(): Promise<ErrorCode | null> {
    try {
      await redeemInvitation(this.options.token);
      return null;
    } catch (error) {
      const code = failureCode(error);
      return error instanceof RequestError && FINAL_CODES.has(code) ? (code as ErrorCode) : null;
    }
  }
}

function seatUrl(participantId: string): string {
  const scheme = window.location.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${window.location.host}/api/v1/seats/${encodeURIComponent(participantId)}/ws`;
}

/** As much as is used of what only some browsers have: the kind of network that the machine is on. */
type NetworkKind = EventTarget & { readonly type?: string };

/** Calls back when a phone goes from one kind of network to another. Returns how to stop it. */
function watchNetwork(changed: () => void): () => void {
  const network = (navigator as Navigator & { readonly connection?: NetworkKind }).connection;
  if (network === undefined) return () => undefined;
  let type = network.type;
  const listener = () => {
    // The event also tells of a line that merely got slower.
    if (network.type === type) return;
    type = network.type;
    changed();
  };
  network.addEventListener("change", listener);
  return () => network.removeEventListener("change", listener);
}
