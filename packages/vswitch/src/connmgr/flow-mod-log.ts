/** What one connection changes of flows, for the log: not each, but how many in a while. */
import type { FlowMod } from '@heddle/openflow';
import { type Clock, type Timer, vlog } from '@heddle/runtime';

const log = vlog.module('connmgr');

/** From the first flow mod on, so long are those that follow gathered. */
const GATHER_MS = 10_000;
/** At least between two reports. */
const INTERVAL_MS = 60_000;

/** Lines are what Open vSwitch's logs say for the same flow mods. */
export class FlowModLog {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #say: (line: string) => void;
  #adds = 0;
  #deletes = 0;
  #modifications = 0;
  #firstMs = 0;
  #lastMs = 0;
  /** No report before. */
  #earliestMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;

  /** `name`: of the connection, as `br0<->unix#3`. */
  constructor(name: string, clock: Clock, say = (line: string): void => log.info(line)) {
    this.#name = name;
    this.#clock = clock;
    this.#say = say;
  }

  /** One that was obeyed. */
  count(command: FlowMod['command']): void {
    const now = this.#clock.nowMs();
    if (this.#timer === undefined) {
      this.#firstMs = now;
      const waitMs = Math.max(GATHER_MS, this.#earliestMs - now);
      this.#timer = this.#clock.after(waitMs, () => {
        this.#earliestMs = this.#clock.nowMs() + INTERVAL_MS;
        this.report();
      });
    }
    this.#lastMs = now;
    if (command === 'add') this.#adds++;
    else if (command === 'modify' || command === 'modify_strict') this.#modifications++;
    else this.#deletes++;
  }

  /** Logs what has been counted since the last report, if anything. */
  report(): void {
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    this.#timer = undefined;
    const kinds = [
      [this.#adds, 'adds'],
      [this.#deletes, 'deletes'],
      [this.#modifications, 'modifications'],
    ] as const;
    const total = this.#adds + this.#deletes + this.#modifications;
    const counts = kinds.filter(([n]) => n > 0).map(([n, kind]) => `${n} ${kind}`);
    this.#say(`${this.#name}: ${total} flow_mods ${this.#when()} (${counts.join(', ')})`);
    this.#adds = 0;
    this.#deletes = 0;
    this.#modifications = 0;
  }

  #when(): string {
    const now = this.#clock.nowMs();
    const sinceFirst = seconds(now - this.#firstMs);
    const interval = seconds(this.#lastMs - this.#firstMs);
    if (seconds(now - this.#lastMs) === 0) return `in the last ${sinceFirst} s`;
    if (interval === 0) return `${sinceFirst} s ago`;
    return `in the ${interval} s starting ${sinceFirst} s ago`;
  }
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
