/** Why a device cannot be used; the catalogues say what to do about each. */
export type DeviceProblem = "insecure" | "refused" | "missing" | "busy" | "failed";

/** The two devices that a person sends from. */
export type DeviceKind = "microphone" | "camera";

export type DeviceChoice = { id: string; label: string };

export type DeviceState = {
  track: MediaStreamTrack | null;
  problem: DeviceProblem | null;
  /** A request to the browser is under way: its permission question may be on screen. */
  asking: boolean;
};

export type DevicesSnapshot = {
  microphone: DeviceState;
  camera: DeviceState;
  microphones: readonly DeviceChoice[];
  cameras: readonly DeviceChoice[];
  speakers: readonly DeviceChoice[];
  speakerId: string;
};

/**
 * 1280x720 at 25, of which the server picks a layer for each person's line; 640x360 where a small
 * computer would stutter over encoding more.
 */
const CORES_FOR_720P = 4;

function cameraWish(): MediaTrackConstraints {
  const large = navigator.hardwareConcurrency >= CORES_FOR_720P;
  return {
    width: { ideal: large ? 1280 : 640 },
    height: { ideal: large ? 720 : 360 },
    frameRate: { ideal: 25, max: 30 },
  };
}

const MICROPHONE_WISH: MediaTrackConstraints = {
  channelCount: { ideal: 1 },
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
};

const NOTHING: DeviceState = { track: null, problem: null, asking: false };

/** Maps what `getUserMedia` throws (Media Capture and Streams, 10.3.2) to a problem with words. */
export function deviceProblem(error: unknown): DeviceProblem {
  const name = error instanceof Error || isNamed(error) ? error.name : "";
  switch (name) {
    case "NotAllowedError":
    case "PermissionDeniedError":
      return "refused";
    case "SecurityError":
      return "insecure";
    case "NotFoundError":
    case "DevicesNotFoundError":
    case "OverconstrainedError":
      return "missing";
    case "NotReadableError":
    case "TrackStartError":
    case "AbortError":
      return "busy";
    default:
      return "failed";
  }
}

function isNamed(error: unknown): error is { name: string } {
  return typeof error === "object" && error !== null && "name" in error && typeof error.name === "string";
}

/** Microphone, camera and loudspeaker of this computer, as a view model with snapshots. */
export class LocalDevices {
  private snapshot: DevicesSnapshot = {
    microphone: NOTHING,
    camera: NOTHING,
    microphones: [],
    cameras: [],
    speakers: [],
    speakerId: "",
  };
  private readonly listeners = new Set<() => void>();
  private readonly wanted: Record<DeviceKind, string | null> = { microphone: null, camera: null };
  /** Counts the opens and stops of each device: an open that is not the latest must not take effect. */
  private readonly latest: Record<DeviceKind, number> = { microphone: 0, camera: 0 };
  private disposed = false;

  constructor() {
    navigator.mediaDevices?.addEventListener("devicechange", this.listsChanged);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getSnapshot = (): DevicesSnapshot => this.snapshot;

  /** Opens both devices. Each may fail by itself; the other is still used. */
  async openAll(): Promise<void> {
    const before = this.latest.camera;
    // One after the other: Firefox shows one permission question at a time.
    await this.open("microphone");
    // Whoever opened or stopped the camera while the microphone's question stood has decided on it.
    if (this.latest.camera === before) await this.open("camera");
  }

  /**
   * Opens a device (another one if `deviceId` is given), replacing the track it had. A later `open`
   * or `stop` of the same device makes this one obsolete: what the browser still grants is let go.
   */
  async open(kind: DeviceKind, deviceId?: string): Promise<void> {
    if (this.disposed) return;
    const request = ++this.latest[kind];
    if (deviceId !== undefined) this.wanted[kind] = deviceId;
    if (!window.isSecureContext || navigator.mediaDevices === undefined) {
      this.setDevice(kind, { track: null, problem: "insecure", asking: false });
      return;
    }
    const previous = this.snapshot[kind].track;
    this.setDevice(kind, { track: previous, problem: null, asking: true });
    try {
      const stream = await navigator.mediaDevices.getUserMedia(this.constraints(kind));
      if (request !== this.latest[kind]) {
        for (const late of stream.getTracks()) late.stop();
        return;
      }
      const track = stream.getTracks()[0] ?? null;
      previous?.stop();
      if (track !== null) track.onended = () => this.ended(kind, track);
      this.setDevice(kind, { track, problem: track === null ? "missing" : null, asking: false });
    } catch (error) {
      if (request !== this.latest[kind]) return;
      previous?.stop();
      this.setDevice(kind, { track: null, problem: deviceProblem(error), asking: false });
    }
    await this.refreshLists();
  }

  /** Switches a device off; its lamp goes out, and a pending `open` no longer switches it on. */
  stop(kind: DeviceKind): void {
    this.latest[kind] += 1;
    this.snapshot[kind].track?.stop();
    this.setDevice(kind, NOTHING);
  }

  /** Plays everything through this loudspeaker, where the browser can choose one. */
  chooseSpeaker(deviceId: string): void {
    this.update({ speakerId: deviceId });
  }

  /** Switches everything off for good. */
  dispose(): void {
    this.disposed = true;
    navigator.mediaDevices?.removeEventListener("devicechange", this.listsChanged);
    this.stop("microphone");
    this.stop("camera");
    this.listeners.clear();
  }

  private constraints(kind: DeviceKind): MediaStreamConstraints {
    const id = this.wanted[kind];
    const device = id === null || id === "" ? {} : { deviceId: { ideal: id } };
    return kind === "microphone"
      ? { audio: { ...MICROPHONE_WISH, ...device } }
      : { video: { ...cameraWish(), ...device } };
  }

  private ended(kind: DeviceKind, track: MediaStreamTrack): void {
    if (this.snapshot[kind].track !== track) return;
    this.setDevice(kind, { track: null, problem: "missing", asking: false });
  }

  private readonly listsChanged = (): void => void this.refreshLists();

  private async refreshLists(): Promise<void> {
    if (navigator.mediaDevices === undefined || this.disposed) return;
    const devices = await navigator.mediaDevices.enumerateDevices();
    const choices = (kind: MediaDeviceKind): DeviceChoice[] =>
      devices
        .filter((device) => device.kind === kind && device.deviceId !== "")
        .map(({ deviceId, label }) => ({ id: deviceId, label }));
    this.update({
      microphones: choices("audioinput"),
      cameras: choices("videoinput"),
      speakers: choices("audiooutput"),
    });
  }

  private setDevice(kind: DeviceKind, state: DeviceState): void {
    this.update({ [kind]: state });
  }

  private update(change: Partial<DevicesSnapshot>): void {
    this.snapshot = { ...this.snapshot, ...change };
    for (const listener of this.listeners) listener();
  }
}
