/** BFD of one interface (RFC 5880, asynchronous mode; ovs-vswitchd.conf.db(5), "BFD Configuration"). */
import { vlog } from '@heddle/runtime';
import { BfdFlag, type BfdPacket, type BfdState } from './packet.ts';
import { DataWatch, IdleWatch } from './traffic.ts';

const log = vlog.module('bfd');

export interface BfdSettings {
  readonly minRxMs: number;
  readonly minTxMs: number;
  /** For an interface without traffic; 0: as `minRxMs`. */
  readonly decayMinRxMs: number;
  /** Traffic that arrives shows that the interface forwards. */
  readonly forwardingIfRx: boolean;
  readonly cpathDown: boolean;
  readonly checkTnlKey: boolean;
  /** 0: that of the interface. */
  readonly localSrcMac: number;
  readonly localDstMac: number;
  /** 0: any. */
  readonly remoteDstMac: number;
  readonly srcIp: number;
  readonly dstIp: number;
  readonly oam: boolean;
  readonly mult: number;
}

export const Diag = {
  none: 0,
  expired: 1,
  echoFailed: 2,
  neighborDown: 3,
  planeReset: 4,
  pathDown: 5,
  cpathDown: 6,
  adminDown: 7,
  reverseCpathDown: 8,
} as const;

/** What a neighbour says that does not want traffic. */
const NOT_FORWARDING: ReadonlySet<number> = new Set([
  Diag.pathDown,
  Diag.cpathDown,
  Diag.reverseCpathDown,
]);

/** While a session is not up (RFC 5880, 6.8.3). */
const SLOW_TX_MS = 1000;
/** Control packets may stay away for so many intervals while traffic arrives. */
const DEMAND_RX_INTERVALS = 100;
/** Counters of the datapath tell of traffic with some delay. */
const MIN_RX_LOOK_MS = 500;

export interface Remote {
  state: BfdState;
  diag: number;
  flags: number;
  disc: number;
  minTxMs: number;
  minRxMs: number;
  mult: number;
}

const nobody = (): Remote => ({
  state: 'down',
  diag: Diag.none,
  flags: 0,
  disc: 0,
  minTxMs: 0,
  minRxMs: 1,
  mult: 0,
});

/** 0 to below 1. */
export type RandomFraction = () => number;

/** A session that is up, for whoever goes on with it. */
export interface KeptBfd {
  readonly disc: number;
  readonly udpSrc: number;
  readonly diag: number;
  readonly minTxMs: number;
  readonly minRxMs: number;
  readonly flaps: number;
  readonly remote: Omit<Remote, 'state' | 'flags'>;
}

export class Bfd {
  readonly name: string;
  readonly disc: number;
  readonly udpSrc: number;
  settings: BfdSettings;
  state: BfdState = 'down';
  diag: number = Diag.none;
  flags = 0;
  remote = nobody();
  minTxMs: number;
  minRxMs: number;
  detectMs = 0;
  nextTxMs = 0;
  lastTxMs = 0;
  /** How often `isForwarding` has changed. */
  flaps = 0;
  /** By hand (`bfd/set-forwarding`). */
  override: boolean | undefined;
  /** What the neighbour is told while a Poll Sequence runs. */
  #pollTxMs: number;
  #pollRxMs: number;
  /** A control packet must have come by then, whatever traffic does. */
  #demandUntilMs = 0;
  #isForwarding = false;
  /** What it was before somebody said otherwise by hand. */
  #wasForwarding = false;
  readonly #idle = new IdleWatch();
  readonly #data = new DataWatch();
  readonly #random: RandomFraction;

  constructor(
    name: string,
    settings: BfdSettings,
    ids: { readonly disc: number; readonly udpSrc: number; readonly random: RandomFraction },
  ) {
    this.name = name;
    this.settings = settings;
    this.disc = ids.disc;
    this.udpSrc = ids.udpSrc;
    this.#random = ids.random;
    this.minTxMs = Math.max(settings.minTxMs, SLOW_TX_MS);
    this.minRxMs = settings.minRxMs;
    this.#pollTxMs = settings.minTxMs;
    this.#pollRxMs = this.minRxMs;
    if (settings.cpathDown) this.diag = Diag.cpathDown;
  }

  /** Goes on with a session that was up; the neighbour's time to be heard begins anew. */
  resume(kept: KeptBfd, nowMs: number): void {
    this.state = 'up';
    this.diag = kept.diag;
    this.remote = { ...kept.remote, state: 'up', flags: 0 };
    this.minTxMs = kept.minTxMs;
    this.minRxMs = kept.minRxMs;
    this.flaps = kept.flaps;
    this.detectMs = nowMs + this.rxIntervalMs * this.remote.mult;
    this.#wasForwarding = this.#forwards(nowMs);
    this.#isForwarding = this.#wasForwarding;
    this.#pollIfChanged();
  }

  configure(settings: BfdSettings): void {
    const was = this.settings;
    this.settings = settings;
    if (was.cpathDown !== settings.cpathDown) {
      this.#enter(this.state, settings.cpathDown ? Diag.cpathDown : Diag.none);
      this.#poll();
    }
    const restarts = was.decayMinRxMs !== settings.decayMinRxMs || was.minRxMs !== settings.minRxMs;
    if (restarts) this.#idle.restart();
    if (!settings.forwardingIfRx) this.#data.restart();
    this.#pollIfChanged();
  }

  get #wantedTxMs(): number {
    const { minTxMs } = this.settings;
    return this.state === 'up' ? minTxMs : Math.max(minTxMs, SLOW_TX_MS);
  }

  get #wantedRxMs(): number {
    return this.#idle.isIdle ? this.settings.decayMinRxMs : this.settings.minRxMs;
  }

  get #isPolling(): boolean {
    return (this.flags & BfdFlag.poll) !== 0;
  }

  #pollIfChanged(): void {
    const isTold = this.settings.minTxMs === this.#pollTxMs && this.#wantedRxMs === this.#pollRxMs;
    if (!isTold) this.#poll();
  }

  /** Tells the neighbour of new parameters until it confirms them (RFC 5880, 6.8.3). */
  #poll(): void {
    if (this.state !== 'up') {
      this.minTxMs = this.#wantedTxMs;
      this.minRxMs = this.#wantedRxMs;
    }
    if (this.state !== 'up' && this.state !== 'init') {
      this.#pollTxMs = this.settings.minTxMs;
      this.#pollRxMs = this.minRxMs;
      return;
    }
    if (this.#isPolling || (this.flags & BfdFlag.final) !== 0) return;
    this.#pollTxMs = this.settings.minTxMs;
    this.#pollRxMs = this.#wantedRxMs;
    // Sooner than agreed harms nobody; later, and a shorter patience, need the neighbour's consent.
    if (this.#wantedTxMs < this.minTxMs) this.minTxMs = this.#wantedTxMs;
    if (this.#pollRxMs > this.minRxMs) this.minRxMs = this.#pollRxMs;
    this.flags = BfdFlag.poll;
    this.nextTxMs = 0;
  }

  get txIntervalMs(): number {
    return Math.max(this.minTxMs, this.remote.minRxMs);
  }

  get rxIntervalMs(): number {
    return Math.max(this.minRxMs, this.remote.minTxMs);
  }

  /** Whether the interface is good for traffic. */
  get isForwarding(): boolean {
    return this.#isForwarding;
  }

  #forwards(nowMs: number): boolean {
    if (NOT_FORWARDING.has(this.remote.diag)) return false;
    if (this.state === 'up') return true;
    if (!this.settings.forwardingIfRx) return false;
    return this.#data.untilMs > nowMs && this.#demandUntilMs > nowMs;
  }

  #judge(nowMs: number): void {
    if (this.override === undefined) {
      const forwards = this.#forwards(nowMs);
      if (forwards !== this.#wasForwarding) this.flaps++;
      this.#wasForwarding = forwards;
    }
    this.#isForwarding = this.override ?? this.#wasForwarding;
  }

  setForwarding(override: boolean | undefined, nowMs: number): void {
    this.override = override;
    this.#judge(nowMs);
  }

  #enter(state: BfdState, diag: number): void {
    if (state === this.state && diag === this.diag) return;
    log.rl.info(`${this.name}: BFD state change: ${this.state}->${state}`, this.name);
    this.state = state;
    this.diag = diag;
    if (state === 'down') {
      const { mult } = this.remote;
      this.remote = { ...nobody(), mult };
      if (this.settings.cpathDown) this.diag = Diag.cpathDown;
      this.#idle.restart();
    }
    this.minTxMs = this.#wantedTxMs;
  }

  /** Changes when something does that the database tells of. */
  get statusKey(): string {
    const { state, diag, remote, flaps, isForwarding } = this;
    return [state, diag, remote.state, remote.diag, flaps, isForwarding].join(' ');
  }

  /** A packet that is none of RFC 5880. */
  discard(why: string): void {
    this.#idle.countOwn();
    this.#data.countOwn();
    log.rl.warn(`${this.name}: discarded a packet: ${why}`, this.name);
  }

  /** Takes a packet that `parseBfd` has found good (RFC 5880, 6.8.6). */
  receive(packet: BfdPacket, nowMs: number): void {
    if (packet.yourDisc !== 0 && packet.yourDisc !== this.disc) {
      log.rl.warn(`${this.name}: incorrect your_disc`, this.name);
      return;
    }
    const minRxMs = Math.max(Math.floor(packet.minRxUs / 1000), 1);
    const { remote } = this;
    const news = remote.minRxMs !== minRxMs;
    this.#idle.countOwn();
    this.#data.countOwn();
    remote.disc = packet.myDisc;
    remote.state = packet.state;
    remote.flags = packet.flags;
    remote.diag = packet.diag;
    remote.minTxMs = Math.max(Math.floor(packet.minTxUs / 1000), 1);
    remote.mult = packet.mult;
    remote.minRxMs = minRxMs;
    if (news) this.#schedule(this.lastTxMs);
    if ((packet.flags & BfdFlag.final) !== 0) this.#endPoll();
    if ((packet.flags & BfdFlag.poll) !== 0) {
      this.flags = BfdFlag.final;
      this.nextTxMs = 0;
    }
    this.detectMs = nowMs + this.rxIntervalMs * remote.mult;
    this.#demandUntilMs = nowMs + DEMAND_RX_INTERVALS * this.settings.minRxMs;
    this.#follow(packet.state);
    this.#judge(nowMs);
  }

  #endPoll(): void {
    if (!this.#isPolling) return;
    this.flags &= ~BfdFlag.poll;
    if (this.state === 'up') this.minTxMs = this.#pollTxMs;
    this.minRxMs = this.#pollRxMs;
  }

  #follow(theirs: BfdState): void {
    const { state } = this;
    if (state === 'admin_down') return;
    if (theirs === 'admin_down') {
      if (state !== 'down') this.#enter('down', Diag.neighborDown);
    } else if (state === 'down') {
      if (theirs === 'down') this.#enter('init', this.diag);
      else if (theirs === 'init') this.#enter('up', this.diag);
    } else if (state === 'init') {
      if (theirs !== 'down') this.#enter('up', this.diag);
    } else if (theirs === 'down') this.#enter('down', Diag.neighborDown);
  }

  /** Time passes; `rxPackets` counts what the interface has received. */
  run(nowMs: number, rxPackets: () => number): void {
    if ((this.state === 'init' || this.state === 'up') && nowMs >= this.detectMs) {
      this.#enter('down', Diag.expired);
    }
    const { forwardingIfRx, mult, minRxMs, decayMinRxMs } = this.settings;
    if (forwardingIfRx) {
      this.#data.look(nowMs, mult * Math.max(minRxMs, MIN_RX_LOOK_MS), rxPackets);
    }
    if (decayMinRxMs > 0 && this.state === 'up') this.#idle.judge(nowMs, decayMinRxMs, rxPackets);
    this.#pollIfChanged();
    this.#judge(nowMs);
  }

  /** What to send when `nextTxMs` has come. */
  send(nowMs: number): BfdPacket | undefined {
    if (nowMs < this.nextTxMs) return undefined;
    const isPoll = this.#isPolling;
    const { state, diag, flags, settings, disc, remote } = this;
    const packet: BfdPacket = {
      diag,
      state,
      flags,
      mult: settings.mult,
      myDisc: disc,
      yourDisc: remote.disc,
      minTxUs: (isPoll ? this.#pollTxMs : this.minTxMs) * 1000,
      minRxUs: (isPoll ? this.#pollRxMs : this.minRxMs) * 1000,
    };
    this.flags &= ~BfdFlag.final;
    this.lastTxMs = nowMs;
    this.#schedule(nowMs);
    return packet;
  }

  /** Earlier than the interval by up to a quarter, by a tenth at least when none may be lost. */
  #schedule(fromMs: number): void {
    const least = this.settings.mult === 1 ? 0.1 : 0;
    const jitter = least + this.#random() * (0.25 - least);
    this.nextTxMs = fromMs + Math.round(this.txIntervalMs * (1 - jitter));
  }

  /** When `run` or `send` have something to do. */
  get dueMs(): number {
    const isAlive = this.state === 'init' || this.state === 'up';
    return isAlive ? Math.min(this.nextTxMs, this.detectMs) : this.nextTxMs;
  }
}
