import type { Slot } from "../wire/Slot";
import type { TrackSource } from "../wire/TrackSource";

/** `recvonly` sound sections offered at first: a hearing of nine needs no second offer. */
export const INITIAL_AUDIO_SLOTS = 8;
/** `recvonly` picture sections offered at first. */
export const INITIAL_VIDEO_SLOTS = 8;

/** For each participant, which SDP section each of their tracks arrives on. */
export type SlotMap = ReadonlyMap<string, Partial<Record<TrackSource, string>>>;

/** Turns the server's list around: from sections to participants. Empty slots fall out. */
export function mapSlots(slots: readonly Slot[]): SlotMap {
  const map = new Map<string, Partial<Record<TrackSource, string>>>();
  for (const { mid, track } of slots) {
    if (track === null || track === undefined) continue;
    const entry = map.get(track.participant) ?? {};
    entry[track.source] = mid;
    map.set(track.participant, entry);
  }
  return map;
}

/** How many sections must be added so that there are at least as many as needed; never negative. */
export function missingSlots(have: number, needed: number): number {
  return Math.max(0, needed - have);
}
