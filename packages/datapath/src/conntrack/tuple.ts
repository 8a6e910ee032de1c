/** What tells connections apart: addresses, ports (or ICMP id and type), protocol and zone. */
import { ETH_P_IP, IPPROTO_ICMP, IPPROTO_ICMPV6 } from '@heddle/packet';

export interface Tuple {
  readonly dlType: number;
  readonly proto: number;
  /** 4 or 16 bytes. */
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  /** For ICMP the identifier, in both. */
  readonly srcPort: number;
  readonly dstPort: number;
  readonly icmpType: number;
  readonly icmpCode: number;
}

export function isIcmp(t: Pick<Tuple, 'proto' | 'dlType'>): boolean {
  return t.dlType === ETH_P_IP ? t.proto === IPPROTO_ICMP : t.proto === IPPROTO_ICMPV6;
}

/** RFC 792 and RFC 4443: requests and the replies to them. */
const PAIRS_V4: readonly (readonly [request: number, reply: number])[] = [
  [8, 0],
  [13, 14],
  [15, 16],
];
const PAIRS_V6: readonly (readonly [request: number, reply: number])[] = [[128, 129]];

function pairs(dlType: number): typeof PAIRS_V4 {
  return dlType === ETH_P_IP ? PAIRS_V4 : PAIRS_V6;
}

/** The type of the answer, or of what it answers; undefined for what belongs to no exchange. */
export function reverseIcmpType(dlType: number, type: number): number | undefined {
  for (const [request, reply] of pairs(dlType)) {
    if (type === request) return reply;
    if (type === reply) return request;
  }
  return undefined;
}

export function isIcmpRequest(dlType: number, type: number): boolean {
  return pairs(dlType).some(([request]) => request === type);
}

export function reversed(t: Tuple): Tuple {
  return {
    ...t,
    src: t.dst,
    dst: t.src,
    srcPort: t.dstPort,
    dstPort: t.srcPort,
    icmpType: isIcmp(t) ? (reverseIcmpType(t.dlType, t.icmpType) ?? t.icmpType) : 0,
  };
}

const KEY = new Uint8Array(64);
const KEY_DV = new DataView(KEY.buffer);

/** Equal for equal tuples of one zone, and only for those. */
export function tupleKey(t: Tuple, zone: number): string {
  const n = t.src.length;
  KEY.set(t.src, 0);
  KEY.set(t.dst, n);
  const at = 2 * n;
  KEY_DV.setUint16(at, t.srcPort);
  KEY_DV.setUint16(at + 2, t.dstPort);
  KEY_DV.setUint16(at + 4, zone);
  KEY[at + 6] = t.proto;
  KEY[at + 7] = t.icmpType;
  KEY[at + 8] = t.icmpCode;
  return String.fromCharCode.apply(null, KEY.subarray(0, at + 9) as unknown as number[]);
}

/** FNV-1a of a tuple. */
export function hashTuple(t: Tuple): number {
  const key = tupleKey(t, 0);
  let h = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) h = Math.imul(h ^ key.charCodeAt(i), 0x01000193);
  return h >>> 0;
}
