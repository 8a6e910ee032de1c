/**
 * A packet as the tracker sees it: its tuple, or why it has none. A fragment is invalid here,
 * the first included: what could be put together comes as a whole.
 */
import {
  checksum,
  csumAdd,
  csumFinish,
  csumPseudo,
  ETH_P_IP,
  ETH_P_IPV6,
  type Flow,
  IP_CSUM_OFF,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  type PacketLayout,
  tcpHeaderLen,
  tpDst,
  tpSrc,
} from '@heddle/packet';
import { readInner } from './icmp-error.ts';
import { reverseIcmpType, type Tuple } from './tuple.ts';

/** A frame with what extraction found in it. */
export interface TrackedFrame {
  readonly bytes: Uint8Array;
  readonly dv: DataView;
  readonly flow: Flow;
  readonly layout: PacketLayout;
  /** Offset of a transport checksum that is still to be completed, or -1. */
  readonly partialCsum?: number;
}

export interface CtPacket {
  /** For an ICMP error the tuple of the packet that it is about, reversed. */
  readonly tuple: Tuple;
  readonly related: boolean;
}

/** Undefined for what cannot be tracked: fragments, damaged packets, unknown ICMP. */
export function readPacket(frame: TrackedFrame): CtPacket | undefined {
  const { flow, layout, dv } = frame;
  const { l3, l4, end } = layout;
  if (l3 < 0 || l4 < 0 || flow.nwFrag !== 0) return undefined;
  const v4 = flow.dlType === ETH_P_IP;
  if (!v4 && flow.dlType !== ETH_P_IPV6) return undefined;
  if (v4 && dv.getUint16(l3 + IP_CSUM_OFF) !== 0 && !validIpv4Csum(dv, l3)) return undefined;
  const addresses = {
    dlType: flow.dlType,
    proto: flow.nwProto,
    src: v4 ? frame.bytes.slice(l3 + 12, l3 + 16) : frame.bytes.slice(l3 + 8, l3 + 24),
    dst: v4 ? frame.bytes.slice(l3 + 16, l3 + 20) : frame.bytes.slice(l3 + 24, l3 + 40),
    icmpType: 0,
    icmpCode: 0,
  };
  const size = end - l4;
  switch (flow.nwProto) {
    case IPPROTO_TCP: {
      if (size < 20) return undefined;
      const header = tcpHeaderLen(dv, l4);
      if (header < 20 || header > size || !validL4Csum(frame, v4)) return undefined;
      return plain({ ...addresses, srcPort: tpSrc(dv, l4), dstPort: tpDst(dv, l4) });
    }
    case IPPROTO_UDP: {
      if (size < 8 || (dv.getUint16(l4 + 4) !== size && !isPartial(frame))) return undefined;
      // None may be given in IPv4 only (RFC 8200, 8.1).
      if (!(v4 && dv.getUint16(l4 + 6) === 0) && !validL4Csum(frame, v4)) return undefined;
      return plain({ ...addresses, srcPort: tpSrc(dv, l4), dstPort: tpDst(dv, l4) });
    }
    case IPPROTO_ICMP:
      if (!v4) break;
      if (size < 8 || checksum(dv, l4, size) !== 0) return undefined;
      return icmp(frame, addresses);
    case IPPROTO_ICMPV6:
      if (v4) break;
      if (size < 8 || !validL4Csum(frame, v4)) return undefined;
      return icmp(frame, addresses);
  }
  return plain({ ...addresses, srcPort: 0, dstPort: 0 });
}

function isPartial({ partialCsum = -1 }: TrackedFrame): boolean {
  return partialCsum >= 0;
}

function plain(tuple: Tuple): CtPacket {
  return { tuple, related: false };
}

function validIpv4Csum(dv: DataView, l3: number): boolean {
  return checksum(dv, l3, (dv.getUint8(l3) & 15) * 4) === 0;
}

function validL4Csum(frame: TrackedFrame, v4: boolean): boolean {
  if (isPartial(frame)) return true;
  const { dv, flow, layout } = frame;
  const { l3, l4, end } = layout;
  const [at, bytes] = v4 ? [l3 + 12, 4] : [l3 + 8, 16];
  const sum = csumPseudo(dv, at, bytes, flow.nwProto, end - l4);
  return csumFinish(csumAdd(dv, l4, end - l4, sum)) === 0;
}

function icmp(
  frame: TrackedFrame,
  addresses: Omit<Tuple, 'srcPort' | 'dstPort'>,
): CtPacket | undefined {
  const { dv, layout } = frame;
  const { l4 } = layout;
  const type = dv.getUint8(l4);
  const id = dv.getUint16(l4 + 4);
  if (reverseIcmpType(addresses.dlType, type) !== undefined) {
    if (dv.getUint8(l4 + 1) !== 0) return undefined;
    return plain({ ...addresses, icmpType: type, srcPort: id, dstPort: id });
  }
  const inner = readInner(frame);
  return inner && { tuple: inner.tuple, related: true };
}
