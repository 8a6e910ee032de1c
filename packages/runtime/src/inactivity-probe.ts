/** Asks a peer that is silent whether it lives (ovs-vswitchd.conf.db(5), "inactivity_probe"). */
import type { Clock, Timer } from './clock.ts';
import type { ReconnectWords } from './reconnect.ts';

type ProbeWords = Pick<ReconnectWords, 'log' | 'idle'>;

export interface ProbeActions {
  /** Send something that the peer answers. */
  probe(): void;
  /** It did not answer. */
  dead(): void;
}

export class InactivityProbe {
  /** What the log calls the peer. */
  name: string;
  readonly #words: ProbeWords;
  readonly #clock: Clock;
  readonly #actions: ProbeActions;
  #probeMs: number;
  #heardMs = 0;
  #isIdle = false;
  #timer: Timer | undefined;
  #isRunning = false;

  /** `probeMs`: silence after which it is asked, and how long it has to answer; 0: never. */
  constructor(
    name: string,
    words: ProbeWords,
    clock: Clock,
    probeMs: number,
    actions: ProbeActions,
  ) {
    this.name = name;
    this.#words = words;
    this.#clock = clock;
    this.#probeMs = probeMs;
    this.#actions = actions;
  }

  /** It was asked and has not said anything yet. */
  get isIdle(): boolean {
    return this.#isIdle;
  }

  set probeMs(ms: number) {
    this.#probeMs = ms;
    if (this.#isRunning && !this.#isIdle) this.#watch();
  }

  start(): void {
    this.#isRunning = true;
    this.#isIdle = false;
    this.#heardMs = this.#clock.nowMs();
    this.#watch();
  }

  stop(): void {
    this.#isRunning = false;
    this.#isIdle = false;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Anything has come from the peer. */
  heard(): void {
    this.#heardMs = this.#clock.nowMs();
    if (!this.#isIdle) return;
    this.#isIdle = false;
    this.#watch();
  }

  /** Sets the timer for the next question, or for the answer to it. */
  #watch(): void {
    this.#timer?.cancel();
    if (this.#probeMs <= 0) return;
    const leftMs = this.#heardMs + this.#probeMs - this.#clock.nowMs();
    this.#timer = this.#clock.after(Math.max(0, leftMs), () => this.#silent());
  }

  #silent(): void {
    if (this.#heardMs + this.#probeMs > this.#clock.nowMs()) {
      this.#watch();
      return;
    }
    const seconds = this.#probeMs / 1000;
    if (!this.#isIdle) {
      this.#isIdle = true;
      this.#words.log.dbg(
        `${this.name}: ${this.#words.idle(this.#probeMs)}, sending inactivity probe`,
      );
      this.#timer = this.#clock.after(this.#probeMs, () => this.#silent());
      this.#actions.probe();
      return;
    }
    this.#words.log.err(
      `${this.name}: no response to inactivity probe after ${seconds} seconds, disconnecting`,
    );
    this.stop();
    this.#actions.dead();
  }
}
