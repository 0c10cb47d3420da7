import { type FailureCode, failureCode } from "../api/http";
import type { RecordApi } from "../api/record";
import type { RecordedPerson } from "../wire/RecordedPerson";
import type { RecordedSegment } from "../wire/RecordedSegment";
import type { TrackRef } from "../wire/TrackRef";
import { type Clock, type MediaElementLike, RecordPlayer, type Segment } from "./RecordPlayer";
import { AHEAD_MS, SoundFeed, type SoundSink } from "./SoundFeed";
import { type Levels, LEVELS_PER_SECOND, type View } from "./waveform";

/** How often the list of what is recorded is asked for while it grows. */
export const LIST_MS = 1_000;
/** How often it is seen to that there is sound where it will be heard next. */
export const FEED_MS = 250;
/**
 * Of a file that grows the newest part is not played yet: a piece ends with a whole cluster of one
 * second, and the list is a second old.
 */
export const LIVE_LAG_MS = 2_500;
/** What lies farther from what is heard is not kept. */
const KEEP_MS = 30_000;
/** How much of the record is shown at first. */
const SHOWN_MS = 5 * 60_000;

export type ReadBackSnapshot = {
  people: readonly RecordedPerson[];
  /** Sound of people: how loud it is, as far as it is known, by file. */
  levels: ReadonlyMap<string, Levels & { person: string }>;
  /** The part of the record that is shown. */
  view: View;
  failure: FailureCode | null;
};

export type ReadBackOptions = {
  api: RecordApi;
  clock: Clock;
  /** An element for a file, and how its sound is put together. */
  openElement: () => { element: MediaElementLike; openSink: () => SoundSink };
};

type Voice = { segment: RecordedSegment; element: MediaElementLike; feed: SoundFeed };

/** Listening back to the record of one hearing, while it grows and after it. */
export class ReadBack {
  readonly player: RecordPlayer;
  private readonly options: ReadBackOptions;
  private readonly voices = new Map<string, Voice>();
  private readonly listeners = new Set<() => void>();
  private stops: (() => void)[] = [];
  private snapshot: ReadBackSnapshot = { people: [], levels: new Map(), view: { fromMs: 0, toMs: 0 }, failure: null };
  private listening: number | null = null;
  /** Counts what was asked for, so that an answer that comes late starts nothing. */
  private wish = 0;
  private refreshing: Promise<void> | null = null;
  private wasPlaying = false;
  private metering = false;
  private fromMs: number | null = null;

  constructor(options: ReadBackOptions) {
    this.options = options;
    this.player = new RecordPlayer([], 0, options.clock);
  }

  /** Follows the record until it is told to stop. */
  start(): void {
    const { clock } = this.options;
    this.stops = [
      clock.every(LIST_MS, () => void this.refresh()),
      clock.every(FEED_MS, () => this.feed()),
      this.player.subscribe(() => this.playerChanged()),
    ];
    void this.refresh();
  }

  /** The page goes away, or the person has heard enough. */
  stop(): void {
    this.pause();
    for (const stop of this.stops) stop();
    this.stops = [];
    for (const { feed } of this.voices.values()) feed.release();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getSnapshot = (): ReadBackSnapshot => this.snapshot;

  /** Shows the last stretch of the record and plays it. */
  async playLast(ms: number): Promise<void> {
    await this.refresh();
    const fromMs = Math.max(0, this.player.getSnapshot().durationMs - ms);
    this.showFrom(fromMs);
    await this.playFrom(fromMs);
  }

  /** Shows all of the record. */
  showAll(): void {
    this.showFrom(0);
  }

  /** Plays from a moment of the record, once the server has noted that somebody listens. */
  async playFrom(ms: number): Promise<void> {
    this.pause();
    const wish = this.wish;
    if (this.voices.size === 0) await this.refresh();
    const tracks = this.chosenTracks();
    if (tracks.length === 0 || wish !== this.wish) return;
    if (ms < this.snapshot.view.fromMs) this.showFrom(ms);
    try {
      const listening = await this.options.api.listen({ tracks, from_ms: Math.floor(ms) });
      if (wish !== this.wish) return this.tellEnd(listening);
      this.listening = listening;
    } catch (error) {
      this.update({ failure: failureCode(error) });
      return;
    }
    this.update({ failure: null });
    for (const { feed } of this.voices.values()) feed.release();
    this.player.seek(ms);
    this.feed();
    this.player.play();
  }

  /** Goes on from where it stands, or from the beginning of what is shown if all was heard. */
  play(): Promise<void> {
    const { positionMs, durationMs } = this.player.getSnapshot();
    return this.playFrom(positionMs >= durationMs ? this.snapshot.view.fromMs : positionMs);
  }

  pause(): void {
    this.wish += 1;
    this.player.pause();
    this.endListening();
  }

  /** Whom to hear: one person, or the whole room (`null`). */
  choose(person: string | null): void {
    const { playing, positionMs } = this.player.getSnapshot();
    this.pause();
    this.player.setPerson(person);
    if (playing) void this.playFrom(positionMs);
  }

  /** One question at a time; who asks meanwhile waits for its answer. */
  private refresh(): Promise<void> {
    this.refreshing ??= this.follow().finally(() => {
      this.refreshing = null;
    });
    return this.refreshing;
  }

  private async follow(): Promise<void> {
    try {
      const { people, segments } = await this.options.api.list();
      const sounds = segments.filter(({ source }) => source === "microphone");
      const isNew = sounds.filter((segment) => this.hear(segment));
      this.player.setSegments(sounds.map(playableSegment), 0);
      for (const { segment } of isNew) this.attach(segment);
      this.update({ people, view: this.viewNow() });
      void this.meter(sounds);
    } catch (error) {
      this.update({ failure: failureCode(error) });
    }
  }

  /** Takes a file in, or what it has grown by. Whether it is a new one. */
  private hear(segment: RecordedSegment): boolean {
    const id = segment.segment;
    const known = this.voices.get(id);
    if (known !== undefined) {
      known.segment = segment;
      return false;
    }
    const { element, openSink } = this.options.openElement();
    const feed = new SoundFeed({
      startsMs: segment.starts_ms,
      load: (fromMs) => {
        const { listening } = this;
        return listening === null ? Promise.resolve(null) : this.options.api.sound(id, listening, fromMs);
      },
      openSink,
      onFailure: (error) => {
        this.pause();
        this.update({ failure: failureCode(error) });
      },
    });
    this.voices.set(id, { segment, element, feed });
    return true;
  }

  private attach(id: string): void {
    const voice = this.voices.get(id);
    if (voice !== undefined) this.player.attach(id, voice.element, (ms) => voice.feed.silentAt(ms));
  }

  /** Asks for one more part of the loudness of each file that is shown. */
  private async meter(sounds: readonly RecordedSegment[]): Promise<void> {
    if (this.metering) return;
    this.metering = true;
    try {
      await this.meterEach(sounds);
    } catch {
      // Without a waveform everything can be heard all the same; the next question may get through.
    } finally {
      this.metering = false;
    }
  }

  private async meterEach(sounds: readonly RecordedSegment[]): Promise<void> {
    for (const { segment: id, participant: person, starts_ms: startsMs, ends_ms: endsMs } of sounds) {
      const known = this.snapshot.levels.get(id)?.levels ?? [];
      const missingMs = endsMs - startsMs - (known.length * 1000) / LEVELS_PER_SECOND;
      if (missingMs < LIVE_LAG_MS || endsMs < this.snapshot.view.fromMs) continue;
      const { levels } = await this.options.api.loudness(id, known.length);
      const whole = { person, startsMs, levels: [...known, ...levels] };
      this.update({ levels: new Map(this.snapshot.levels).set(id, whole) });
    }
  }

  /** Loads what is heard now and next; lets go of what is far away. */
  private feed(): void {
    const { positionMs, rate, person } = this.player.getSnapshot();
    if (this.listening === null) return;
    const aheadMs = AHEAD_MS * Math.max(1, rate);
    for (const { segment, feed } of this.voices.values()) {
      const { starts_ms: startsMs, ends_ms: endsMs } = segment;
      const chosen = person === null || person === segment.participant;
      if (chosen && startsMs <= positionMs + aheadMs && positionMs < endsMs) {
        void feed.want(positionMs, Math.min(aheadMs, endsMs - positionMs));
      } else if (startsMs > positionMs + KEEP_MS || endsMs < positionMs - KEEP_MS) {
        feed.release();
      }
    }
  }

  private chosenTracks(): TrackRef[] {
    const { person } = this.player.getSnapshot();
    const owners = new Set([...this.voices.values()].map(({ segment }) => segment.participant));
    return [...owners]
      .filter((owner) => person === null || person === owner)
      .map((participant) => ({ participant, source: "microphone" as const }));
  }

  private playerChanged(): void {
    const { playing } = this.player.getSnapshot();
    // It has come to the end of what there is.
    if (this.wasPlaying && !playing) this.endListening();
    this.wasPlaying = playing;
  }

  private endListening(): void {
    const { listening } = this;
    this.listening = null;
    if (listening !== null) void this.tellEnd(listening);
  }

  private async tellEnd(listening: number): Promise<void> {
    // The server ends by itself what is not ended.
    await this.options.api.stop(listening).catch(() => undefined);
  }

  private showFrom(fromMs: number): void {
    this.fromMs = fromMs;
    this.update({ view: this.viewNow() });
  }

  private viewNow(): View {
    const { durationMs } = this.player.getSnapshot();
    return { fromMs: this.fromMs ?? Math.max(0, durationMs - SHOWN_MS), toMs: durationMs };
  }

  private update(change: Partial<ReadBackSnapshot>): void {
    this.snapshot = { ...this.snapshot, ...change };
    for (const listener of this.listeners) listener();
  }
}

function playableSegment({ segment, participant, starts_ms, ends_ms, growing }: RecordedSegment): Segment {
  const endsMs = growing ? Math.max(starts_ms, ends_ms - LIVE_LAG_MS) : ends_ms;
  return { id: segment, startsMs: starts_ms, endsMs, person: participant, sound: true };
}
