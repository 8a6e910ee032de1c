/** A bond: a port of several interfaces (ovs-vswitchd.conf.db(5), "Bonding Configuration"). */
import { vlog } from '@heddle/runtime';
import type { Lacp } from '../lacp/lacp.ts';
import type { OfPort } from '../ofproto.ts';
import { Buckets } from './balance.ts';

const log = vlog.module('bond');

export type BondMode = 'active-backup' | 'balance-slb' | 'balance-tcp';

export interface BondSettings {
  readonly mode: BondMode;
  readonly upDelayMs: number;
  readonly downDelayMs: number;
  readonly hashBasis: number;
  /** 0: never. */
  readonly rebalanceMs: number;
  readonly allMembersActive: boolean;
  readonly primary: string | undefined;
  /** `lacp` asks for a partner that speaks it. */
  readonly wantsLacp: boolean;
  readonly fallsBack: boolean;
  /** Links are looked at so often; 0: when they change (`bond-detect-mode`). */
  readonly miimonMs: number;
}

export class Member {
  readonly port: OfPort;
  /** The port as it was last looked at. */
  isLive = false;
  linkUp = false;
  enabled = false;
  /** When it takes the state of its link. */
  dueMs = Infinity;

  constructor(port: OfPort) {
    this.port = port;
  }
}

export type Admission = 'accept' | 'drop' | 'drop-if-moved';

export class Bond {
  readonly name: string;
  settings: BondSettings;
  readonly members = new Map<OfPort, Member>();
  active: Member | undefined;
  /** Who was active last, also before this daemon: preferred to others that are enabled no later. */
  #last: OfPort | undefined;
  /** That of the same port, when it has one. */
  lacp: Lacp | undefined;
  readonly buckets = new Buckets<Member>();
  nextRebalanceMs = Infinity;
  #wasDown = false;
  #nextPollMs = 0;

  constructor(name: string, settings: BondSettings, last?: OfPort) {
    this.name = name;
    this.settings = settings;
    this.#last = last;
  }

  /** How it works now: without the LACP that it asks for it does nothing, or what is simplest. */
  get mode(): BondMode | undefined {
    const { mode, fallsBack, wantsLacp } = this.settings;
    if (this.lacp?.isNegotiated || (mode !== 'balance-tcp' && !wantsLacp)) return mode;
    return fallsBack ? 'active-backup' : undefined;
  }

  /** Whether LACP lets a member be used. */
  #agrees(port: OfPort): boolean {
    if (!this.settings.wantsLacp) return true;
    if (!this.lacp?.isNegotiated) return this.settings.fallsBack;
    return this.lacp.members.get(port)?.mayEnable === true;
  }

  get enabled(): Member[] {
    return [...this.members.values()].filter((m) => m.enabled);
  }

  /** Takes in which members there are. */
  setPorts(ports: readonly OfPort[]): void {
    for (const port of this.members.keys()) if (!ports.includes(port)) this.members.delete(port);
    for (const port of ports) {
      if (!this.members.has(port)) this.members.set(port, new Member(port));
    }
    if (this.active && !this.members.has(this.active.port)) this.active = undefined;
  }

  /** Follows the links and the time; whether it sends or takes packets otherwise than before. */
  run(nowMs: number): boolean {
    let changed = false;
    if (this.settings.miimonMs === 0 || nowMs >= this.#nextPollMs) {
      for (const member of this.members.values()) member.isLive = member.port.isLive;
      this.#nextPollMs = nowMs + this.settings.miimonMs;
    }
    for (const member of this.members.values()) changed = this.#follow(member, nowMs) || changed;
    const hurry = this.enabled.length === 0;
    for (const member of this.members.values()) {
      const isDue = member.dueMs <= nowMs || (hurry && member.linkUp);
      if (member.enabled === member.linkUp || !isDue) continue;
      this.#enable(member, member.linkUp);
      changed = true;
    }
    changed = this.#chooseActive() || changed;
    return this.#rebalance(nowMs) || changed;
  }

  /** When `run` has something to do, if no link changes before. */
  get dueMs(): number {
    let due = this.nextRebalanceMs;
    for (const member of this.members.values()) due = Math.min(due, member.dueMs);
    return due;
  }

  #follow(member: Member, nowMs: number): boolean {
    const { port } = member;
    const up = member.isLive && this.#agrees(port);
    if (up === member.linkUp) return false;
    member.linkUp = up;
    log.info(`member ${port.name}: link state ${up ? 'up' : 'down'}`);
    if (up === member.enabled) {
      member.dueMs = Infinity;
      return false;
    }
    const delay = up ? this.settings.upDelayMs : this.settings.downDelayMs;
    if (delay > 0) {
      const what = up ? 'enabled if it stays up' : 'disabled if it stays down';
      log.info(`member ${port.name}: will be ${what} for ${delay} ms`);
    }
    member.dueMs = nowMs + delay;
    return false;
  }

  #enable(member: Member, enabled: boolean): void {
    member.enabled = enabled;
    member.dueMs = Infinity;
    log.info(`member ${member.port.name}: ${enabled ? 'enabled' : 'disabled'}`);
  }

  /** By hand (`bond/enable-member`), whatever the link says. */
  force(member: Member, enabled: boolean): void {
    this.#enable(member, enabled);
    this.#chooseActive();
  }

  #chooseActive(): boolean {
    const { enabled } = this;
    const primary = enabled.find((m) => m.port.name === this.settings.primary);
    const last = enabled.find((m) => m.port === this.#last);
    const kept = this.active?.enabled ? this.active : (last ?? enabled[0]);
    const active = (this.settings.mode === 'balance-slb' ? undefined : primary) ?? kept;
    const isDown = enabled.length === 0;
    if (isDown && !this.#wasDown) log.info(`bond ${this.name}: all members disabled`);
    this.#wasDown = isDown;
    if (active === this.active) return false;
    this.active = active;
    this.#last = active?.port ?? this.#last;
    if (active) log.info(`bond ${this.name}: active member is now ${active.port.name}`);
    return true;
  }

  #rebalance(nowMs: number): boolean {
    const { mode, rebalanceMs } = this.settings;
    if (mode === 'active-backup' || rebalanceMs === 0) {
      this.nextRebalanceMs = Infinity;
      return false;
    }
    if (nowMs < this.nextRebalanceMs && this.nextRebalanceMs !== Infinity) return false;
    const isFirst = this.nextRebalanceMs === Infinity;
    this.nextRebalanceMs = nowMs + rebalanceMs;
    if (isFirst) return false;
    const moves = this.buckets.rebalance(this.enabled);
    for (const { bucket, from, to } of moves) {
      log.info(`bond ${this.name}: shift hash ${bucket} from ${from.port.name} to ${to.port.name}`);
    }
    return moves.length > 0;
  }

  /** Whether a packet that arrived by a member is taken. */
  admits(port: OfPort, isMulticast: boolean): Admission {
    const { mode } = this;
    if (this.lacp?.isNegotiated) return this.members.get(port)?.enabled ? 'accept' : 'drop';
    if (mode === undefined) return 'drop';
    const isActive = this.active?.port === port;
    if (mode === 'active-backup') return isActive ? 'accept' : 'drop';
    if (isMulticast && !isActive && !this.settings.allMembersActive) return 'drop';
    return 'drop-if-moved';
  }

  /** The member that a flow goes out of; `bucket` is below `N_BUCKETS`. */
  choose(bucket: number): Member | undefined {
    const { mode } = this;
    if (mode === undefined) return undefined;
    return mode === 'active-backup' ? this.active : this.buckets.choose(bucket, this.enabled);
  }
}
