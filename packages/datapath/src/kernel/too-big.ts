/**
 * What a tunnel answers to a packet that does not fit through the network below: the error that a
 * router would send there (RFC 1191, RFC 8201), from the address that the packet was meant for, so
 * that senders find the size that fits.
 */
import {
  checksum,
  copyTunnel,
  ETH_HEADER_LEN,
  ETH_P_IP,
  ETH_P_IPV6,
  extractFlow,
  type Flow,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
} from '@heddle/packet';

const ICMP_UNREACHABLE = 3;
const ICMP_FRAG_NEEDED = 4;
const ICMPV6_PACKET_TOO_BIG = 2;
/** As much of the packet as a host must take at least. */
const IPV4_QUOTE_MAX = 576 - 20 - 8;
const IPV6_MIN_MTU = 1280;
const IPV6_QUOTE_MAX = IPV6_MIN_MTU - 40 - 8;
const IPV4_MIN_MTU = 68;

/** An Ethernet frame for the sender of `frame`; undefined: it is none to be answered. */
export function packetTooBig(frame: Uint8Array, mtu: number): Uint8Array | undefined {
  const flow = extractFlow(frame, { inPort: 0 });
  if (flow.dlDst % 2 ** 41 >= 2 ** 40 || (flow.nwFrag & 2) !== 0) return undefined;
  const l3 = ETH_HEADER_LEN + tagBytes(frame);
  if (flow.dlType === ETH_P_IP) return fragmentationNeeded(frame, l3, flow, mtu);
  return flow.dlType === ETH_P_IPV6 ? tooBig(frame, l3, flow, mtu) : undefined;
}

function tagBytes(frame: Uint8Array): number {
  let at = 12;
  for (;;) {
    const type = (frame[at]! << 8) | frame[at + 1]!;
    if (type !== 0x8100 && type !== 0x88a8) return at - 12;
    at += 4;
  }
}

function isIcmpError(flow: Flow): boolean {
  if (flow.nwProto === IPPROTO_ICMP) return ![0, 8, 13, 14].includes(flow.tpSrc);
  return flow.nwProto === IPPROTO_ICMPV6 && flow.dlType === ETH_P_IPV6 && flow.tpSrc < 128;
}

/** Addresses swapped, tags kept. */
function ethernetHeader(frame: Uint8Array, out: Uint8Array, l3: number): void {
  out.set(frame.subarray(6, 12), 0);
  out.set(frame.subarray(0, 6), 6);
  out.set(frame.subarray(12, l3), 12);
}

function fragmentationNeeded(
  frame: Uint8Array,
  l3: number,
  flow: Flow,
  mtu: number,
): Uint8Array | undefined {
  if (mtu < IPV4_MIN_MTU || isIcmpError(flow)) return undefined;
  const quote = frame.subarray(l3, l3 + IPV4_QUOTE_MAX);
  const out = new Uint8Array(l3 + 28 + quote.length);
  const dv = new DataView(out.buffer);
  ethernetHeader(frame, out, l3);
  dv.setUint16(l3, 0x45c0);
  dv.setUint16(l3 + 2, 28 + quote.length);
  dv.setUint8(l3 + 8, 64);
  dv.setUint8(l3 + 9, IPPROTO_ICMP);
  dv.setUint32(l3 + 12, flow.nwDst);
  dv.setUint32(l3 + 16, flow.nwSrc);
  dv.setUint16(l3 + 10, checksum(dv, l3, 20));
  dv.setUint8(l3 + 20, ICMP_UNREACHABLE);
  dv.setUint8(l3 + 21, ICMP_FRAG_NEEDED);
  dv.setUint16(l3 + 26, mtu);
  out.set(quote, l3 + 28);
  dv.setUint16(l3 + 22, checksum(dv, l3 + 20, 8 + quote.length));
  return out;
}

function tooBig(frame: Uint8Array, l3: number, flow: Flow, mtu: number): Uint8Array | undefined {
  if (mtu < IPV6_MIN_MTU || isIcmpError(flow) || flow.ipv6Dst[0] === 0xff) return undefined;
  const quote = frame.subarray(l3, l3 + IPV6_QUOTE_MAX);
  const length = 8 + quote.length;
  const out = new Uint8Array(l3 + 40 + length);
  const dv = new DataView(out.buffer);
  ethernetHeader(frame, out, l3);
  dv.setUint8(l3, 0x60);
  dv.setUint16(l3 + 4, length);
  dv.setUint8(l3 + 6, IPPROTO_ICMPV6);
  dv.setUint8(l3 + 7, 64);
  out.set(flow.ipv6Dst, l3 + 8);
  out.set(flow.ipv6Src, l3 + 24);
  const icmp = l3 + 40;
  dv.setUint8(icmp, ICMPV6_PACKET_TOO_BIG);
  dv.setUint32(icmp + 4, mtu);
  out.set(quote, icmp + 8);
  const pseudo = new Uint8Array(40 + length);
  pseudo.set(out.subarray(l3 + 8, l3 + 40));
  const sum = new DataView(pseudo.buffer);
  sum.setUint32(32, length);
  pseudo[39] = IPPROTO_ICMPV6;
  pseudo.set(out.subarray(icmp), 40);
  dv.setUint16(icmp + 2, checksum(sum, 0, pseudo.length));
  return out;
}

/** The key of such an answer, as if it came by the tunnel that `flow` tells of. */
export function answerKey(flow: Flow, frame: Uint8Array): Flow {
  const key = extractFlow(frame, { inPort: flow.inPort });
  copyTunnel(flow, key);
  return key;
}
