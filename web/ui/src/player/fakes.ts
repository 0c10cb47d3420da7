import type { Clock, MediaElementLike } from "./RecordPlayer";

/** Virtual time that also moves the elements that play. */
export class FakeClock implements Clock {
  private nowMs = 0;
  private readonly timers = new Set<{ action: () => void; due: number; period: number }>();
  readonly elements: FakeElement[] = [];

  now(): number {
    return this.nowMs;
  }

  every(ms: number, action: () => void): () => void {
    const timer = { action, due: this.nowMs + ms, period: ms };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  run(ms: number): void {
    for (let passed = 0; passed < ms; passed += 10) {
      this.nowMs += 10;
      for (const element of this.elements) element.advance(10);
      for (const timer of [...this.timers]) {
        if (timer.due > this.nowMs || !this.timers.has(timer)) continue;
        timer.due += timer.period;
        timer.action();
      }
    }
  }
}

export class FakeElement implements MediaElementLike {
  currentTime = 0;
  playbackRate = 1;
  preservesPitch = false;
  preload = "none";
  paused = true;
  seeking = false;
  readyState = 4;
  error: unknown = null;
  /** How fast this element really runs, for drift. */
  pace = 1;
  /** How long it takes from being told to play to the first sound. */
  startDelayMs = 0;
  private delayMs = 0;

  play(): Promise<void> {
    this.paused = false;
    this.delayMs = this.startDelayMs;
    return Promise.resolve();
  }

  pause(): void {
    this.paused = true;
  }

  advance(ms: number): void {
    if (this.paused || this.readyState < 2) return;
    if (this.delayMs > 0) this.delayMs -= ms;
    else this.currentTime += (ms / 1000) * this.playbackRate * this.pace;
  }
}
