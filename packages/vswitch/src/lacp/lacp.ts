/** LACP of one port (IEEE 802.1AX-2008, 5.4; ovs-vswitchd.conf.db(5), "LACP Configuration"). */
import type { OfPort } from '../ofproto.ts';
import { emitPdu, type LacpInfo, LacpState, NO_INFO, parsePdu } from './pdu.ts';

const FAST_MS = 1000;
const SLOW_MS = 30_000;
/** Three PDUs a second at most (802.1AX, 5.4.16). */
const MIN_GAP_MS = 333;
/** PDUs that may be missed in a row. */
const PATIENCE = 3;

export interface LacpSettings {
  readonly active: boolean;
  readonly fast: boolean;
  readonly sysId: number;
  readonly sysPriority: number;
}

export interface LacpMemberSettings {
  readonly portId: number;
  readonly portPriority: number;
  readonly key: number;
}

export type LacpStatus = 'current' | 'expired' | 'defaulted';

export class LacpMember {
  readonly port: OfPort;
  settings: LacpMemberSettings;
  status: LacpStatus = 'expired';
  attached = false;
  /** At first it is asked often. */
  partner: LacpInfo = { ...NO_INFO, state: LacpState.timeout };
  /** What the partner takes us for. */
  heardOfUs: LacpInfo = NO_INFO;
  rxDueMs: number;
  txMs = -Infinity;
  isUp = true;
  readonly stats = { tx: 0, rx: 0, bad: 0, marker: 0, expired: 0, defaulted: 0, carrier: 0 };

  constructor(port: OfPort, settings: LacpMemberSettings, nowMs: number) {
    this.port = port;
    this.settings = settings;
    this.rxDueMs = nowMs + PATIENCE * FAST_MS;
  }

  /** Whether both sides hold the link for part of the aggregate. */
  get mayEnable(): boolean {
    return this.attached && (this.partner.state & LacpState.synchronized) !== 0;
  }
}

export interface LacpFrame {
  readonly port: OfPort;
  readonly pdu: Uint8Array;
}

export class Lacp {
  readonly name: string;
  settings: LacpSettings;
  readonly members = new Map<OfPort, LacpMember>();

  constructor(name: string, settings: LacpSettings) {
    this.name = name;
    this.settings = settings;
  }

  /** A partner was heard of, lately or a moment ago. */
  get isNegotiated(): boolean {
    for (const member of this.members.values()) if (member.attached) return true;
    return false;
  }

  setMembers(wanted: ReadonlyMap<OfPort, LacpMemberSettings>, nowMs: number): void {
    for (const port of this.members.keys()) if (!wanted.has(port)) this.members.delete(port);
    for (const [port, settings] of wanted) {
      const member = this.members.get(port);
      if (member) member.settings = settings;
      else this.members.set(port, new LacpMember(port, settings, nowMs));
    }
    this.#attach();
  }

  /** Takes a PDU of Slow Protocols, without its Ethernet header. */
  receive(port: OfPort, bytes: Uint8Array, nowMs: number): void {
    const member = this.members.get(port);
    if (!member) return;
    member.stats.rx++;
    const pdu = parsePdu(bytes);
    if (pdu === 'marker') member.stats.marker++;
    else if (pdu === 'bad') member.stats.bad++;
    else this.#heard(member, pdu.actor, pdu.partner, nowMs);
  }

  /** A member goes on with the partner that an earlier daemon had. */
  restore(port: OfPort, partner: LacpInfo, heardOfUs: LacpInfo, nowMs: number): void {
    const member = this.members.get(port);
    if (member) this.#heard(member, partner, heardOfUs, nowMs);
  }

  #heard(member: LacpMember, partner: LacpInfo, heardOfUs: LacpInfo, nowMs: number): void {
    member.status = 'current';
    member.partner = partner;
    member.heardOfUs = heardOfUs;
    member.rxDueMs = nowMs + PATIENCE * (this.settings.fast ? FAST_MS : SLOW_MS);
    this.#attach();
  }

  /** What to send now; time passes. */
  run(nowMs: number): LacpFrame[] {
    for (const member of this.members.values()) {
      this.#followCarrier(member, nowMs);
      if (member.rxDueMs <= nowMs) this.#timeOut(member, nowMs);
    }
    this.#attach();
    const frames: LacpFrame[] = [];
    for (const member of this.members.values()) {
      if (!this.#speaks(member) || !this.#isDue(member, nowMs)) continue;
      member.stats.tx++;
      member.txMs = nowMs;
      const pdu = emitPdu({ actor: this.actorOf(member), partner: member.partner });
      frames.push({ port: member.port, pdu });
    }
    return frames;
  }

  #followCarrier(member: LacpMember, nowMs: number): void {
    const isUp = member.port.isLinkUp && member.port.mayEnable;
    if (isUp === member.isUp) return;
    member.isUp = isUp;
    member.stats.carrier++;
    // Whoever is at the other end now has to say so.
    if (member.status === 'current') this.#expire(member, nowMs);
  }

  #timeOut(member: LacpMember, nowMs: number): void {
    if (member.status === 'current') {
      this.#expire(member, nowMs);
      return;
    }
    member.status = 'defaulted';
    member.stats.defaulted++;
    member.partner = NO_INFO;
    member.rxDueMs = Infinity;
  }

  #expire(member: LacpMember, nowMs: number): void {
    member.status = 'expired';
    member.stats.expired++;
    const state = (member.partner.state & ~LacpState.synchronized) | LacpState.timeout;
    member.partner = { ...member.partner, state };
    member.rxDueMs = nowMs + PATIENCE * FAST_MS;
  }

  /** A passive port answers only. */
  #speaks(member: LacpMember): boolean {
    if (!member.isUp) return false;
    return this.settings.active || (member.partner.state & LacpState.activity) !== 0;
  }

  /** When its time has come, or the partner holds us for something else than we are. */
  #isDue(member: LacpMember, nowMs: number): boolean {
    const { partner, txMs } = member;
    if (nowMs - txMs >= ((partner.state & LacpState.timeout) !== 0 ? FAST_MS : SLOW_MS))
      return true;
    if (member.status !== 'current' || nowMs - txMs < MIN_GAP_MS) return false;
    const [us, heard] = [this.actorOf(member), member.heardOfUs];
    const isKnown =
      us.sysPriority === heard.sysPriority &&
      us.sysId === heard.sysId &&
      us.key === heard.key &&
      us.portPriority === heard.portPriority &&
      us.portId === heard.portId &&
      ((us.state ^ heard.state) & NEWS) === 0;
    return !isKnown;
  }

  actorOf(member: LacpMember): LacpInfo {
    const { sysId, sysPriority, active, fast } = this.settings;
    let state = 0;
    if (active) state |= LacpState.activity;
    if (fast) state |= LacpState.timeout;
    if (this.members.size > 1) state |= LacpState.aggregation;
    if (member.attached) state |= LacpState.synchronized;
    if (member.attached || !this.isNegotiated) {
      state |= LacpState.collecting | LacpState.distributing;
    }
    if (member.status === 'expired') state |= LacpState.expired;
    if (member.status === 'defaulted') state |= LacpState.defaulted;
    return { sysId, sysPriority, state, ...member.settings };
  }

  /** Links to the same system, under the same key as the one that leads, belong together. */
  #attach(): void {
    let lead: LacpMember | undefined;
    for (const member of this.members.values()) {
      if (member.status === 'defaulted') continue;
      if (!lead || this.#rank(member) < this.#rank(lead)) lead = member;
    }
    for (const member of this.members.values()) {
      member.attached =
        lead !== undefined &&
        member.status !== 'defaulted' &&
        member.partner.sysId === lead.partner.sysId &&
        member.partner.key === lead.partner.key &&
        member.settings.key === lead.settings.key;
    }
  }

  /** Lower leads; those who were heard lead those who were not; the better system's view decides. */
  #rank({ status, partner, settings }: LacpMember): string {
    const { sysPriority, sysId } = this.settings;
    const word = (n: number, digits: number) => n.toString(16).padStart(digits, '0');
    const [us, them] = [
      word(sysPriority, 4) + word(sysId, 12),
      word(partner.sysPriority, 4) + word(partner.sysId, 12),
    ];
    const by = us < them ? settings : partner;
    return `${status === 'current' ? 0 : 1}${word(by.portPriority, 4)}${word(by.portId, 4)}`;
  }
}

/** State bits that a partner has to hear of at once. */
const NEWS =
  LacpState.activity | LacpState.timeout | LacpState.synchronized | LacpState.aggregation;
