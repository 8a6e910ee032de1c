/** Event counters, shown by `coverage/show` in upstream's text. */
import { type Clock, realClock } from './clock.ts';
import { type UnixctlCommands, UnixctlError } from './unixctl-command.ts';

/** Samples of the total at the last 5 s, minute (12 of 5 s) and hour (60 of 1 min). */
class Counter {
  readonly name: string;
  total = 0;
  #last = 0;
  readonly #minute = new Array<number>(12).fill(0);
  readonly #hour = new Array<number>(60).fill(0);
  #ticks = 0;

  constructor(name: string) {
    this.name = name;
  }

  add(n = 1): void {
    this.total += n;
  }

  /** Every 5 seconds. */
  sample(): void {
    this.#minute[this.#ticks % 12] = this.total - this.#last;
    this.#last = this.total;
    this.#ticks++;
    const minute = Math.floor((this.#ticks - 1) / 12) % 60;
    if (this.#ticks % 12 === 1) this.#hour[minute] = 0;
    this.#hour[minute]! += this.#minute[(this.#ticks - 1) % 12]!;
  }

  rates(): { second: number; minute: number; hour: number } {
    const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
    const latest = this.#ticks === 0 ? 0 : this.#minute[(this.#ticks - 1) % 12]!;
    return { second: latest / 5, minute: sum(this.#minute) / 60, hour: sum(this.#hour) / 3600 };
  }
}

export type CoverageCounter = Pick<Counter, 'add' | 'total'>;

const SAMPLE_MS = 5000;
const counters = new Map<string, Counter>();
let sampledMs = Number.NEGATIVE_INFINITY;
let sampling = false;

export const coverage = {
  /** The counter of that name, made when it is not there. */
  counter(name: string): CoverageCounter {
    let counter = counters.get(name);
    if (!counter) {
      counter = new Counter(name);
      counters.set(name, counter);
    }
    return counter;
  },

  /** One that nobody is told of. */
  unlisted(name: string): CoverageCounter {
    return new Counter(name);
  },

  /** Takes back what is counted from now on: until what it returns is called, within the same turn. */
  disregard(): () => void {
    const totals = [...counters.values()].map((counter) => [counter, counter.total] as const);
    return () => {
      for (const [counter, total] of totals) counter.total = total;
    };
  },

  /** To be called every 5 seconds; what comes sooner is left out. */
  sample(clock: Clock = realClock): void {
    if (clock.nowMs() < sampledMs + (SAMPLE_MS * 9) / 10) return;
    sampledMs = clock.nowMs();
    for (const counter of counters.values()) counter.sample();
  },

  startSampling(): void {
    if (sampling) return;
    sampling = true;
    setInterval(() => coverage.sample(), SAMPLE_MS).unref();
  },

  show(): string {
    const hit = [...counters.values()].filter((c) => c.total > 0);
    let hash = 0;
    for (const c of hit)
      for (const ch of c.name) hash = (Math.imul(hash, 31) + ch.charCodeAt(0)) | 0;
    const lines = [
      'Event coverage, avg rate over last: 5 seconds, last minute, last hour,  ' +
        `hash=${(hash >>> 0).toString(16).padStart(8, '0')}:`,
    ];
    for (const c of hit) {
      const r = c.rates();
      lines.push(
        `${c.name.padEnd(24)} ${r.second.toFixed(1).padStart(5)}/sec ` +
          `${r.minute.toFixed(3).padStart(9)}/sec  ${r.hour.toFixed(4).padStart(12)}/sec   ` +
          `total: ${c.total}`,
      );
    }
    lines.push(`${counters.size - hit.length} events never hit`);
    return `${lines.join('\n')}\n`;
  },

  /** coverage/show and coverage/read-counter. */
  register(server: UnixctlCommands): void {
    server.register('coverage/show', '', 0, 0, () => coverage.show());
    server.register('coverage/read-counter', 'COUNTER', 1, 1, ([name]) => {
      const counter = counters.get(name!);
      if (!counter) throw new UnixctlError('No such counter');
      return `${counter.total}\n`;
    });
  },
};
