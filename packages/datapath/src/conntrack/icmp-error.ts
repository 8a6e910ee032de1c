/** ICMP errors (RFC 792, RFC 4443): the packet that they quote, and its rewriting. */
import { ETH_P_IP, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP } from '@heddle/packet';
import type { TrackedFrame } from './read-packet.ts';
import { reversed, reverseIcmpType, type Tuple } from './tuple.ts';

const ERRORS_V4: ReadonlySet<number> = new Set([3, 4, 5, 11, 12]);
const ERRORS_V6: ReadonlySet<number> = new Set([1, 2, 3, 4]);

/** The quoted packet. */
export interface InnerPacket {
  readonly l3: number;
  /** -1 when it is a later fragment. */
  readonly l4: number;
  readonly end: number;
  /** Reversed: as a packet in the direction of the error itself. */
  readonly tuple: Tuple;
}

/** Undefined when the packet is no error, or quotes too little to tell which connection is meant. */
export function readInner(frame: TrackedFrame): InnerPacket | undefined {
  const { dv, layout, flow, bytes } = frame;
  const type = dv.getUint8(layout.l4);
  const v4 = flow.dlType === ETH_P_IP;
  if (!(v4 ? ERRORS_V4 : ERRORS_V6).has(type)) return undefined;
  const l3 = layout.l4 + 8;
  const { end } = layout;
  const l4 = v4 ? innerV4(dv, l3, end) : innerV6(dv, l3, end);
  if (l4 === undefined) return undefined;
  const [off, n] = v4 ? [12, 4] : [8, 16];
  const proto = dv.getUint8(v4 ? l3 + 9 : l3 + 6);
  const base = {
    dlType: flow.dlType,
    proto,
    src: bytes.slice(l3 + off, l3 + off + n),
    dst: bytes.slice(l3 + off + n, l3 + off + 2 * n),
    icmpType: 0,
    icmpCode: 0,
    srcPort: 0,
    dstPort: 0,
  };
  // An error goes to whom it tells of.
  const to = layout.l3 + (v4 ? 16 : 24);
  for (let i = 0; i < n; i++) if (base.src[i] !== bytes[to + i]) return undefined;
  const tuple = innerL4(dv, l4, end, base);
  return tuple && { l3, l4, end, tuple: reversed(tuple) };
}

function innerV4(dv: DataView, l3: number, end: number): number | undefined {
  if (end - l3 < 20 || dv.getUint8(l3) >>> 4 !== 4) return undefined;
  const header = (dv.getUint8(l3) & 15) * 4;
  if (header < 20 || l3 + header > end || (dv.getUint16(l3 + 6) & 0x1fff) !== 0) return undefined;
  return l3 + header;
}

/** Extension headers in a quotation are not looked behind. */
function innerV6(dv: DataView, l3: number, end: number): number | undefined {
  if (end - l3 < 40 || dv.getUint8(l3) >>> 4 !== 6) return undefined;
  return l3 + 40;
}

/** RFC 792: eight bytes of the transport header, and often no more. RFC 4443 asks for as much as fits. */
function innerL4(dv: DataView, l4: number, end: number, base: Tuple): Tuple | undefined {
  const v4 = base.dlType === ETH_P_IP;
  switch (base.proto) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
      if (end - l4 < (!v4 && base.proto === IPPROTO_TCP ? 20 : 8)) return undefined;
      return { ...base, srcPort: dv.getUint16(l4), dstPort: dv.getUint16(l4 + 2) };
    case v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6: {
      if (end - l4 < 8) return undefined;
      const icmpType = dv.getUint8(l4);
      if (reverseIcmpType(base.dlType, icmpType) === undefined) return undefined;
      const id = dv.getUint16(l4 + 4);
      return { ...base, icmpType, icmpCode: dv.getUint8(l4 + 1), srcPort: id, dstPort: id };
    }
    default:
      return base;
  }
}
