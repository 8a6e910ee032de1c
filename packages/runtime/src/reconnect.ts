/**
 * When to connect, to probe and to give up a connection that is to last: the policy of every active
 * remote (ovs-vswitchd.conf.db(5), "inactivity_probe", "max_backoff"), in upstream's log lines. The
 * owner has the socket; this has the timers.
 */
import { type Clock, realClock, type Timer } from './clock.ts';
import { InactivityProbe } from './inactivity-probe.ts';
import { type Level, type Logger, vlog } from './vlog.ts';

/** How the log puts it. */
export interface ReconnectWords {
  readonly log: Logger;
  readonly attemptFailed: string;
  /** Of failed attempts, while they are told of and when they no longer are. */
  readonly levels: readonly [Level, Level];
  readonly suppressing: string;
  /** Whether the first wait is told of, too. */
  readonly tellsFirstWait: boolean;
  readonly idle: (ms: number) => string;
}

/** Of OVSDB's connections. */
const JSONRPC: ReconnectWords = {
  log: vlog.module('reconnect'),
  attemptFailed: 'connection attempt failed',
  levels: ['info', 'dbg'],
  suppressing: 'continuing to reconnect in the background but suppressing further logging',
  tellsFirstWait: false,
  idle: (ms) => `idle ${Math.round(ms)} ms`,
};

/** Of OpenFlow's connections. */
export const RCONN: ReconnectWords = {
  log: vlog.module('rconn'),
  attemptFailed: 'connection failed',
  levels: ['warn', 'warn'],
  suppressing: 'continuing to retry connections in the background but suppressing further logging',
  tellsFirstWait: true,
  idle: (ms) => `idle ${ms / 1000} seconds`,
};

export interface ReconnectOptions {
  readonly clock?: Clock;
  /** Waits between attempts begin here and double, */
  readonly minBackoffMs?: number;
  /** up to here. */
  readonly maxBackoffMs?: number;
  /** Silence after which to ask whether the peer lives; 0: never. */
  readonly probeMs?: number;
  readonly words?: ReconnectWords;
}

export interface ReconnectActions {
  /** Start to connect; answer with connected() or failed(). */
  connect(): void;
  /** Send something that the peer answers. */
  probe(): void;
  /** Drop the connection or the attempt; no answer is expected. */
  disconnect(): void;
}

type State = 'stopped' | 'waiting' | 'connecting' | 'active';

/** An attempt that lasts longer than this has failed. */
const MIN_ATTEMPT_MS = 1000;

export class Reconnect {
  readonly #words: ReconnectWords;
  readonly #probe: InactivityProbe;
  readonly #actions: ReconnectActions;
  readonly #clock: Clock;
  readonly #minBackoffMs: number;
  #maxBackoffMs: number;
  #backoffMs = 0;
  #state: State = 'stopped';
  #connectedMs = 0;
  #timer: Timer | undefined;

  constructor(name: string, actions: ReconnectActions, options: ReconnectOptions = {}) {
    this.#actions = actions;
    this.#clock = options.clock ?? realClock;
    this.#minBackoffMs = options.minBackoffMs ?? 1000;
    this.#maxBackoffMs = options.maxBackoffMs ?? 8000;
    this.#words = options.words ?? JSONRPC;
    const { log, idle } = this.#words;
    this.#probe = new InactivityProbe(name, { log, idle }, this.#clock, options.probeMs ?? 5000, {
      probe: () => this.#actions.probe(),
      dead: () => {
        this.#actions.disconnect();
        this.#wait();
      },
    });
  }

  /** What the log calls the peer. */
  get name(): string {
    return this.#probe.name;
  }

  set name(name: string) {
    this.#probe.name = name;
  }

  /** `idle`: asked whether it lives, and has not answered yet. */
  get state(): State | 'idle' {
    return this.#state === 'active' && this.#probe.isIdle ? 'idle' : this.#state;
  }

  set probeMs(ms: number) {
    this.#probe.probeMs = ms;
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
    this.#words.log.info(`${this.name}: connected`);
    this.#connectedMs = this.#clock.nowMs();
    this.#enter('active');
    this.#probe.start();
  }

  /** Anything has come from the peer. */
  heard(): void {
    this.#probe.heard();
  }

  /** The attempt failed, or the connection broke; `why` is undefined when the peer closed it. */
  failed(why: string | undefined): void {
    if (this.#state === 'stopped' || this.#state === 'waiting') return;
    if (this.#state === 'connecting') {
      const { attemptFailed, levels } = this.#words;
      this.#tell(`${attemptFailed} (${why ?? 'End of file'})`, levels);
    } else {
      this.#words.log.info(
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
    const isFirst = before === 0;
    if (isFirst && !this.#words.tellsFirstWait) {
      // Upstream does not tell of it.
    } else if (this.#backoffMs < this.#maxBackoffMs) {
      this.#tell(`waiting ${this.#backoffMs / 1000} seconds before reconnect`);
    } else if (before < this.#maxBackoffMs) {
      this.#words.log.info(`${this.name}: ${this.#words.suppressing}`);
    }
    this.#enter('waiting');
    this.#timer = this.#clock.after(this.#backoffMs, () => this.#connect());
  }

  /** Attempts are told of until the wait is as long as it gets. */
  #tell(text: string, levels: ReconnectWords['levels'] = ['info', 'dbg']): void {
    const level = levels[this.#backoffMs < this.#maxBackoffMs ? 0 : 1];
    this.#words.log.log(level, `${this.name}: ${text}`);
  }

  #enter(state: State): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#probe.stop();
    this.#state = state;
  }
}
