/** How often elements are compared with the master clock. */
export const TICK_MS = 100;
/** Up to here nobody hears an echo between two tracks: left alone. */
export const DRIFT_TOLERATED_MS = 60;
/** From here on a nudge would take too long: the element is set to the right place. */
export const DRIFT_SEEK_MS = 400;
/** How much faster or slower an element runs while it catches up. */
export const NUDGE = 0.05;
/** An element is loaded this long before its turn. */
export const PRELOAD_MS = 5_000;
/** The clock waits this long for an element without data, then goes on without it. */
export const STALL_PATIENCE_MS = 4_000;

/** `HTMLMediaElement.HAVE_CURRENT_DATA`. */
const HAVE_CURRENT_DATA = 2;

/** The part of a media element that the player drives. */
export type MediaElementLike = {
  currentTime: number;
  playbackRate: number;
  preservesPitch: boolean;
  preload: string;
  readonly paused: boolean;
  readonly seeking: boolean;
  readonly readyState: number;
  readonly error: unknown;
  play(): Promise<void>;
  pause(): void;
};

/** One file of the record on the record's clock. */
export type Segment = {
  id: string;
  startsMs: number;
  endsMs: number;
  person: string;
  /** It is heard; otherwise it is seen. */
  sound: boolean;
};

export type PlayerSnapshot = {
  playing: boolean;
  /** The clock stands because a file is still loading. */
  waiting: boolean;
  positionMs: number;
  durationMs: number;
  rate: number;
  /** The only one who is heard; `null` for the whole room. */
  person: string | null;
  /** A file cannot be played; the others go on. */
  broken: boolean;
  /** The segments whose time it is. */
  active: readonly string[];
};

/** Time and timers, so that tests need none. */
export type Clock = {
  now: () => number;
  every: (ms: number, action: () => void) => () => void;
};

/** Whether a file is known to have nothing at a moment of the record, so that nobody waits for it. */
export type SilentAt = (ms: number) => boolean;

type Deck = {
  segment: Segment;
  element: MediaElementLike;
  silentAt: SilentAt;
  stalledSince: number | null;
  /** `currentTime` of the element at the last tick, and whether it has gone on by itself since the one before. */
  wasAt: number;
  moves: boolean;
};

/**
 * Plays all files of a record together. A master clock runs in record time; each element is
 * started, stopped and set to `clock - startsMs`, and drift is corrected, gently where it is small.
 * Where all that is heard is late, it is the clock that is put right: nothing is heard stretched.
 */
export class RecordPlayer {
  private readonly clock: Clock;
  private readonly decks = new Map<string, Deck>();
  private segments: readonly Segment[];
  private readonly listeners = new Set<() => void>();
  private snapshot: PlayerSnapshot;
  private anchorAt = 0;
  private anchorMs = 0;
  private stopTicking: (() => void) | null = null;

  /** `durationMs` is the length of the record where files may end before it. */
  constructor(segments: readonly Segment[], durationMs: number, clock: Clock) {
    this.segments = segments;
    this.clock = clock;
    this.snapshot = {
      playing: false,
      waiting: false,
      positionMs: 0,
      durationMs: lengthOf(segments, durationMs),
      rate: 1,
      person: null,
      broken: false,
      active: this.activeAt(0),
    };
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getSnapshot = (): PlayerSnapshot => this.snapshot;

  /** The record has grown, or is another one: a segment with the same id keeps its element. */
  setSegments(segments: readonly Segment[], durationMs: number): void {
    this.segments = segments;
    for (const [id, deck] of this.decks) {
      const segment = segments.find((candidate) => candidate.id === id);
      if (segment === undefined) this.attach(id, null);
      else deck.segment = segment;
    }
    this.update({ durationMs: lengthOf(segments, durationMs), active: this.activeAt(this.position()) });
  }

  /** Gives a segment its element, or takes it away (`null`). */
  attach(id: string, element: MediaElementLike | null, silentAt: SilentAt = () => false): void {
    const segment = this.segments.find((candidate) => candidate.id === id);
    if (element === null || segment === undefined) {
      this.decks.get(id)?.element.pause();
      this.decks.delete(id);
      return;
    }
    // Nobody sounds like another person at another speed.
    element.preservesPitch = true;
    this.decks.set(id, { segment, element, silentAt, stalledSince: null, wasAt: element.currentTime, moves: false });
    this.align(true);
  }

  play(): void {
    if (this.snapshot.playing) return;
    if (this.snapshot.positionMs >= this.snapshot.durationMs) this.seek(0);
    this.anchor(this.snapshot.positionMs);
    this.update({ playing: true });
    this.stopTicking = this.clock.every(TICK_MS, () => this.tick());
    this.align(true);
  }

  pause(): void {
    if (!this.snapshot.playing) return;
    const positionMs = this.position();
    this.stopTicking?.();
    this.stopTicking = null;
    this.update({ playing: false, waiting: false, positionMs });
    for (const { element } of this.decks.values()) element.pause();
  }

  /** Goes to a time of the record, playing or not. */
  seek(ms: number): void {
    const positionMs = Math.min(this.snapshot.durationMs, Math.max(0, ms));
    this.anchor(positionMs);
    this.update({ positionMs, waiting: false, active: this.activeAt(positionMs) });
    for (const deck of this.decks.values()) deck.stalledSince = null;
    this.align(true);
  }

  /** Goes to a time of the record and plays from there. */
  playFrom(ms: number): void {
    this.seek(ms);
    this.play();
  }

  /** Whom to hear: one person, or the whole room (`null`). */
  setPerson(person: string | null): void {
    this.update({ person });
    this.align(false);
  }

  /** Speed of play; 1 as it was. */
  setRate(rate: number): void {
    this.anchor(this.position());
    this.update({ rate });
    this.align(false);
  }

  private tick(): void {
    const waiting = this.mustWait();
    if (waiting && !this.snapshot.waiting) {
      this.update({ positionMs: this.position(), waiting: true });
    } else if (!waiting && this.snapshot.waiting) {
      this.anchor(this.snapshot.positionMs);
      this.update({ waiting: false });
    }
    this.follow();
    const positionMs = this.position();
    if (positionMs >= this.snapshot.durationMs) {
      this.update({ positionMs: this.snapshot.durationMs, active: [] });
      this.pause();
      this.update({ positionMs: this.snapshot.durationMs });
      return;
    }
    this.update({ positionMs, active: this.activeAt(positionMs) });
    this.align(false);
  }

  /** Sets the clock to the elements that play where all are on one side of it: a start takes time. */
  private follow(): void {
    const positionMs = this.position();
    const drifts: number[] = [];
    for (const deck of this.decks.values()) {
      const { element } = deck;
      deck.moves = !element.paused && !element.seeking && element.currentTime !== deck.wasAt;
      deck.wasAt = element.currentTime;
      if (deck.moves && this.isTurnOf(deck, positionMs)) drifts.push(driftOf(deck, positionMs));
    }
    const [least, most] = [Math.min(...drifts), Math.max(...drifts)];
    const shared = least > 0 ? least : Math.min(0, most);
    // What is farther off is at a wrong place, and is set to the right one.
    const followed = Math.abs(shared) > DRIFT_TOLERATED_MS && Math.abs(shared) <= DRIFT_SEEK_MS;
    if (drifts.length > 0 && followed) this.anchor(positionMs + shared);
  }

  /** Whether an element whose turn it is has no data yet; each is waited for only so long. */
  private mustWait(): boolean {
    const positionMs = this.position();
    const now = this.clock.now();
    let wait = false;
    for (const deck of this.decks.values()) {
      const { element } = deck;
      const turn = this.isTurnOf(deck, positionMs);
      const stalled = turn && !hasFailed(element) && (element.seeking || element.readyState < HAVE_CURRENT_DATA);
      if (!stalled) {
        deck.stalledSince = null;
        continue;
      }
      deck.stalledSince ??= now;
      if (now - deck.stalledSince < STALL_PATIENCE_MS) wait = true;
    }
    return wait;
  }

  /** Brings every element to where the clock is; `exactly` after a jump, gently otherwise. */
  private align(exactly: boolean): void {
    const { playing, waiting, rate } = this.snapshot;
    const positionMs = this.position();
    let broken = false;
    for (const deck of this.decks.values()) {
      const { segment, element } = deck;
      if (hasFailed(element)) broken = true;
      const turn = this.isTurnOf(deck, positionMs);
      const soon = segment.startsMs - PRELOAD_MS * rate <= positionMs && positionMs < segment.endsMs;
      if (soon && element.preload !== "auto") element.preload = "auto";
      if (!turn) {
        if (!element.paused) element.pause();
        // Rewound and waiting at its first moment when its turn comes.
        if (positionMs < segment.startsMs && element.currentTime !== 0) element.currentTime = 0;
        continue;
      }
      const driftMs = driftOf(deck, positionMs);
      const starting = playing && element.paused;
      const far = Math.abs(driftMs) > (exactly || starting ? DRIFT_TOLERATED_MS : DRIFT_SEEK_MS);
      if (far && !element.seeking) {
        element.currentTime = (positionMs - segment.startsMs) / 1000;
        deck.wasAt = element.currentTime;
      }
      const near = !deck.moves || far || Math.abs(driftMs) <= DRIFT_TOLERATED_MS;
      const nudge = near ? 0 : driftMs > 0 ? -NUDGE : NUDGE;
      const wantedRate = rate * (1 + nudge);
      if (element.playbackRate !== wantedRate) element.playbackRate = wantedRate;
      if (playing && !waiting && element.paused) void element.play().catch(() => undefined);
      if ((!playing || waiting) && !element.paused) element.pause();
    }
    if (broken !== this.snapshot.broken) this.update({ broken });
  }

  private isTurnOf({ segment, silentAt }: Deck, ms: number): boolean {
    const { person } = this.snapshot;
    const chosen = !segment.sound || person === null || person === segment.person;
    return chosen && segment.startsMs <= ms && ms < segment.endsMs && !silentAt(ms);
  }

  private position(): number {
    const { playing, waiting, positionMs, rate } = this.snapshot;
    if (!playing || waiting) return positionMs;
    return this.anchorMs + (this.clock.now() - this.anchorAt) * rate;
  }

  private anchor(ms: number): void {
    this.anchorAt = this.clock.now();
    this.anchorMs = ms;
  }

  private activeAt(ms: number): readonly string[] {
    return this.segments.filter((s) => s.startsMs <= ms && ms < s.endsMs).map(({ id }) => id);
  }

  private update(change: Partial<PlayerSnapshot>): void {
    const same = (Object.keys(change) as (keyof PlayerSnapshot)[]).every((key) =>
      key === "active"
        ? sameIds(this.snapshot.active, change.active ?? [])
        : this.snapshot[key] === change[key],
    );
    if (same) return;
    this.snapshot = { ...this.snapshot, ...change };
    for (const listener of this.listeners) listener();
  }
}

function lengthOf(segments: readonly Segment[], durationMs: number): number {
  return Math.max(durationMs, ...segments.map(({ endsMs }) => endsMs));
}

/** How far an element is ahead of a position of the clock, in milliseconds. */
function driftOf({ segment, element }: Deck, positionMs: number): number {
  return segment.startsMs + element.currentTime * 1000 - positionMs;
}

function hasFailed(element: MediaElementLike): boolean {
  return element.error !== null && element.error !== undefined;
}

function sameIds(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index]);
}

/** The browser's own clock and timers. */
export const browserClock: Clock = {
  now: () => performance.now(),
  every: (ms, action) => {
    const timer = setInterval(action, ms);
    return () => clearInterval(timer);
  },
};
