/** Translation of a packet, and of the packet that an ICMP error quotes. */
import {
  checksum,
  csumAdd,
  csumFinish,
  csumPseudo,
  ETH_P_IP,
  Flow,
  ICMP_CSUM_OFF,
  IP_CSUM_OFF,
  IPPROTO_ICMPV6,
} from '@heddle/packet';
import { rewrite } from '../userspace/rewrite.ts';
import type { TrackedPacket } from './conntrack.ts';
import { readInner } from './icmp-error.ts';
import { hasPorts } from './nat.ts';
import { reversed, type Tuple } from './tuple.ts';

/** Which ends of the packet have their addresses translated. */
export interface Sides {
  readonly src: boolean;
  readonly dst: boolean;
}

/** Makes the packet one with the given tuple; `related`: an error about the opposite direction. */
export function rewriteTo(packet: TrackedPacket, to: Tuple, related: boolean, sides: Sides): void {
  packet.own();
  if (related) rewriteInner(packet, reversed(to), { src: sides.dst, dst: sides.src });
  const key = new Flow();
  const mask = new Flow();
  key.dlType = to.dlType;
  if (to.dlType === ETH_P_IP) {
    if (sides.src) [key.nwSrc, mask.nwSrc] = [be32(to.src), 0xffff_ffff];
    if (sides.dst) [key.nwDst, mask.nwDst] = [be32(to.dst), 0xffff_ffff];
  } else {
    if (sides.src) [key.ipv6Src, mask.ipv6Src] = [to.src, ALL];
    if (sides.dst) [key.ipv6Dst, mask.ipv6Dst] = [to.dst, ALL];
  }
  // With the destination's port the source's may have changed, for answers to be told apart.
  if (hasPorts(to) && !related) {
    [key.tpSrc, mask.tpSrc] = [to.srcPort, 0xffff];
    [key.tpDst, mask.tpDst] = [to.dstPort, 0xffff];
  }
  rewrite(packet, key, mask);
}

const ALL = new Uint8Array(16).fill(0xff);

/** The quotation's transport checksum stays: often it is cut off, and nobody verifies it. */
function rewriteInner(packet: TrackedPacket, to: Tuple, sides: Sides): void {
  const inner = readInner(packet);
  if (!inner) return;
  const { bytes, dv, layout } = packet;
  const [off, n] = to.dlType === ETH_P_IP ? [12, 4] : [8, 16];
  if (sides.src) bytes.set(to.src, inner.l3 + off);
  if (sides.dst) bytes.set(to.dst, inner.l3 + off + n);
  if (hasPorts(to)) {
    dv.setUint16(inner.l4, to.srcPort);
    dv.setUint16(inner.l4 + 2, to.dstPort);
  }
  if (to.dlType === ETH_P_IP) {
    dv.setUint16(inner.l3 + IP_CSUM_OFF, 0);
    dv.setUint16(inner.l3 + IP_CSUM_OFF, checksum(dv, inner.l3, inner.l4 - inner.l3));
  }
  const { l3, l4, end } = layout;
  dv.setUint16(l4 + ICMP_CSUM_OFF, 0);
  const pseudo = to.dlType === ETH_P_IP ? 0 : csumPseudo(dv, l3 + 8, 16, IPPROTO_ICMPV6, end - l4);
  dv.setUint16(l4 + ICMP_CSUM_OFF, csumFinish(csumAdd(dv, l4, end - l4, pseudo)));
}

function be32(b: Uint8Array): number {
  return ((b[0]! << 24) | (b[1]! << 16) | (b[2]! << 8) | b[3]!) >>> 0;
}
