/**
 * CFM of one interface (IEEE 802.1ag as ovs-vswitchd.conf.db(5) has it, "Connectivity Fault
 * Management"): continuity checks among whoever is there.
 */
import { vlog } from '@heddle/runtime';
import { DataWatch } from '../bfd/traffic.ts';
import { type Ccm, INTERVALS_MS } from './ccm.ts';

const log = vlog.module('cfm');

const FAULT_INTERVALS = 3.5;
/** How many checks of faults a reckoning of health spans, and how many CCMs are due meanwhile. */
const HEALTH_CHECKS = 6;
const HEALTH_CCMS = 21;
const MAX_REMOTES = 256;
/** In demand mode counters of the datapath tell of traffic with some delay. */
const MIN_DEMAND_MS = 500;
/** A CCM must come within so many intervals, whatever traffic does. */
const DEMAND_INTERVALS = 100;

export interface CfmSettings {
  readonly mpid: bigint;
  readonly intervalMs: number;
  readonly isExtended: boolean;
  readonly isDemand: boolean;
  readonly opup: boolean;
  /** `random`: another one with each CCM. */
  readonly vlan: number | 'random' | undefined;
  readonly pcp: number | undefined;
  /** Of a tunnel by whose key packets are not told apart: CCMs have key zero. */
  readonly checksTnlKey: boolean;
}

/** In the order in which they are told. */
export const CFM_FAULTS = ['recv', 'rdi', 'maid', 'override'] as const;
export type CfmFault = (typeof CFM_FAULTS)[number];

export interface RemoteMp {
  readonly mpid: bigint;
  /** Heard of since the last check. */
  recv: boolean;
  opup: boolean;
  /** It has heard nothing at some time since the last check. */
  rdi: boolean;
  seq: number;
  /** CCMs that were as they should be since health was reckoned. */
  healthy: number;
}

/** A maintenance point without faults, for whoever goes on with it. */
export interface KeptCfm {
  readonly remotes: readonly Pick<RemoteMp, 'mpid' | 'opup'>[];
  readonly flaps: number;
  readonly health: number | undefined;
}

export class Cfm {
  readonly name: string;
  settings: CfmSettings;
  readonly remotes = new Map<bigint, RemoteMp>();
  faults: ReadonlySet<CfmFault> = new Set();
  /** Those that have been seen since the last check. */
  #seen = new Set<CfmFault>();
  /** How often there was a fault or none any more. */
  flaps = 0;
  /** Percent; undefined: not reckoned yet, or more than one is heard. */
  health: number | undefined;
  remoteOpup = true;
  /** Heard of between the last two checks. */
  remoteMpids: readonly bigint[] = [];
  /** By hand (`cfm/set-fault`). */
  override: boolean | undefined;
  nextTxMs: number;
  nextCheckMs: number;
  #seq = 0;
  #checks = 0;
  /** A CCM must have come by then for traffic to count. */
  #demandUntilMs = 0;
  readonly #data = new DataWatch();

  constructor(name: string, settings: CfmSettings, nowMs: number) {
    this.name = name;
    this.settings = settings;
    this.nextTxMs = nowMs;
    this.nextCheckMs = nowMs + this.faultIntervalMs;
  }

  /** Goes on where another has left off, as if all had been heard just now. */
  resume({ remotes, flaps, health }: KeptCfm): void {
    for (const { mpid, opup } of remotes) {
      this.remotes.set(mpid, { mpid, recv: true, opup, rdi: false, seq: 0, healthy: 0 });
    }
    this.remoteMpids = [...this.remotes.keys()];
    this.remoteOpup = remotes.every(({ opup }) => opup);
    this.flaps = flaps;
    this.health = health;
  }

  configure(settings: CfmSettings, nowMs: number): void {
    const was = this.settings;
    this.settings = settings;
    if (was.intervalMs === settings.intervalMs) return;
    this.nextTxMs = nowMs;
    this.nextCheckMs = nowMs + this.faultIntervalMs;
  }

  /** So long may nobody be heard. */
  get faultIntervalMs(): number {
    const { intervalMs } = this.settings;
    const ms = this.isDemand ? Math.max(intervalMs, MIN_DEMAND_MS) : intervalMs;
    return Math.floor(ms * FAULT_INTERVALS);
  }

  /** Whether traffic tells of liveness: not among more than two. */
  get isDemand(): boolean {
    const { isExtended, isDemand } = this.settings;
    return isExtended && isDemand && this.remotes.size <= 1;
  }

  get isFaulty(): boolean {
    return this.override ?? this.faults.size > 0;
  }

  /** Whether the other end wants traffic, where it says so. */
  get isOpup(): boolean {
    return !this.settings.isExtended || this.remoteOpup;
  }

  /** A CCM with another association's name. */
  receiveForeign(): void {
    this.#seen.add('maid');
    log.rl.warn(`${this.name}: received CCM with unexpected MAID`, this.name);
  }

  receive(ccm: Ccm, nowMs: number): void {
    const { settings, remotes } = this;
    this.#data.countOwn();
    let remote = remotes.get(ccm.mpid);
    if (!remote) {
      if (remotes.size >= MAX_REMOTES) return;
      remote = { mpid: ccm.mpid, recv: false, opup: true, rdi: false, seq: 0, healthy: 0 };
      remotes.set(ccm.mpid, remote);
    }
    const isNext = remote.seq === 0 || ccm.seq === 0 || ccm.seq === (remote.seq + 1) >>> 0;
    if (ccm.mpid !== settings.mpid && !ccm.rdi && isNext) remote.healthy++;
    remote.recv = true;
    remote.rdi ||= ccm.rdi;
    remote.opup = !ccm.opdown;
    remote.seq = ccm.seq;
    this.#demandUntilMs = nowMs + DEMAND_INTERVALS * settings.intervalMs;
  }

  /** Time passes; `rxPackets` counts what the interface has received. */
  run(nowMs: number, rxPackets: () => number): void {
    if (nowMs < this.nextCheckMs) return;
    const hasData =
      this.isDemand && this.#data.look(nowMs, 0, rxPackets) && nowMs < this.#demandUntilMs;
    this.#reckonHealth(hasData);
    const seen = this.#seen;
    this.#seen = new Set();
    if (hasData) for (const remote of this.remotes.values()) remote.recv = true;
    let isOpup: boolean | undefined;
    for (const remote of this.remotes.values()) {
      if (!remote.recv) {
        this.remotes.delete(remote.mpid);
        continue;
      }
      remote.recv = false;
      isOpup = (isOpup ?? true) && remote.opup;
      if (remote.rdi) seen.add('rdi');
      remote.rdi = false;
    }
    this.remoteOpup = isOpup ?? this.remoteOpup;
    if (this.remotes.size === 0) seen.add('recv');
    this.remoteMpids = [...this.remotes.keys()];
    if ([...seen].join() !== [...this.faults].join()) {
      log.rl.info(`${this.name}: faults: ${[...seen].join(' ')}`, this.name);
    }
    if (seen.size > 0 !== this.faults.size > 0) this.flaps++;
    this.faults = seen;
    this.nextCheckMs = nowMs + this.faultIntervalMs;
  }

  #reckonHealth(hasData: boolean): void {
    if (this.#checks === HEALTH_CHECKS) {
      this.#checks = 0;
      const [remote] = this.remotes.values();
      if (this.remotes.size > 1) this.health = undefined;
      else if (!remote) this.health = 0;
      else {
        const percent = Math.floor((remote.healthy * 100) / HEALTH_CCMS);
        this.health = hasData && remote.recv ? 100 : Math.min(percent, 100);
      }
      for (const r of this.remotes.values()) r.healthy = 0;
    }
    this.#checks++;
  }

  /** What to send when `nextTxMs` has come. */
  send(nowMs: number): Ccm | undefined {
    if (nowMs < this.nextTxMs) return undefined;
    const { mpid, intervalMs, opup, isExtended } = this.settings;
    this.nextTxMs = nowMs + intervalMs;
    this.#seq = (this.#seq + 1) >>> 0;
    const code = INTERVALS_MS.indexOf(intervalMs as (typeof INTERVALS_MS)[number]);
    return {
      seq: this.#seq,
      mpid,
      rdi: this.faults.has('recv'),
      intervalCode: Math.max(code, 0),
      intervalMs: code > 0 ? 0 : intervalMs,
      opdown: isExtended && !opup,
    };
  }

  get dueMs(): number {
    return Math.min(this.nextTxMs, this.nextCheckMs);
  }

  /** Changes when something does that the database tells of. */
  get statusKey(): string {
    const { faults, flaps, health, remoteMpids, isOpup, override } = this;
    return [[...faults].join(), flaps, health, remoteMpids.join(), isOpup, override].join(' ');
  }
}
