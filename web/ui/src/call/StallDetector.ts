/** Sound comes each 20 ms; so long a pause is a broken path, not a lost packet or two. */
export const STALL_MS = 500;

/**
 * Notices that media which was flowing has stopped. A browser takes seconds to call a connection
 * `disconnected`, and does not at all while the far side is silent for other reasons.
 */
export class StallDetector {
  private last: number | null = null;
  private movedAtMs = 0;
  private isArmed = false;

  /**
   * `arrival` is any value that changes whenever something arrives. True once, when nothing has
   * arrived for {@link STALL_MS}; again only after something has.
   */
  stalls(nowMs: number, arrival: number | null): boolean {
    if (arrival !== this.last) {
      // The first value says that something has arrived some time, not that it flows.
      this.isArmed = this.last !== null && arrival !== null;
      this.last = arrival;
      this.movedAtMs = nowMs;
      return false;
    }
    if (!this.isArmed || nowMs - this.movedAtMs < STALL_MS) return false;
    this.isArmed = false;
    return true;
  }

  /** What arrives is expected to change: who is heard is somebody else, or nobody. */
  reset(): void {
    this.last = null;
    this.isArmed = false;
  }
}
