/**
 * The connection tracker of the userspace datapath, and the reference for the one in eBPF. It
 * behaves as Open vSwitch's userspace tracker; where both differ on purpose, README.md says so.
 */
import { ETH_P_IP, tcpHeaderLen } from '@heddle/packet';
import { coverage } from '@heddle/runtime';
import type { CtFilter, DpConntrack } from '../dpif.ts';
import type { OdpCtAction, OdpNat } from '../odp-actions.ts';
import { announcedBy } from './alg.ts';
import {
  type Connection,
  isSpare,
  mayBegin,
  newConnection,
  updateConnection,
} from './connection.ts';
import { entryOf } from './entries.ts';
import { type Expectation, Expectations } from './expectations.ts';
import type { CtEntry } from './format.ts';
import { reassemble, takeApart } from './fragment.ts';
import { Ipf } from './ipf.ts';
import { Limits } from './limits.ts';
import {
  CS_DST_NAT,
  CS_ESTABLISHED,
  CS_INVALID,
  CS_NEW,
  CS_RELATED,
  CS_REPLY_DIR,
  CS_SRC_NAT,
  CS_TRACKED,
  type CtMetadata,
} from './metadata.ts';
import { hasPorts, translate } from './nat.ts';
import { fillTcpChecksum, replaceText } from './payload.ts';
import { type CtPacket, readPacket, type TrackedFrame } from './read-packet.ts';
import { Recent } from './recent.ts';
import { rewriteTo } from './rewrite-packet.ts';
import { adjustSegment, newSeqAdjusts, noteGrowth, type SeqAdjusts } from './seq-adjust.ts';
import { type CtTimeouts, TimeoutPolicies } from './timeouts.ts';
import { hashTuple, isIcmp, reversed, type Tuple, tupleKey } from './tuple.ts';

/** A packet under way; translation changes it. */
export interface TrackedPacket extends TrackedFrame {
  ct: CtMetadata | undefined;
  /** Extracts the key anew. */
  key(): unknown;
  /** Makes the frame's bytes its own, to be changed. */
  own(): void;
  /** Puts other bytes in the place of the frame. */
  replace(bytes: Uint8Array): void;
}

export interface ConntrackOptions {
  readonly nowMs: () => number;
  /** 0 up to 2^32 - 1. */
  readonly random?: () => number;
}

/** A fragment that waits; `resume` goes on with it behind `ct`. */
export interface HeldFragment {
  readonly packet: TrackedPacket;
  resume(): void;
}

interface Found {
  readonly conn: Connection;
  readonly isReply: boolean;
}

const conntrackFull = coverage.counter('conntrack_full');
const conntrackEvicted = coverage.counter('conntrack_evicted');
/** Entries that each new connection looks at, to remove those whose time is over. */
const SWEEP_STEP = 4;
/** Connections after which a flush pauses. */
const FLUSH_SLICE = 4096;

export class Conntrack implements DpConntrack {
  readonly limits = new Limits();
  readonly #expectations = new Expectations<Connection>();
  /** Whether sequence numbers must lie in their windows. */
  checkSeq = true;
  readonly ipf: Ipf<HeldFragment>;
  readonly #policies = new TimeoutPolicies();
  readonly #byTuple = new Map<string, Found>();
  readonly #connections = new Set<Connection>();
  readonly #recent = new Recent();
  evicted = 0;
  readonly #nowMs: () => number;
  readonly #random: () => number;
  #cursor: Iterator<Connection> | undefined;

  constructor(options: ConntrackOptions) {
    this.#nowMs = options.nowMs;
    this.ipf = new Ipf(options.nowMs);
    this.#random = options.random ?? (() => Math.floor(Math.random() * 2 ** 32));
  }

  get nowMs(): number {
    return this.#nowMs();
  }

  *connections(): Iterable<Connection> {
    const now = this.#nowMs();
    for (const conn of this.#connections) if (conn.expiresMs > now) yield conn;
  }

  *entries(): Iterable<CtEntry> {
    const now = this.#nowMs();
    for (const conn of this.connections()) yield entryOf(conn, now);
  }

  get count(): number {
    this.sweep();
    return this.#connections.size;
  }

  get refused(): number {
    return this.limits.refused;
  }

  get maxConnections(): number {
    return this.limits.maxConnections;
  }

  set maxConnections(n: number) {
    this.limits.maxConnections = n;
  }

  get defaultLimit(): number {
    return this.limits.defaultLimit;
  }

  set defaultLimit(n: number) {
    this.limits.defaultLimit = n;
  }

  zoneLimits(): Iterable<readonly [zone: number, limit: number]> {
    return [...this.limits.zones].sort((a, b) => a[0] - b[0]);
  }

  setZoneLimit(zone: number, limit: number | undefined): void {
    if (limit === undefined) this.limits.zones.delete(zone);
    else this.limits.zones.set(zone, limit);
  }

  zoneCount(zone: number): number {
    this.sweep();
    return this.limits.count(zone);
  }

  setTimeoutPolicy(id: number, timeouts: Partial<CtTimeouts> | undefined): void {
    this.#policies.set(id, timeouts);
  }

  timeoutPolicies(): Iterable<readonly [id: number, timeouts: Readonly<CtTimeouts>]> {
    return this.#policies.entries();
  }

  /** The `ct` action. */
  execute(packet: TrackedPacket, action: OdpCtAction): void {
    packet.key();
    const before = packet.ct;
    if (before && before.zone === action.zone && !action.force && this.#known(packet, before)) {
      this.#again(packet, before, action);
      return;
    }
    const md: CtMetadata = {
      state: CS_TRACKED,
      zone: action.zone,
      mark: 0,
      label: 0n,
      tuple: undefined,
      conn: undefined,
      isReply: false,
    };
    packet.ct = md;
    const seen = readPacket(packet);
    if (seen) this.#track(packet, md, seen, action);
    else md.state |= CS_INVALID;
  }

  /**
   * The `ct` action on a fragment: `held` is copied if it must wait, and resumed in its turn. False
   * when it is tracked for itself, and goes on at once. `packetOf` makes the whole packet.
   */
  executeFragment(
    held: HeldFragment,
    where: { readonly recircId: number },
    action: OdpCtAction,
    packetOf: (bytes: Uint8Array) => TrackedPacket,
  ): boolean {
    const { packet } = held;
    packet.own();
    const at = { zone: action.zone, recircId: where.recircId };
    const parts = this.ipf.add(packet.bytes, at, held);
    if (parts === 'refused') {
      this.execute(packet, action);
      return false;
    }
    if (parts === 'held') return true;
    const fragments = parts.map(({ fragment }) => fragment);
    const whole = packetOf(reassemble(fragments));
    whole.ct = parts[0]!.waiting.packet.ct;
    this.execute(whole, action);
    for (const [i, frame] of takeApart(fragments, whole.bytes).entries()) {
      const part = parts[i]!.waiting.packet;
      part.replace(frame);
      part.ct = whole.ct && { ...whole.ct };
    }
    for (const { waiting } of parts) waiting.resume();
    return true;
  }

  /** Whether the connection of a packet that has been through this zone is known still. */
  #known(packet: TrackedPacket, md: CtMetadata): boolean {
    if (!md.conn && (md.state & CS_RELATED) !== 0) this.#knownByItself(packet, md);
    else if (!md.conn && md.tuple && (md.state & CS_INVALID) === 0) {
      const id = isIcmp(md.tuple) ? packet.dv.getUint16(packet.layout.l4 + 4) : undefined;
      const tuple = id === undefined ? md.tuple : { ...md.tuple, srcPort: id, dstPort: id };
      md.conn = this.#find(tuple, md.zone)?.conn;
    }
    return md.conn !== undefined && !md.conn.dead;
  }

  /** One of a connection that was announced tells of the other's tuple: an answer to it leads back. */
  #knownByItself(packet: TrackedPacket, md: CtMetadata): void {
    const seen = readPacket(packet);
    if (!seen || seen.related) return;
    const found = this.#find(reversed(seen.tuple), md.zone);
    if (!found?.conn.parent) return;
    md.conn = found.conn;
    md.isReply = !found.isReply;
  }

  /** A packet that has been through this zone: its connection did not move on since. */
  #again(packet: TrackedPacket, md: CtMetadata, action: OdpCtAction): void {
    packet.ct = { ...md };
    const { state } = packet.ct;
    if (action.nat) this.#nat(packet, packet.ct, false);
    this.#note(packet.ct, action);
    if (packet.ct.state !== state) this.#inspect(packet, packet.ct);
  }

  #track(packet: TrackedPacket, md: CtMetadata, seen: CtPacket, action: OdpCtAction): void {
    let found = this.#find(seen.tuple, action.zone);
    md.tuple = seen.tuple;
    if (found && action.force && found.isReply) {
      this.#remove(found.conn);
      found = undefined;
    }
    if (seen.related) {
      if (!found) {
        md.state |= CS_INVALID;
        md.tuple = undefined;
        return;
      }
      md.state |= CS_RELATED | (found.isReply ? CS_REPLY_DIR : 0);
    } else if (found) {
      found = this.#update(packet, md, found);
    }
    if (found) {
      md.conn = found.conn;
      md.isReply = found.isReply;
      if (action.nat) this.#nat(packet, md, seen.related);
    } else if (!(md.state & CS_INVALID)) {
      this.#begin(packet, md, seen.tuple, action);
    }
    this.#note(md, action);
    this.#inspect(packet, md);
  }

  /** What a packet of a connection with a helper announces is expected from here on. */
  #inspect(packet: TrackedPacket, md: CtMetadata): void {
    const { conn, isReply } = md;
    if (!conn?.helper || md.state & (CS_INVALID | CS_RELATED)) return;
    // To be looked at when its addresses are those that the other end sees.
    if ((conn.natSrc || conn.natDst) && !(md.state & (CS_SRC_NAT | CS_DST_NAT))) return;
    const { zone } = conn;
    const isTaken = (tuple: Tuple): boolean => {
      const other = this.#expected(tuple, zone);
      return other !== undefined && other.parent !== conn;
    };
    const found = announcedBy({ frame: packet, isReply }, conn, isTaken);
    if (found === undefined) return;
    if (found === 'invalid') {
      md.state |= CS_INVALID;
      return;
    }
    const { tuple, nat, text } = found;
    const { mark, label } = conn;
    if (!this.#expected(tuple, zone))
      this.#expectations.add({ tuple, zone, nat, mark, label, parent: conn });
    if (!text) return;
    const bytes = replaceText(packet, text.at, text.end, text.text);
    if (!bytes) return;
    const seq = packet.dv.getUint32(packet.layout.l4 + 4);
    const by = bytes.length - packet.bytes.length;
    packet.replace(bytes);
    if (by === 0) return;
    conn.adjusts ??= newSeqAdjusts();
    noteGrowth(conn.adjusts[isReply ? 1 : 0], seq, by);
  }

  #expected(tuple: Tuple, zone: number): Expectation<Connection> | undefined {
    const found = this.#expectations.find(tuple, zone);
    return found && found.parent.expiresMs > this.#nowMs() ? found : undefined;
  }

  /** Undefined when the packet begins a connection anew. */
  #update(packet: TrackedPacket, md: CtMetadata, found: Found): Found | undefined {
    const { conn, isReply } = found;
    const times = { timeouts: this.#policies.of(conn.policy), nowMs: this.#nowMs() };
    switch (updateConnection(conn, packet, isReply, this.checkSeq, times)) {
      case 'invalid':
        md.state |= CS_INVALID;
        return found;
      case 'new':
        this.#remove(conn);
        return undefined;
      case 'valid_new':
        md.state |= CS_NEW | (conn.parent ? CS_RELATED : 0);
        return found;
      case 'valid':
        md.state |= CS_ESTABLISHED | (conn.parent ? CS_RELATED : 0);
        if (isReply) md.state |= CS_REPLY_DIR;
        return found;
    }
  }

  #begin(packet: TrackedPacket, md: CtMetadata, tuple: Tuple, action: OdpCtAction): void {
    if (!mayBegin(packet, tuple)) {
      md.state |= CS_INVALID;
      md.tuple = undefined;
      return;
    }
    const expected = this.#expected(tuple, action.zone);
    md.state |= CS_NEW | (expected ? CS_RELATED : 0);
    if (!action.commit) {
      if (expected) {
        md.mark = expected.mark;
        md.label = expected.label;
        md.tuple = expected.parent.orig;
      }
      return;
    }
    if (!this.#admits(action.zone)) return;
    const { zone, helper } = action;
    // Policies tell of these protocols alone.
    const policy = hasPorts(tuple) || isIcmp(tuple) ? (action.timeout ?? 0) : 0;
    const times = { timeouts: this.#policies.of(policy), nowMs: this.#nowMs() };
    const conn = newConnection(packet, tuple, { zone, helper, policy }, times);
    if (expected) {
      conn.parent = expected.parent.orig;
      conn.mark = expected.mark;
      conn.label = expected.label;
    }
    const nat = expected?.nat ?? action.nat;
    // Without a free tuple the packet stays new and as it is.
    if (action.nat && nat && !this.#reserve(conn, nat)) return;
    this.#add(conn);
    md.conn = conn;
    if (action.nat) this.#nat(packet, md, false);
  }

  /** Finds a free tuple for the answers; false when there is none. */
  #reserve(conn: Connection, nat: OdpNat): boolean {
    if (nat.direction === undefined) return true;
    const env = {
      taken: (reply: Tuple) => this.#find(reply, conn.zone) !== undefined,
      hash: hashTuple,
      random: this.#random,
    };
    const reply = translate(conn.orig, nat, env);
    if (!reply) return false;
    conn.reply = reply;
    conn.natSrc = nat.direction === 'src';
    conn.natDst = nat.direction === 'dst';
    return true;
  }

  #nat(packet: TrackedPacket, md: CtMetadata, related: boolean): void {
    const conn = md.conn!;
    if (!conn.natSrc && !conn.natDst) return;
    if (md.state & (CS_SRC_NAT | CS_DST_NAT)) return;
    const to = reversed(md.isReply ? conn.orig : conn.reply);
    const src = md.isReply ? conn.natDst : conn.natSrc;
    const dst = md.isReply ? conn.natSrc : conn.natDst;
    rewriteTo(packet, to, related, { src, dst });
    if (conn.adjusts && !related) adjust(packet, conn.adjusts, md.isReply);
    md.state |= (src ? CS_SRC_NAT : 0) | (dst ? CS_DST_NAT : 0);
  }

  /** Sets and reports what the connection carries. */
  #note(md: CtMetadata, action: OdpCtAction): void {
    const { conn } = md;
    if (!conn) return;
    // One that was announced keeps what it has of the other.
    if (action.mark && !conn.parent)
      conn.mark = ((conn.mark & ~action.mark.mask) | action.mark.value) >>> 0;
    if (action.label && !conn.parent)
      conn.label = (conn.label & ~action.label.mask) | action.label.value;
    md.mark = conn.mark;
    md.label = conn.label;
    md.tuple = conn.parent ?? conn.orig;
  }

  #find(tuple: Tuple, zone: number): Found | undefined {
    const found = this.#byTuple.get(tupleKey(tuple, zone));
    if (!found) return undefined;
    if (found.conn.expiresMs > this.#nowMs()) return found;
    this.#remove(found.conn);
    return undefined;
  }

  #admits(zone: number): boolean {
    this.#sweepStep();
    if (this.limits.admits(zone, this.#connections.size)) return true;
    this.sweep();
    const room = this.limits.room(zone, this.#connections.size);
    if (room === 'some' || (room === 'full' && this.#evict())) return true;
    this.limits.refused++;
    conntrackFull.add();
    return false;
  }

  /** Removes the first that can be spared of the oldest of those entered last. */
  #evict(): boolean {
    const now = this.#nowMs();
    for (const key of this.#recent.oldest()) {
      const conn = this.#byTuple.get(key)?.conn;
      if (!conn || !isSpare(conn, now)) continue;
      this.#remove(conn);
      this.evicted++;
      conntrackEvicted.add();
      return true;
    }
    return false;
  }

  #add(conn: Connection): void {
    this.#connections.add(conn);
    this.limits.added(conn.zone);
    const key = tupleKey(conn.orig, conn.zone);
    this.#byTuple.set(key, { conn, isReply: false });
    this.#recent.add(key);
    this.#byTuple.set(tupleKey(conn.reply, conn.zone), { conn, isReply: true });
  }

  #remove(conn: Connection): void {
    if (conn.dead) return;
    conn.dead = true;
    this.#connections.delete(conn);
    this.limits.removed(conn.zone);
    this.#byTuple.delete(tupleKey(conn.orig, conn.zone));
    this.#byTuple.delete(tupleKey(conn.reply, conn.zone));
    this.#expectations.forgetParent(conn);
  }

  /** Removes what has expired. */
  sweep(): void {
    const now = this.#nowMs();
    for (const conn of this.#connections) if (conn.expiresMs <= now) this.#remove(conn);
  }

  #sweepStep(): void {
    const now = this.#nowMs();
    for (let i = 0; i < SWEEP_STEP; i++) {
      this.#cursor ??= this.#connections.values();
      const { value, done } = this.#cursor.next();
      if (done) {
        this.#cursor = undefined;
        return;
      }
      if (value.expiresMs <= now) this.#remove(value);
    }
  }

  *flushing({ zone, which }: CtFilter): Generator<void, number> {
    let n = 0;
    let seen = 0;
    const now = this.#nowMs();
    for (const conn of this.#connections) {
      if (++seen % FLUSH_SLICE === 0) yield;
      if (zone !== undefined && conn.zone !== zone) continue;
      if (which && !which(entryOf(conn, now))) continue;
      this.#remove(conn);
      n++;
    }
    return n;
  }
}

function adjust(packet: TrackedPacket, adjusts: SeqAdjusts, isReply: boolean): void {
  const { dv, flow, layout } = packet;
  const { l4 } = layout;
  const [own, other] = isReply ? [adjusts[1], adjusts[0]] : adjusts;
  adjustSegment(dv, l4, l4 + tcpHeaderLen(dv, l4), { own, other });
  if ((packet.partialCsum ?? -1) < 0) fillTcpChecksum(dv, layout, flow.dlType === ETH_P_IP);
}
