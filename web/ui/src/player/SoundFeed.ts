import type { SoundPiece } from "../api/record";

/** So much is loaded ahead of what is heard, in milliseconds of the record at normal speed. */
export const AHEAD_MS = 8_000;
/** A hole in what is loaded is one from this length on, in seconds: a frame of Opus has 0.02. */
const HOLE_S = 0.05;

/** Where a file's sound is put together for an element: Media Source Extensions, or a stand-in. */
export type SoundSink = {
  append(bytes: ArrayBuffer): Promise<void>;
  /** What can be played, in seconds of the file. */
  buffered(): readonly (readonly [from: number, to: number])[];
  close(): void;
};

export type SoundFeedOptions = {
  startsMs: number;
  load: (fromMs: number) => Promise<SoundPiece | null>;
  openSink: () => SoundSink;
  onFailure: (error: unknown) => void;
};

type Loaded = { sink: SoundSink; fromMs: number; toMs: number };

/** Loads the sound of one file of the record a little ahead of where it is heard. */
export class SoundFeed {
  private readonly options: SoundFeedOptions;
  private loaded: Loaded | null = null;
  /** The piece that is being loaded: another object each time. */
  private loading: object | null = null;

  constructor(options: SoundFeedOptions) {
    this.options = options;
  }

  /** Sees that there is sound at a moment of the record and for a while after it. */
  async want(ms: number, aheadMs: number): Promise<void> {
    if (this.loading !== null) return;
    const from = Math.max(ms, this.options.startsMs);
    if (this.loaded !== null && (from < this.loaded.fromMs || from > this.loaded.toMs)) this.release();
    if (this.loaded !== null && this.loaded.toMs - from >= aheadMs) return;
    const load = {};
    this.loading = load;
    try {
      await this.loadFrom(this.loaded?.toMs ?? from, load);
    } catch (error) {
      if (this.loading === load) this.options.onFailure(error);
    } finally {
      if (this.loading === load) this.loading = null;
    }
  }

  /** Forgets what is loaded: what is heard again is loaded again. */
  release(): void {
    this.loaded?.sink.close();
    this.loaded = null;
    this.loading = null;
  }

  /** Whether what is loaded has nothing at this moment: packets that never came, or silence. */
  silentAt(ms: number): boolean {
    const { loaded } = this;
    if (loaded === null || ms < loaded.fromMs || ms >= loaded.toMs) return false;
    const at = (ms - this.options.startsMs) / 1000;
    return !loaded.sink.buffered().some(([from, to]) => from - HOLE_S <= at && at < to);
  }

  private async loadFrom(fromMs: number, load: object): Promise<void> {
    const piece = await this.options.load(fromMs);
    // Released meanwhile: the piece belongs to what is over.
    if (piece === null || this.loading !== load) return;
    const loaded = this.loaded ?? { sink: this.options.openSink(), fromMs: piece.fromMs, toMs: piece.fromMs };
    this.loaded = loaded;
    await loaded.sink.append(piece.bytes);
    loaded.toMs = piece.toMs;
  }
}
