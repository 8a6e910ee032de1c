/** What a match must say before a field may be matched (ovs-fields(7), "Prerequisites"). */
import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_MPLS_MC,
  ETH_P_MPLS_UC,
  ETH_P_NSH,
  ETH_P_RARP,
  type Field,
  type FieldPrerequisite,
  FLOW_NW_FRAG_LATER,
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
import type { Match } from '../match.ts';

const CS_TRACKED = 0x20;
const CS_INVALID = 0x10;
/** new, est, rel, rpl, snat, dnat: states of a valid connection. */
const CS_VALID = 0xcf;

export function fieldPrerequisitesMet(field: Field, match: Match): boolean {
  const wanted = field.prerequisite;
  if (wanted === undefined) return true;
  if (wanted === 'CT') return saysValidConnection(match);
  return flowMeets(match.key, wanted);
}

/** The match is of packets with a valid connection. */
export function saysValidConnection({ key, mask }: Pick<Match, 'key' | 'mask'>): boolean {
  const state = key.ctState;
  if ((state & CS_VALID) !== 0) return true;
  return (
    (state & CS_TRACKED) !== 0 && (mask.ctState & CS_INVALID) !== 0 && (state & CS_INVALID) === 0
  );
}

/** The Ethertype, or the packet type in its name space 1; 0 for other packets. */
export function networkType(flow: Flow): number {
  const type = flow.packetType;
  if (type === 0) return flow.dlType;
  return type >>> 16 === 1 ? type & 0xffff : 0;
}

function isIp(type: number): boolean {
  return type === ETH_P_IP || type === ETH_P_IPV6;
}

/** Later fragments have no ports. */
function isTransport(flow: Flow, proto: number): boolean {
  return (
    isIp(networkType(flow)) && flow.nwProto === proto && (flow.nwFrag & FLOW_NW_FRAG_LATER) === 0
  );
}

function isIcmp(flow: Flow, type: number, proto: number): boolean {
  return networkType(flow) === type && flow.nwProto === proto;
}

function isNd(flow: Flow, ...types: readonly number[]): boolean {
  return isIcmp(flow, ETH_P_IPV6, IPPROTO_ICMPV6) && types.includes(flow.tpSrc) && flow.tpDst === 0;
}

function flowMeets(flow: Flow, wanted: FieldPrerequisite): boolean {
  const type = networkType(flow);
  switch (wanted) {
    case 'CT':
      return true;
    case 'Ethernet':
      return flow.packetType === 0;
    case 'VLAN VID':
      return flow.packetType === 0 && (flow.vlanTci0 & VLAN_CFI) !== 0;
    case 'MPLS':
      return type === ETH_P_MPLS_UC || type === ETH_P_MPLS_MC;
    case 'IPv4':
      return type === ETH_P_IP;
    case 'IPv6':
      return type === ETH_P_IPV6;
    case 'IPv4/IPv6':
      return isIp(type);
    case 'ARP':
      return type === ETH_P_ARP || type === ETH_P_RARP;
    case 'NSH':
      return type === ETH_P_NSH;
    case 'TCP':
      return isTransport(flow, IPPROTO_TCP);
    case 'UDP':
      return isTransport(flow, IPPROTO_UDP);
    case 'SCTP':
      return isTransport(flow, IPPROTO_SCTP);
    case 'ICMPv4':
      return isIcmp(flow, ETH_P_IP, IPPROTO_ICMP);
    case 'ICMPv6':
      return isIcmp(flow, ETH_P_IPV6, IPPROTO_ICMPV6);
    case 'ND':
      return isNd(flow, ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT);
    case 'ND solicit':
      return isNd(flow, ND_NEIGHBOR_SOLICIT);
    case 'ND advert':
      return isNd(flow, ND_NEIGHBOR_ADVERT);
  }
}
