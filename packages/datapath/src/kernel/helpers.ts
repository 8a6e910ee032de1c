/**
 * Helpers of connection tracking: packets that announce connections come up when `ct` is through
 * with them, are read here, and go back to what is left of their actions. What they announce is
 * where the programs look for it (bpf/ct-maps.h), and outlives the daemon.
 */
import type { BpfMap } from '@heddle/linux/bpf/index';
import { ETH_P_IP, ETH_P_IPV6, extractFlow, Flow, IPPROTO_TCP, PacketLayout } from '@heddle/packet';
import { vlog } from '@heddle/runtime';
import { type Announced, announcedBy, type ControlConnection } from '../conntrack/alg.ts';
import { Expectations } from '../conntrack/expectations.ts';
import { replaceText } from '../conntrack/payload.ts';
import type { TrackedFrame } from '../conntrack/read-packet.ts';
import { newSeqAdjusts, noteGrowth, type SeqAdjust } from '../conntrack/seq-adjust.ts';
import type { Tuple } from '../conntrack/tuple.ts';
import type { DpPacket } from '../dpif.ts';
import type { OdpNat } from '../odp-actions.ts';
import { get128, put128 } from './ct-codec.ts';
import {
  DNAT,
  ENTRY,
  expiresNs,
  helperOf,
  KEY,
  keyOf,
  type RawConnection,
  SNAT,
  tuplesOf,
} from './ct-entry.ts';
import { GLOBAL, nowNs } from './ct-table.ts';
import type { Injector } from './injector.ts';
import { CTX, STATE } from './layout.ts';

const log = vlog.module('conntrack');

/** struct ct_md within struct ctx */
const MD = { state: CTX.ct, zone: CTX.ct + 2, orig: CTX.ct + 24 };
/** struct ct_tuple */
const TUPLE = { src: 0, dst: 16, srcPort: 32, dstPort: 34, proto: 36, v6: 37 };
/** struct ct_expect_key */
const EXPECT_KEY = { src: 0, dst: 16, dstPort: 32, zone: 34, proto: 36, v6: 37, bytes: 40 };
/** struct ct_expect */
const EXPECT = {
  parent: 0,
  born: 40,
  mark: 44,
  label: 48,
  addr: 64,
  port: 80,
  flags: 82,
  bytes: 84,
};
/** struct ct_gain */
const GAIN_BYTES = 12;
const CS_REPLY_DIR = 0x08;
const CS_INVALID = 0x10;
const SWEEP_MS = 2000;

/** A connection that announced others: its key, and which of those that had it. */
interface Parent {
  readonly key: Buffer;
  readonly born: number;
}

type Maps = Readonly<Record<string, BpfMap>>;

export class Helpers {
  readonly #cts: BpfMap;
  readonly #expects: BpfMap;
  readonly #gains: BpfMap;
  readonly #globals: Uint32Array;
  readonly #alive: BigUint64Array;
  readonly #injector: Injector;
  readonly #expectations: Expectations<Parent>;
  readonly #parents = new Map<string, Parent>();
  #sweptMs = 0;

  constructor(maps: Maps, injector: Injector) {
    this.#cts = maps['cts']!;
    this.#expects = maps['ct_expects']!;
    this.#gains = maps['ct_gains']!;
    this.#globals = new Uint32Array(maps['ct_globals']!.memory());
    this.#alive = new BigUint64Array(maps['state']!.memory(), STATE.alive * 4, 1);
    this.#injector = injector;
    this.#expectations = new Expectations((e) => {
      this.#expects.delete(expectKey(e.tuple, e.zone));
      this.#count();
    });
    this.#adopt();
    this.#beat();
  }

  /** A packet that the programs hold: it goes on, whatever becomes of what it says. */
  handle(mark: number, packet: DpPacket): void {
    const context = this.#injector.contextOf(mark);
    if (!context) return;
    let sent = packet;
    try {
      sent = this.#read(context, packet);
    } catch (error) {
      log.rl.warn(`a control connection's packet: ${(error as Error).message}`);
    }
    this.#injector.resume(mark, sent);
  }

  /** Tells the programs that packets find somebody here, and forgets what nobody expects any more. */
  sweep(): void {
    this.#beat();
    const now = performance.now();
    if (this.#expectations.size === 0 || now - this.#sweptMs < SWEEP_MS) return;
    this.#sweptMs = now;
    for (const parent of this.#expectations.parents()) {
      if (this.#entryOf(parent)) continue;
      this.#expectations.forgetParent(parent);
      this.#parents.delete(idOf(parent));
    }
  }

  /** Packets are to be held no more. */
  close(): void {
    this.#alive[0] = 0n;
  }

  #beat(): void {
    this.#alive[0] = BigInt(Math.floor(nowNs()));
  }

  /** The packet as it is to go on. */
  #read(context: Buffer, packet: DpPacket): DpPacket {
    const zone = context.readUInt16LE(MD.zone);
    const isReply = (context.readUInt16LE(MD.state) & CS_REPLY_DIR) !== 0;
    const key = keyOf(tupleAt(context, MD.orig), zone);
    const value = this.#cts.lookup(key);
    const frame = frameOf(packet);
    if (!value || !frame) return packet;
    const raw = { key, value };
    const parent = this.#intern({ key, born: value.readUInt32LE(ENTRY.born) });
    const isTaken = (tuple: Tuple): boolean => {
      const other = this.#expectations.find(tuple, zone);
      return (
        other !== undefined && other.parent !== parent && this.#entryOf(other.parent) !== undefined
      );
    };
    const found = announcedBy({ frame, isReply }, controlOf(raw), isTaken);
    if (found === 'invalid')
      context.writeUInt16LE(context.readUInt16LE(MD.state) | CS_INVALID, MD.state);
    if (found === undefined || found === 'invalid') return packet;
    this.#expect(found, zone, parent, value);
    return found.text ? this.#rewrite({ frame, packet, isReply, key }, found.text) : packet;
  }

  #expect({ tuple, nat }: Announced, zone: number, parent: Parent, value: Buffer): void {
    const known = this.#expectations.find(tuple, zone);
    if (known && this.#entryOf(known.parent)) return;
    const mark = value.readUInt32LE(ENTRY.mark);
    const label = get128(value.subarray(ENTRY.label, ENTRY.label + 16));
    this.#expectations.add({ tuple, zone, nat, mark, label, parent });
    this.#parents.set(idOf(parent), parent);
    const to = Buffer.alloc(EXPECT.bytes);
    to.set(parent.key, EXPECT.parent);
    to.writeUInt32LE(parent.born, EXPECT.born);
    to.writeUInt32LE(mark, EXPECT.mark);
    put128(to.subarray(EXPECT.label), label);
    to.set(addressBytes(nat), EXPECT.addr);
    to.writeUInt16LE(nat.portMin ?? 0, EXPECT.port);
    to[EXPECT.flags] = nat.direction === 'src' ? SNAT : DNAT;
    this.#expects.update(expectKey(tuple, zone), to);
    this.#count();
  }

  #rewrite(
    at: { frame: TrackedFrame; packet: DpPacket; isReply: boolean; key: Buffer },
    text: NonNullable<Announced['text']>,
  ): DpPacket {
    const { frame, packet, isReply, key } = at;
    const data = replaceText(frame, text.at, text.end, text.text);
    if (!data) return packet;
    const by = data.length - frame.bytes.length;
    if (by !== 0) {
      const gains = readGains(this.#gains.lookup(key));
      noteGrowth(gains[isReply ? 1 : 0], frame.dv.getUint32(frame.layout.l4 + 4), by);
      this.#gains.update(key, writeGains(gains));
    }
    return { ...packet, data };
  }

  /** Undefined when the connection has ended. */
  #entryOf({ key, born }: Parent): Buffer | undefined {
    const value = this.#cts.lookup(key);
    if (value?.readUInt32LE(ENTRY.born) !== born || expiresNs(value) <= nowNs()) return undefined;
    return value;
  }

  #intern(parent: Parent): Parent {
    return this.#parents.get(idOf(parent)) ?? parent;
  }

  #count(): void {
    this.#globals[GLOBAL.expects] = this.#expectations.size;
  }

  /** What an earlier daemon expected. */
  #adopt(): void {
    for (const { key, value } of [...this.#expects.entries()]) {
      const tuple = tupleAt(Buffer.from(key), 0, EXPECT_KEY);
      const parent = this.#intern({
        key: Buffer.from(value.subarray(EXPECT.parent, EXPECT.parent + KEY.bytes)),
        born: value.readUInt32LE(EXPECT.born),
      });
      this.#parents.set(idOf(parent), parent);
      this.#expectations.add({
        tuple,
        zone: key.readUInt16LE(EXPECT_KEY.zone),
        // Those that look do so in the map.
        nat: {},
        mark: value.readUInt32LE(EXPECT.mark),
        label: get128(value.subarray(EXPECT.label, EXPECT.label + 16)),
        parent,
      });
    }
    this.#count();
  }
}

function idOf({ key, born }: Parent): string {
  return `${key.toString('latin1')}${born}`;
}

function frameOf({ data, vnet }: DpPacket): TrackedFrame | undefined {
  const bytes = Uint8Array.from(data);
  const flow = new Flow();
  const layout = new PacketLayout();
  extractFlow(bytes, { inPort: 0, recircId: 0, pktMark: 0 }, flow, layout);
  if (layout.l3 < 0 || layout.l4 < 0) return undefined;
  // The programs have read this much of it.
  if (layout.end - layout.l4 < (flow.nwProto === IPPROTO_TCP ? 20 : 8)) return undefined;
  const partialCsum = vnet && (vnet.flags & 1) !== 0 ? vnet.csumStart + vnet.csumOffset : -1;
  return { bytes, dv: new DataView(bytes.buffer), flow, layout, partialCsum };
}

function controlOf(raw: RawConnection): ControlConnection {
  const flags = raw.value[ENTRY.flags]!;
  return {
    ...tuplesOf(raw),
    natSrc: (flags & SNAT) !== 0,
    natDst: (flags & DNAT) !== 0,
    helper: helperOf(raw.value).helper,
  };
}

/** The source port is 0 where there is none. */
function tupleAt(b: Buffer, at: number, where: typeof TUPLE | typeof EXPECT_KEY = TUPLE): Tuple {
  const v6 = b[at + where.v6] !== 0;
  const bytes = v6 ? 16 : 4;
  return {
    dlType: v6 ? ETH_P_IPV6 : ETH_P_IP,
    proto: b[at + where.proto]!,
    src: Uint8Array.from(b.subarray(at + where.src, at + where.src + bytes)),
    dst: Uint8Array.from(b.subarray(at + where.dst, at + where.dst + bytes)),
    srcPort: 'srcPort' in where ? b.readUInt16BE(at + where.srcPort) : 0,
    dstPort: b.readUInt16BE(at + where.dstPort),
    icmpType: 0,
    icmpCode: 0,
  };
}

function expectKey(tuple: Tuple, zone: number): Buffer {
  const key = Buffer.alloc(EXPECT_KEY.bytes);
  key.set(tuple.src, EXPECT_KEY.src);
  key.set(tuple.dst, EXPECT_KEY.dst);
  key.writeUInt16BE(tuple.dstPort, EXPECT_KEY.dstPort);
  key.writeUInt16LE(zone, EXPECT_KEY.zone);
  key[EXPECT_KEY.proto] = tuple.proto;
  key[EXPECT_KEY.v6] = tuple.dlType === ETH_P_IPV6 ? 1 : 0;
  return key;
}

function addressBytes({ family, min = 0n }: OdpNat): Uint8Array {
  const n = family === 6 ? 16 : 4;
  return Uint8Array.from({ length: n }, (_, i) => Number((min >> BigInt(8 * (n - 1 - i))) & 0xffn));
}

function readGains(value: Buffer | undefined): readonly [SeqAdjust, SeqAdjust] {
  if (!value) return newSeqAdjusts();
  const one = (at: number): SeqAdjust => ({
    pos: value.readUInt32LE(at),
    before: value.readInt32LE(at + 4),
    after: value.readInt32LE(at + 8),
  });
  return [one(0), one(GAIN_BYTES)];
}

function writeGains(gains: readonly [SeqAdjust, SeqAdjust]): Buffer {
  const value = Buffer.alloc(2 * GAIN_BYTES);
  for (const [i, { pos, before, after }] of gains.entries()) {
    value.writeUInt32LE(pos, i * GAIN_BYTES);
    value.writeInt32LE(before, i * GAIN_BYTES + 4);
    value.writeInt32LE(after, i * GAIN_BYTES + 8);
  }
  return value;
}
