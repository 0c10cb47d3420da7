import type { Perceived } from "../wire/Perceived";

/** As much as is used of a receiver's figures (W3C webrtc-stats, `inbound-rtp`). */
export type Received = RTCStats & {
  kind: string;
  trackIdentifier: string;
  freezeCount?: number;
  totalFreezesDuration?: number;
  totalSamplesReceived?: number;
  concealedSamples?: number;
};

/** So long a pause between two pictures is seen; longer than three of a camera in bad light. */
const FREEZE_MS = 300;
/** After so long a pause the sender had switched its picture off. */
const OFF_MS = 5_000;
/** What the server takes for possible (`wire.rs`, `Perceived::is_possible`). */
const MAX_FREEZES = 20;
const MAX_FROZEN_MS = 60_000;

type Counts = { freezes: number; frozenMs: number; samples: number; concealed: number };

/** Pauses of one picture, for browsers that do not count freezes themselves. */
type Pauses = { newest: number | null; atMs: number; freezes: number; frozenMs: number };

/** What came of sound and pictures: freezes, and sound that had to be made up. */
export class Perception {
  private before = new Map<string, Counts>();
  private readonly pauses = new Map<string, Pauses>();

  /** What arrives now is not the continuation of what arrived before. */
  reset(): void {
    this.before.clear();
    this.pauses.clear();
  }

  /** `newest` is any value that changes whenever a packet of the picture `id` arrives. */
  look(id: string, nowMs: number, newest: number | null): void {
    const known = this.pauses.get(id);
    if (known === undefined) {
      this.pauses.set(id, { newest, atMs: nowMs, freezes: 0, frozenMs: 0 });
      return;
    }
    if (known.newest === newest) return;
    const pause = nowMs - known.atMs;
    if (known.newest !== null && pause >= FREEZE_MS && pause < OFF_MS) {
      known.freezes += 1;
      known.frozenMs += pause;
    }
    known.newest = newest;
    known.atMs = nowMs;
  }

  /** What happened since the last report; null when there is nothing to compare with yet. */
  report(received: readonly Received[]): Perceived | null {
    const before = this.before;
    this.before = new Map(received.map((stats) => [stats.trackIdentifier, this.countsOf(stats)]));
    let worst = { freezes: 0, frozenMs: 0 };
    let samples = 0;
    let concealed = 0;
    let isComparable = false;
    for (const [id, now] of this.before) {
      const last = before.get(id);
      if (last === undefined) continue;
      isComparable = true;
      const grown = { freezes: now.freezes - last.freezes, frozenMs: now.frozenMs - last.frozenMs };
      if (grown.freezes > worst.freezes) worst = grown;
      samples += now.samples - last.samples;
      concealed += now.concealed - last.concealed;
    }
    if (!isComparable) return null;
    return {
      freezes: bounded(worst.freezes, MAX_FREEZES),
      frozen_ms: bounded(worst.frozenMs, MAX_FROZEN_MS),
      concealed_permille: samples > 0 ? bounded((concealed / samples) * 1_000, 1_000) : null,
    };
  }

  private countsOf(stats: Received): Counts {
    const pauses = this.pauses.get(stats.trackIdentifier);
    return {
      freezes: stats.freezeCount ?? pauses?.freezes ?? 0,
      frozenMs: (stats.totalFreezesDuration ?? (pauses?.frozenMs ?? 0) / 1_000) * 1_000,
      samples: stats.totalSamplesReceived ?? 0,
      concealed: stats.concealedSamples ?? 0,
    };
  }
}

function bounded(value: number, most: number): number {
  return Math.round(Math.min(most, Math.max(0, value)));
}
