/** The programs' connection table as the daemon sees and keeps it (bpf/ct-maps.h). */
import type { BpfMap } from '@heddle/linux/bpf/index';
import { ETH_P_IP, ETH_P_IPV6, IPPROTO_TCP } from '@heddle/packet';
import type { CtEntry } from '../conntrack/format.ts';
import { type CtTimeouts, DEFAULT_TIMEOUTS } from '../conntrack/timeouts.ts';
import { isIcmp, reversed, type Tuple } from '../conntrack/tuple.ts';
import type { DpConntrack } from '../dpif.ts';
import { get128 } from './ct-codec.ts';

/** Copied when other programs take over. */
export const CT_TABLES = ['cts', 'ct_aliases'] as const;
export const CT_MEMORY = ['ct_zones', 'ct_globals', 'ct_policies'] as const;

/** struct ct_key */
const KEY = { a: 0, b: 16, pa: 32, pb: 34, zone: 36, proto: 38, kind: 39, bytes: 40 };
/** struct ct_entry */
const ENTRY = {
  expires: 0,
  mark: 8,
  label: 12,
  peers: 32,
  peerBytes: 16,
  natAddr: 64,
  natPort: 80,
  flags: 82,
  other: 83,
  bytes: 88,
};
const PEER = { state: 12, scale: 13 };
const SWAPPED = 1;
const SNAT = 2;
const DNAT = 4;
/** struct ct_global, as 32-bit words */
const GLOBAL = { max: 0, count: 1, defaultLimit: 2, noSeqCheck: 3 };
const ZONES = 65536;
/** Of a zone that has a limit of its own, namely none. */
const NO_LIMIT = -1;
const POLICY_WORDS = 16;
const ORDER: readonly (keyof CtTimeouts)[] = [
  'tcp_syn_sent',
  'tcp_syn_recv',
  'tcp_established',
  'tcp_fin_wait',
  'tcp_time_wait',
  'tcp_close',
  'udp_first',
  'udp_single',
  'udp_multiple',
  'icmp_first',
  'icmp_reply',
];
/** Types that begin an exchange, by class. */
const REQUESTS_V4 = [0, 8, 13, 15];

type Maps = Readonly<Record<string, BpfMap>>;

/** Limits and times of a table that is new. */
export function resetConntrack(maps: Maps): void {
  const globals = new Int32Array(maps['ct_globals']!.memory());
  globals[0] = maps['cts']!.info.maxEntries;
  const policies = new Uint32Array(maps['ct_policies']!.memory());
  for (let p = 0; p * POLICY_WORDS < policies.length; p++) {
    for (const [i, name] of ORDER.entries())
      policies[p * POLICY_WORDS + i] = DEFAULT_TIMEOUTS[name];
  }
}

interface Raw {
  readonly key: Buffer;
  readonly value: Buffer;
}

function tuplesOf({ key, value }: Raw): { orig: Tuple; reply: Tuple } {
  const kind = key[KEY.kind]!;
  const v6 = (kind & 1) !== 0;
  const n = v6 ? 16 : 4;
  const dlType = v6 ? ETH_P_IPV6 : ETH_P_IP;
  const proto = key[KEY.proto]!;
  const flags = value[ENTRY.flags]!;
  const ends = [
    { addr: Uint8Array.from(key.subarray(KEY.a, KEY.a + n)), port: key.readUInt16BE(KEY.pa) },
    { addr: Uint8Array.from(key.subarray(KEY.b, KEY.b + n)), port: key.readUInt16BE(KEY.pb) },
  ] as const;
  const [from, to] = flags & SWAPPED ? [ends[1], ends[0]] : [ends[0], ends[1]];
  const icmpType = isIcmp({ dlType, proto }) ? (v6 ? 128 : REQUESTS_V4[(kind >> 2) & 3]!) : 0;
  const orig: Tuple = {
    dlType,
    proto,
    src: from.addr,
    dst: to.addr,
    srcPort: from.port,
    dstPort: to.port,
    icmpType,
    icmpCode: 0,
  };
  const nat = Uint8Array.from(value.subarray(ENTRY.natAddr, ENTRY.natAddr + n));
  const port = value.readUInt16BE(ENTRY.natPort);
  if (flags & SNAT) return { orig, reply: reversed({ ...orig, src: nat, srcPort: port }) };
  if (flags & DNAT) return { orig, reply: reversed({ ...orig, dst: nat, dstPort: port }) };
  return { orig, reply: reversed(orig) };
}

function entryOf(raw: Raw, nowNs: bigint): CtEntry {
  const { key, value } = raw;
  const { orig, reply } = tuplesOf(raw);
  const peer = (i: number, field: number) => value[ENTRY.peers + i * ENTRY.peerBytes + field]!;
  return {
    orig,
    reply,
    zone: key.readUInt16LE(KEY.zone),
    mark: value.readUInt32LE(ENTRY.mark),
    label: get128(value.subarray(ENTRY.label, ENTRY.label + 16)),
    timeout: Number((value.readBigUInt64LE(ENTRY.expires) - nowNs) / 1_000_000_000n),
    ...(orig.proto === IPPROTO_TCP && {
      tcp: {
        orig: peer(0, PEER.state),
        reply: peer(1, PEER.state),
        wscale: [peer(0, PEER.scale), peer(1, PEER.scale)] as const,
      },
    }),
  };
}

/** Only the first packet was seen: what a flood of new connections consists of. */
function isUnreplied({ key, value }: Raw): boolean {
  if (key[KEY.proto] !== IPPROTO_TCP) return value[ENTRY.other] !== 2;
  return value[ENTRY.peers + ENTRY.peerBytes + PEER.state] === 0;
}

/** Elements looked at in one go. */
const SWEEP_SLICE = 20_000;
/** Above this share of the table connections without an answer go first. */
const PRESSURE = 0.9;

export class CtTable implements DpConntrack {
  readonly #cts: BpfMap;
  readonly #aliases: BpfMap;
  readonly #zones: Int32Array;
  readonly #globals: Int32Array;
  #cursor: Iterator<Raw> | undefined;

  constructor(maps: Maps) {
    this.#cts = maps['cts']!;
    this.#aliases = maps['ct_aliases']!;
    this.#zones = new Int32Array(maps['ct_zones']!.memory());
    this.#globals = new Int32Array(maps['ct_globals']!.memory());
  }

  /** Connections counted, those that have expired and were not swept yet among them. */
  get count(): number {
    return Atomics.load(this.#globals, GLOBAL.count);
  }

  get maxConnections(): number {
    return this.#globals[GLOBAL.max]!;
  }

  /** No more than the table was made for. */
  set maxConnections(n: number) {
    this.#globals[GLOBAL.max] = Math.min(n, this.#cts.info.maxEntries);
  }

  get defaultLimit(): number {
    return this.#globals[GLOBAL.defaultLimit]!;
  }

  set defaultLimit(n: number) {
    this.#globals[GLOBAL.defaultLimit] = n;
  }

  get checkSeq(): boolean {
    return this.#globals[GLOBAL.noSeqCheck] === 0;
  }

  set checkSeq(on: boolean) {
    this.#globals[GLOBAL.noSeqCheck] = on ? 0 : 1;
  }

  *zoneLimits(): Iterable<readonly [zone: number, limit: number]> {
    for (let zone = 0; zone < ZONES; zone++) {
      const limit = this.#zones[4 * zone]!;
      if (limit !== 0) yield [zone, limit === NO_LIMIT ? 0 : limit];
    }
  }

  setZoneLimit(zone: number, limit: number | undefined): void {
    this.#zones[4 * zone] = limit === undefined ? 0 : limit === 0 ? NO_LIMIT : limit;
  }

  zoneCount(zone: number): number {
    return Atomics.load(this.#zones, 4 * zone + 1);
  }

  *entries(): Iterable<CtEntry> {
    const now = process.hrtime.bigint();
    for (const raw of this.#cts.entries()) {
      if (raw.value.readBigUInt64LE(ENTRY.expires) > now) yield entryOf(raw, now);
    }
  }

  flush(which: (entry: CtEntry) => boolean): number {
    const now = process.hrtime.bigint();
    const chosen: Raw[] = [];
    for (const raw of this.#cts.entries()) {
      if (which(entryOf(raw, now))) chosen.push(copy(raw));
    }
    let n = 0;
    for (const raw of chosen) if (this.#remove(raw)) n++;
    return n;
  }

  /** Removes expired connections, a slice of the table at each call. */
  sweep(): void {
    const now = process.hrtime.bigint();
    const isFull = this.count > PRESSURE * this.#globals[GLOBAL.max]!;
    for (let i = 0; i < SWEEP_SLICE; i++) {
      this.#cursor ??= this.#cts.entries();
      const { value: raw, done } = this.#cursor.next();
      if (done) {
        this.#cursor = undefined;
        return;
      }
      const isOver = raw.value.readBigUInt64LE(ENTRY.expires) <= now;
      if (isOver || (isFull && isUnreplied(raw))) this.#remove(copy(raw));
    }
  }

  #remove(raw: Raw): boolean {
    if (raw.value[ENTRY.flags]! & (SNAT | DNAT)) this.#aliases.delete(aliasKey(raw));
    if (!this.#cts.delete(raw.key)) return false;
    Atomics.sub(this.#globals, GLOBAL.count, 1);
    Atomics.sub(this.#zones, 4 * raw.key.readUInt16LE(KEY.zone) + 1, 1);
    return true;
  }
}

function copy({ key, value }: Raw): Raw {
  return { key: Buffer.from(key), value: Buffer.from(value) };
}

/** The key of the answers' tuple, as ct_key_of makes it. */
function aliasKey(raw: Raw): Buffer {
  const { reply } = tuplesOf(raw);
  const key = Buffer.from(raw.key);
  const src = pad16(reply.src);
  const dst = pad16(reply.dst);
  const order = compareWords(src, dst) || comparePorts(reply.srcPort, reply.dstPort);
  const [a, b] = order > 0 ? [dst, src] : [src, dst];
  const [pa, pb] = order > 0 ? [reply.dstPort, reply.srcPort] : [reply.srcPort, reply.dstPort];
  a.copy(key, KEY.a);
  b.copy(key, KEY.b);
  key.writeUInt16BE(pa, KEY.pa);
  key.writeUInt16BE(pb, KEY.pb);
  if (isIcmp(reply)) {
    // The answers' sender: it is the lower end unless the two were swapped.
    key[KEY.kind] = (key[KEY.kind]! & ~2) | (order > 0 ? 0 : 2);
  }
  return key;
}

function pad16(addr: Uint8Array): Buffer {
  const b = Buffer.alloc(16);
  b.set(addr);
  return b;
}

/** By 32-bit words in the machine's own order, as the programs compare. */
function compareWords(x: Buffer, y: Buffer): number {
  for (let i = 0; i < 16; i += 4) {
    const d = x.readUInt32LE(i) - y.readUInt32LE(i);
    if (d !== 0) return d;
  }
  return 0;
}

function comparePorts(x: number, y: number): number {
  const swap = (p: number) => ((p & 0xff) << 8) | (p >>> 8);
  return swap(x) - swap(y);
}
