/**
 * Packets to one controller at a limited rate (ovs-vswitchd.conf.db(5), "controller_rate_limit"):
 * within the rate they go at once, beyond it they wait in queues, one for each port, from which
 * they leave in turns. When there is no room the longest queue loses its oldest packet.
 */
import type { Clock } from '@heddle/runtime';

const MIN_RATE = 100;
const MIN_BURST = 25;

export interface PinschedStats {
  bypassed: number;
  queued: number;
  dropped: number;
}

export class PacketInScheduler {
  readonly stats: PinschedStats = { bypassed: 0, queued: 0, dropped: 0 };
  readonly #clock: Clock;
  readonly #rate: number;
  readonly #burst: number;
  readonly #queues = new Map<number, (() => void)[]>();
  #backlog = 0;
  /** Packets that may go now. */
  #tokens: number;
  #filledMs: number;
  #timer: ReturnType<Clock['after']> | undefined;

  /** `rate` is in packets per second; a `burst` of undefined is a quarter of it. */
  constructor(clock: Clock, rate: number, burst: number | undefined) {
    this.#clock = clock;
    this.#rate = Math.max(rate, MIN_RATE);
    this.#burst = Math.max(burst ?? Math.floor(this.#rate / 4), MIN_BURST);
    this.#tokens = this.#burst;
    this.#filledMs = clock.nowMs();
  }

  /** Packets that wait. */
  get backlog(): number {
    return this.#backlog;
  }

  /** Calls `deliver` now, later or not at all. */
  send(port: number, deliver: () => void): void {
    this.#fill();
    if (this.#backlog === 0 && this.#tokens >= 1) {
      this.#tokens--;
      this.stats.bypassed++;
      deliver();
      return;
    }
    if (this.#backlog >= this.#burst) this.#dropLongest();
    const queue = this.#queues.get(port) ?? [];
    queue.push(deliver);
    this.#queues.set(port, queue);
    this.#backlog++;
    this.stats.queued++;
    this.#arm();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#queues.clear();
    this.#backlog = 0;
  }

  #fill(): void {
    const now = this.#clock.nowMs();
    const more = ((now - this.#filledMs) * this.#rate) / 1000;
    this.#tokens = Math.min(this.#burst, this.#tokens + more);
    this.#filledMs = now;
  }

  #dropLongest(): void {
    let longest: number | undefined;
    for (const [port, queue] of this.#queues) {
      if (longest === undefined || queue.length > this.#queues.get(longest)!.length) longest = port;
    }
    if (longest === undefined) return;
    this.#take(longest);
    this.stats.dropped++;
  }

  #take(port: number): (() => void) | undefined {
    const queue = this.#queues.get(port)!;
    const first = queue.shift();
    this.#queues.delete(port);
    // Behind all others: each port has its turn.
    if (queue.length > 0) this.#queues.set(port, queue);
    this.#backlog--;
    return first;
  }

  #arm(): void {
    if (this.#timer || this.#backlog === 0) return;
    const waitMs = Math.max(1, ((1 - this.#tokens) * 1000) / this.#rate);
    this.#timer = this.#clock.after(waitMs, () => {
      this.#timer = undefined;
      this.#fill();
      while (this.#tokens >= 1 && this.#backlog > 0) {
        this.#tokens--;
        const [port] = this.#queues.keys();
        this.#take(port!)?.();
      }
      this.#arm();
    });
  }
}
