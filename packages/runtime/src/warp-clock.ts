import { type Clock, FakeClock, type Timer } from './clock.ts';

/** The real time until it is stopped; then it moves only when told to (`time/stop`, `time/warp`). */
export class WarpClock implements Clock {
  readonly #timers = new FakeClock(performance.now());
  readonly #wallStart = Date.now() - performance.now();
  /** How far it is ahead of the real time. */
  #leadMs = 0;
  #isStopped = false;
  #alarm: NodeJS.Timeout | undefined;

  nowMs(): number {
    return this.#isStopped ? this.#timers.nowMs() : performance.now() + this.#leadMs;
  }

  wallMs(): number {
    return this.#wallStart + this.nowMs();
  }

  after(ms: number, callback: () => void): Timer {
    const timer = this.#timers.after(this.nowMs() - this.#timers.nowMs() + ms, callback);
    this.#arm();
    return timer;
  }

  stop(): void {
    this.#catchUp();
    this.#isStopped = true;
    clearTimeout(this.#alarm);
  }

  /** Moves time on, running what falls due in its order. */
  warp(ms: number): void {
    if (this.#isStopped) {
      this.#timers.advance(ms);
      return;
    }
    this.#leadMs += ms;
    this.#catchUp();
    this.#arm();
  }

  #catchUp(): void {
    this.#timers.advance(Math.max(this.nowMs() - this.#timers.nowMs(), 0));
  }

  #arm(): void {
    clearTimeout(this.#alarm);
    const next = this.#timers.nextMs;
    if (this.#isStopped || next === undefined) return;
    this.#alarm = setTimeout(
      () => {
        this.#catchUp();
        this.#arm();
      },
      Math.max(next - this.nowMs(), 0),
    ).unref();
  }
}
