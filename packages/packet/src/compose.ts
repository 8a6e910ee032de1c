/** A packet whose fields are a flow's: what the flow leaves open is zero. */
import {
  arp,
  ethernet,
  icmp,
  icmpv6,
  ipv4,
  ipv6,
  nd,
  type Part,
  raw,
  tcp,
  udp,
  vlan,
} from './build.ts';
import { csumAdd, csumFinish } from './checksum.ts';
import {
  ETH_P_8021Q,
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_RARP,
  FLOW_DL_TYPE_NONE,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IGMP,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  ND_NEIGHBOR_ADVERT,
  ND_NEIGHBOR_SOLICIT,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
  VLAN_CFI,
} from './constants.ts';
import type { Flow } from './flow.ts';

const BOS = 0x100;
const DEFAULT_PAYLOAD_BYTES = 64;
const MPLS_TYPES: readonly number[] = [0x8847, 0x8848];

/**
 * Without a payload, what upstream's tools put there: 64 bytes that count up, in packets that
 * carry data.
 */
export function composeFlow(flow: Flow, payload: Uint8Array = defaultPayload(flow)): Uint8Array {
  let part = network(flow, payload);
  const tags = [
    [flow.vlanTci1, flow.vlanTpid1],
    [flow.vlanTci0, flow.vlanTpid0],
  ] as const;
  for (const [tci, tpid] of tags) {
    if ((tci & VLAN_CFI) === 0) continue;
    part = vlan({ vid: tci & 0xfff, pcp: tci >>> 13, tpid: tpid || ETH_P_8021Q }, part);
  }
  const frame = ethernet({ dst: flow.dlDst, src: flow.dlSrc }, part);
  // IEEE 802.3: without a type the field is a length.
  if (part.proto === FLOW_DL_TYPE_NONE) {
    const bytes = Math.min(frame.length, 0xffff);
    frame[12] = bytes >>> 8;
    frame[13] = bytes;
  }
  return frame;
}

/** `length` bytes in all, filled up with zeros; undefined when the headers alone are longer. */
export function composeFlowOfLength(flow: Flow, length: number): Uint8Array | undefined {
  const headers = composeFlow(flow, new Uint8Array());
  if (length < headers.length) return undefined;
  const frame = composeFlow(flow, new Uint8Array(length - headers.length));
  if (frame.length === length) return frame;
  const padded = new Uint8Array(length);
  padded.set(frame);
  return padded;
}

function defaultPayload(flow: Flow): Uint8Array {
  const bytes = new Uint8Array(hasPayload(flow) ? DEFAULT_PAYLOAD_BYTES : 0);
  for (let i = 0; i < bytes.length; i++) bytes[i] = i;
  return bytes;
}

function hasPayload({ dlType, nwFrag, nwProto, tcpFlags, tpSrc }: Flow): boolean {
  if ((nwFrag & 2) !== 0) return false;
  switch (dlType === ETH_P_IP || dlType === ETH_P_IPV6 ? nwProto : 0) {
    case IPPROTO_TCP:
      return (tcpFlags & (TCP_SYN | TCP_FIN | TCP_RST)) === 0;
    case IPPROTO_UDP:
      return true;
    case IPPROTO_ICMP:
      return dlType === ETH_P_IP && (tpSrc === 8 || tpSrc === 0);
    case IPPROTO_ICMPV6:
      return dlType === ETH_P_IPV6 && (tpSrc === 128 || tpSrc === 129);
    default:
      return false;
  }
}

function network(flow: Flow, payload: Uint8Array): Part {
  switch (flow.dlType) {
    case ETH_P_IP: {
      const { nwSrc: src, nwDst: dst, nwTos: tos, nwTtl: ttl } = flow;
      return ipv4({ src, dst, tos, ttl, ...fragment(flow) }, transport(flow, payload));
    }
    case ETH_P_IPV6: {
      const { ipv6Src: src, ipv6Dst: dst, nwTos: tos, nwTtl: hopLimit, ipv6Label: label } = flow;
      return ipv6({ src, dst, tos, hopLimit, label }, transport(flow, payload));
    }
    case ETH_P_ARP:
    case ETH_P_RARP: {
      const { nwProto: op, arpSha: sha, arpTha: tha, nwSrc: spa, nwDst: tpa } = flow;
      return arp({ op, sha, tha, spa, tpa }, flow.dlType);
    }
    default:
      return raw(flow.dlType, MPLS_TYPES.includes(flow.dlType) ? mpls(flow, payload) : payload);
  }
}

function mpls(flow: Flow, payload: Uint8Array): Uint8Array {
  const lses: number[] = [];
  for (const lse of [flow.mplsLse0, flow.mplsLse1, flow.mplsLse2]) {
    lses.push(lse);
    if ((lse & BOS) !== 0) break;
  }
  const bytes = new Uint8Array(4 * lses.length + payload.length);
  const dv = new DataView(bytes.buffer);
  for (const [i, lse] of lses.entries()) dv.setUint32(4 * i, lse);
  bytes.set(payload, 4 * lses.length);
  return bytes;
}

/** A first fragment has more behind it, a later one an offset. */
function fragment({ nwFrag }: Flow): { mf?: boolean; fragOff?: number } {
  if ((nwFrag & 1) === 0) return {};
  return (nwFrag & 2) === 0 ? { mf: true } : { mf: true, fragOff: 100 };
}

function transport(flow: Flow, payload: Uint8Array): Part {
  if ((flow.nwFrag & 2) !== 0) return raw(flow.nwProto, payload);
  const { tpSrc: src, tpDst: dst } = flow;
  switch (flow.nwProto) {
    case IPPROTO_TCP:
      return tcp({ src, dst, flags: flow.tcpFlags, window: 0 }, payload);
    case IPPROTO_UDP:
      return udp({ src, dst }, payload);
    case IPPROTO_SCTP:
      return raw(IPPROTO_SCTP, sctp(src, dst, payload));
    case IPPROTO_ICMP:
      if (flow.dlType === ETH_P_IP) return icmp({ type: src & 0xff, code: dst & 0xff }, payload);
      return raw(flow.nwProto, payload);
    case IPPROTO_ICMPV6:
      if (flow.dlType === ETH_P_IPV6) return icmpv6Of(flow, payload);
      return raw(flow.nwProto, payload);
    case IPPROTO_IGMP:
      return raw(IPPROTO_IGMP, igmp(flow, payload));
    default:
      return raw(flow.nwProto, payload);
  }
}

function sctp(src: number, dst: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + payload.length);
  bytes.set([src >>> 8, src, dst >>> 8, dst]);
  bytes.set(payload, 12);
  return bytes;
}

/** Its checksum covers the eight bytes of the header only. */
function igmp({ tpSrc: type, tpDst: code }: Flow, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + payload.length);
  const dv = new DataView(bytes.buffer);
  bytes.set([type, code]);
  dv.setUint16(2, csumFinish(csumAdd(dv, 0, 8)));
  bytes.set(payload, 8);
  return bytes;
}

function icmpv6Of(flow: Flow, payload: Uint8Array): Part {
  const { tpSrc: type, tpDst: code } = flow;
  if (code === 0 && (type === ND_NEIGHBOR_SOLICIT || type === ND_NEIGHBOR_ADVERT)) {
    const { ndTarget: target, ndSll, ndTll } = flow;
    const sll = ndSll === 0 ? {} : { sll: ndSll };
    return nd({ type, target, ...sll, ...(ndTll !== 0 && { tll: ndTll }) });
  }
  return icmpv6({ type: type & 0xff, code: code & 0xff }, payload);
}
