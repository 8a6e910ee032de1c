/** A packet whose fields are a flow's: what the flow leaves open is zero. */
import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_RARP,
  type Flow,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  ND_NEIGHBOR_ADVERT,
  ND_NEIGHBOR_SOLICIT,
  VLAN_CFI,
} from '@heddle/packet';
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
} from '@heddle/packet/build';

export function composeFlow(flow: Flow, payload: Uint8Array = new Uint8Array()): Uint8Array {
  let part = network(flow, payload);
  for (const tci of [flow.vlanTci1, flow.vlanTci0]) {
    if ((tci & VLAN_CFI) !== 0) part = vlan({ vid: tci & 0xfff, pcp: tci >>> 13 }, part);
  }
  return ethernet({ dst: flow.dlDst, src: flow.dlSrc }, part);
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
      return raw(flow.dlType, payload);
  }
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

function icmpv6Of(flow: Flow, payload: Uint8Array): Part {
  const { tpSrc: type, tpDst: code } = flow;
  if (code === 0 && (type === ND_NEIGHBOR_SOLICIT || type === ND_NEIGHBOR_ADVERT)) {
    const { ndTarget: target, ndSll, ndTll } = flow;
    const sll = ndSll === 0 ? {} : { sll: ndSll };
    return nd({ type, target, ...sll, ...(ndTll !== 0 && { tll: ndTll }) });
  }
  return icmpv6({ type: type & 0xff, code: code & 0xff }, payload);
}
