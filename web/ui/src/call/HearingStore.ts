import type { ServerMessage } from "../wire/ServerMessage";
import { afterMessage, EMPTY_HEARING, type HearingSnapshot } from "./hearingState";

/** Holds the snapshot of one seat and tells its listeners; made for `useSyncExternalStore`. */
export class HearingStore {
  private snapshot: HearingSnapshot = EMPTY_HEARING;
  private readonly listeners = new Set<() => void>();
  private readonly now: () => number;

  /** `now` is `performance.now` or a stand-in. */
  constructor(now: () => number) {
    this.now = now;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getSnapshot = (): HearingSnapshot => this.snapshot;

  /** Takes a message of the server in. */
  receive(message: ServerMessage): void {
    this.replace(afterMessage(this.snapshot, message, this.now()));
  }

  /** Changes what does not come from the server's messages. */
  update(change: Partial<HearingSnapshot>): void {
    this.replace({ ...this.snapshot, ...change });
  }

  private replace(next: HearingSnapshot): void {
    if (next === this.snapshot) return;
    this.snapshot = next;
    for (const listener of this.listeners) listener();
  }
}
