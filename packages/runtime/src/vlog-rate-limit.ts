/**
 * A token bucket per source of messages: what is dropped is counted and told with the next message
 * that passes.
 */
export class RateLimit {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #filledMs = 0;
  #dropped = 0;
  #firstDropMs = 0;
  #lastDropMs = 0;

  constructor(perMinute = 5, burst = 5) {
    this.#perMs = perMinute / 60_000;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** undefined: drop this message. Otherwise what to say first, '' for nothing. */
  take(nowMs: number): string | undefined {
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#filledMs) * this.#perMs);
    this.#filledMs = nowMs;
    if (this.#tokens < 1) {
      if (this.#dropped++ === 0) this.#firstDropMs = nowMs;
      this.#lastDropMs = nowMs;
      return undefined;
    }
    this.#tokens -= 1;
    const dropped = this.#dropped;
    if (dropped === 0) return '';
    this.#dropped = 0;
    const first = Math.floor((nowMs - this.#firstDropMs) / 1000);
    const last = Math.floor((nowMs - this.#lastDropMs) / 1000);
    return `Dropped ${dropped} log messages in last ${first} seconds (most recently, ${last} seconds ago) due to excessive rate`;
  }
}
