/** Connections as the programs keep them (bpf/ct-maps.h), to and from what people and tests see. */
import { ETH_P_IP, ETH_P_IPV6, IPPROTO_TCP } from '@heddle/packet';
import type { CtEntry } from '../conntrack/format.ts';
import { isIcmp, reversed, type Tuple } from '../conntrack/tuple.ts';
import { get128 } from './ct-codec.ts';

/** struct ct_key */
export const KEY = { a: 0, b: 16, pa: 32, pb: 34, zone: 36, proto: 38, kind: 39, bytes: 40 };
/** struct ct_entry */
export const ENTRY = {
  expires: 0,
  mark: 8,
  label: 12,
  natFrom: 30,
  peers: 32,
  peerBytes: 16,
  natAddr: 64,
  natPort: 80,
  flags: 82,
  other: 83,
  born: 84,
  bytes: 88,
};
const PEER = { state: 12, scale: 13 };
const SWAPPED = 1;
export const SNAT = 2;
export const DNAT = 4;
export const FTP = 8;
const TFTP = 16;
export const ANNOUNCED = 32;
/** Types that begin an exchange, by class. */
const REQUESTS_V4 = [0, 8, 13, 15];

export interface RawConnection {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Of a connection's first packet, and of the answers to it. */
export function tuplesOf({ key, value }: RawConnection): { orig: Tuple; reply: Tuple } {
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
  if (flags & DNAT) {
    const srcPort = value.readUInt16BE(ENTRY.natFrom);
    return { orig, reply: reversed({ ...orig, srcPort, dst: nat, dstPort: port }) };
  }
  return { orig, reply: reversed(orig) };
}

export function entryOf(raw: RawConnection, nowNs: number): CtEntry {
  const { key, value } = raw;
  const { orig, reply } = tuplesOf(raw);
  const peer = (i: number, field: number) => value[ENTRY.peers + i * ENTRY.peerBytes + field]!;
  return {
    orig,
    reply,
    zone: key.readUInt16LE(KEY.zone),
    mark: value.readUInt32LE(ENTRY.mark),
    label: get128(value.subarray(ENTRY.label, ENTRY.label + 16)),
    timeout: Math.floor((expiresNs(value) - nowNs) / 1e9),
    ...(orig.proto === IPPROTO_TCP && {
      tcp: {
        orig: peer(0, PEER.state),
        reply: peer(1, PEER.state),
        wscale: [peer(0, PEER.scale), peer(1, PEER.scale)] as const,
      },
    }),
    ...helperOf(value),
  };
}

export function helperOf(value: Buffer): { helper?: 'ftp' | 'tftp' } {
  const flags = value[ENTRY.flags]!;
  return flags & FTP ? { helper: 'ftp' } : flags & TFTP ? { helper: 'tftp' } : {};
}

/** CLOCK_MONOTONIC, nanoseconds; rounded to a microsecond or so. */
export function expiresNs(value: Buffer): number {
  return value.readUInt32LE(ENTRY.expires) + value.readUInt32LE(ENTRY.expires + 4) * 2 ** 32;
}

/** The key of the answers' tuple, as ct_key_of makes it. */
export function aliasKey(raw: RawConnection): Buffer {
  const { reply } = tuplesOf(raw);
  const key = Buffer.from(raw.key);
  const isSwapped = putEnds(key, reply);
  if (isIcmp(reply)) {
    // The answers' sender: it is the lower end unless the two were swapped.
    key[KEY.kind] = (key[KEY.kind]! & ~2) | (isSwapped ? 0 : 2);
  }
  return key;
}

/** The key of a connection that is no exchange of ICMP. */
export function keyOf(orig: Tuple, zone: number): Buffer {
  const key = Buffer.alloc(KEY.bytes);
  putEnds(key, orig);
  key.writeUInt16LE(zone, KEY.zone);
  key[KEY.proto] = orig.proto;
  key[KEY.kind] = orig.dlType === ETH_P_IPV6 ? 1 : 0;
  return key;
}

/** True when the sender is the higher end. */
function putEnds(key: Buffer, t: Tuple): boolean {
  const src = pad16(t.src);
  const dst = pad16(t.dst);
  const isSwapped = (compareWords(src, dst) || comparePorts(t.srcPort, t.dstPort)) > 0;
  const [a, b] = isSwapped ? [dst, src] : [src, dst];
  const [pa, pb] = isSwapped ? [t.dstPort, t.srcPort] : [t.srcPort, t.dstPort];
  a.copy(key, KEY.a);
  b.copy(key, KEY.b);
  key.writeUInt16BE(pa, KEY.pa);
  key.writeUInt16BE(pb, KEY.pb);
  return isSwapped;
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
