/**
 * When to connect, to probe and to give up a connection that is to last: the policy of every active
 * remote (ovs-vswitchd.conf.db(5), "inactivity_probe", "max_backoff"), in upstream's log lines. The
 * owner has the socket; this has the timers.
 */
import { type Clock, realClock, type Timer } from './clock.ts';
import { vlog } from './vlog.ts';

const log = vlog.module('reconnect');

export interface ReconnectOptions {
  readonly clock?: Clock;
  /** Waits between attempts begin here and double, */
  readonly minBackoffMs?: number;
  /** up to here. */
  readonly maxBackoffMs?: number;
  /** Silence after which to ask whether the peer lives; 0: never. */
  readonly probeMs?: number;
}

export interface ReconnectActions {
  /** Start to connect; answer with connected() or failed(). */
  connect(): void;
  /** Send something that the peer answers. */
  probe(): void;
  /** Drop the connection or the attempt; no answer is expected. */
  disconnect(): void;
}

type State = 'stopped' | 'waiting' | 'connecting' | 'active' | 'idle';

/** An attempt that lasts longer than this has failed. */
const MIN_ATTEMPT_MS = 1000;

export class Reconnect {
  /** What the log calls the peer. */
  name: string;
  readonly #actions: ReconnectActions;
  readonly #clock: Clock;
  readonly #minBackoffMs: number;
  #maxBackoffMs: number;
  #probeMs: number;
  #backoffMs = 0;
  #state: State = 'stopped';
  #connectedMs = 0;
  #heardMs = 0;
  #timer: Timer | undefined;

  constructor(name: string, actions: ReconnectActions, options: ReconnectOptions = {}) {
    this.name = name;
    this.#actions = actions;
    this.#clock = options.clock ?? realClock;
    this.#minBackoffMs = options.minBackoffMs ?? 1000;
    this.#maxBackoffMs = options.maxBackoffMs ?? 8000;
    this.#probeMs = options.probeMs ?? 5000;
  }

  get state(): State {
    return this.#state;
  }

  set probeMs(ms: number) {
    this.#probeMs = ms;
    if (this.#state === 'active') this.#watch();
  }

  set maxBackoffMs(ms: number) {
    this.#maxBackoffMs = Math.max(ms, this.#minBackoffMs);
    this.#backoffMs = Math.min(this.#backoffMs, this.#maxBackoffMs);
  }

  start(): void {
    if (this.#state === 'stopped') this.#connect();
  }

  /** Drops the connection and stays away. */
  stop(): void {
    if (this.#state === 'stopped') return;
    const open = this.#state !== 'waiting';
    this.#enter('stopped');
    if (open) this.#actions.disconnect();
  }

  connected(): void {
    if (this.#state !== 'connecting') return;
    log.info(`${this.name}: connected`);
    this.#connectedMs = this.#heardMs = this.#clock.nowMs();
    this.#enter('active');
    this.#watch();
  }

  /** Anything has come from the peer. */
  heard(): void {
    this.#heardMs = this.#clock.nowMs();
    if (this.#state !== 'idle') return;
    this.#enter('active');
    this.#watch();
  }

  /** The attempt failed, or the connection broke; `why` is undefined when the peer closed it. */
  failed(why: string | undefined): void {
    if (this.#state === 'stopped' || this.#state === 'waiting') return;
    if (this.#state === 'connecting') {
      this.#tell(`connection attempt failed (${why ?? 'End of file'})`);
    } else {
      log.info(
        `${this.name}: connection ${why === undefined ? 'closed by peer' : `dropped (${why})`}`,
      );
      // A connection that held for a while makes up for the attempts before it.
      if (this.#clock.nowMs() - this.#connectedMs >= this.#backoffMs) this.#backoffMs = 0;
    }
    this.#wait();
  }

  #connect(): void {
    this.#tell('connecting...');
    this.#enter('connecting');
    const limit = Math.max(MIN_ATTEMPT_MS, this.#backoffMs);
    this.#timer = this.#clock.after(limit, () => {
      this.#tell('connection attempt timed out');
      this.#actions.disconnect();
      this.#wait();
    });
    this.#actions.connect();
  }

  #wait(): void {
    const before = this.#backoffMs;
    this.#backoffMs = before === 0 ? this.#minBackoffMs : Math.min(this.#maxBackoffMs, before * 2);
    if (this.#backoffMs < this.#maxBackoffMs && before > 0) {
      this.#tell(`waiting ${this.#backoffMs / 1000} seconds before reconnect`);
    } else if (before > 0 && before < this.#maxBackoffMs) {
      log.info(
        `${this.name}: continuing to reconnect in the background but suppressing further logging`,
      );
    }
    this.#enter('waiting');
    this.#timer = this.#clock.after(this.#backoffMs, () => this.#connect());
  }

  /** Sets the timer for the next probe, or for the answer to it. */
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
    if (this.#state === 'active') {
      this.#enter('idle');
      log.dbg(`${this.name}: idle ${Math.round(this.#probeMs)} ms, sending inactivity probe`);
      this.#timer = this.#clock.after(this.#probeMs, () => this.#silent());
      this.#actions.probe();
      return;
    }
    const seconds = this.#probeMs / 1000;
    log.err(
      `${this.name}: no response to inactivity probe after ${seconds} seconds, disconnecting`,
    );
    this.#actions.disconnect();
    this.#wait();
  }

  /** Attempts are told of until the wait is as long as it gets. */
  #tell(text: string): void {
    const level = this.#backoffMs < this.#maxBackoffMs ? 'info' : 'dbg';
    log.log(level, `${this.name}: ${text}`);
  }

  #enter(state: State): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#state = state;
  }
}
