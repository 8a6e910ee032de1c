/** Flows and matches in OpenFlow's words (ovs-fields(7)), as ofproto/trace prints them. */
import { formatTcpFlags } from '@heddle/datapath';
import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_RARP,
  type Flow,
  formatIpv4,
  formatIpv6,
  formatMac,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IGMP,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  ND_NEIGHBOR_ADVERT,
  ND_NEIGHBOR_SOLICIT,
  VLAN_CFI,
} from '@heddle/packet';
import { OFPP_LOCAL } from '../ofproto.ts';

const ETH_P_MPLS = [0x8847, 0x8848];
const FRAG_NAMES = ['no', 'first', '<error>', 'later'];
const RESERVED_PORTS: Readonly<Record<number, string>> = {
  65528: 'IN_PORT',
  65529: 'TABLE',
  65530: 'NORMAL',
  65531: 'FLOOD',
  65532: 'ALL',
  65533: 'CONTROLLER',
  [OFPP_LOCAL]: 'LOCAL',
  65535: 'ANY',
};
const ALL_MACS = 2 ** 48 - 1;

/** A protocol's name stands for the fields that it implies. */
function protocolName(key: Flow, looksAtProto: boolean): { name: string; saysProto: boolean } {
  const v6 = key.dlType === ETH_P_IPV6;
  if (v6 || key.dlType === ETH_P_IP) {
    const l4: Record<number, string> = {
      [v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP]: 'icmp',
      [IPPROTO_TCP]: 'tcp',
      [IPPROTO_UDP]: 'udp',
      [IPPROTO_SCTP]: 'sctp',
    };
    const name = looksAtProto ? l4[key.nwProto] : undefined;
    if (name !== undefined) return { name: v6 ? `${name}6` : name, saysProto: true };
    return { name: v6 ? 'ipv6' : 'ip', saysProto: false };
  }
  const others: Record<number, string> = {
    [ETH_P_ARP]: 'arp',
    [ETH_P_RARP]: 'rarp',
    [ETH_P_MPLS[0]!]: 'mpls',
    [ETH_P_MPLS[1]!]: 'mplsm',
  };
  return { name: others[key.dlType] ?? '', saysProto: false };
}

function formatOfport(ofport: number): string {
  return RESERVED_PORTS[ofport] ?? String(ofport);
}

/** A whole flow: the line `Flow: ...`. `ofport` is the OpenFlow number of its input port. */
export function formatOpenFlowFlow(key: Flow, ofport: number): string {
  const parts: string[] = [];
  if (key.pktMark !== 0) parts.push(`pkt_mark=0x${key.pktMark.toString(16)}`);
  if (key.recircId !== 0) parts.push(`recirc_id=0x${key.recircId.toString(16)}`);
  const { name, saysProto } = protocolName(key, true);
  if (name !== '') parts.push(name);
  if (key.tunId !== 0n) parts.push(`tun_id=0x${key.tunId.toString(16)}`);
  parts.push(`in_port=${formatOfport(ofport)}`, ...flowTags(key));
  parts.push(`dl_src=${formatMac(key.dlSrc)}`, `dl_dst=${formatMac(key.dlDst)}`);
  if (name === '') parts.push(`dl_type=${hex4(key.dlType)}`);
  parts.push(...networkFields(key, saysProto));
  return parts.join(',');
}

function flowTags(key: Flow): string[] {
  if (key.vlanTci0 === 0) return ['vlan_tci=0x0000'];
  return [tagText(key.vlanTci0, ''), tagText(key.vlanTci1, '1')];
}

function tagText(tci: number, suffix: string): string {
  if ((tci & VLAN_CFI) === 0) return `vlan_tci${suffix}=${hex4(tci)}`;
  return `dl_vlan${suffix}=${tci & 0xfff},dl_vlan_pcp${suffix}=${tci >> 13}`;
}

function hex4(value: number): string {
  return `0x${value.toString(16).padStart(4, '0')}`;
}

function networkFields(key: Flow, saysProto: boolean): string[] {
  switch (key.dlType) {
    case ETH_P_IP:
      return [
        `nw_src=${formatIpv4(key.nwSrc)}`,
        `nw_dst=${formatIpv4(key.nwDst)}`,
        ...ipFields(key, saysProto),
      ];
    case ETH_P_IPV6:
      return [
        `ipv6_src=${formatIpv6(key.ipv6Src)}`,
        `ipv6_dst=${formatIpv6(key.ipv6Dst)}`,
        `ipv6_label=0x${key.ipv6Label.toString(16).padStart(5, '0')}`,
        ...ipFields(key, saysProto),
      ];
    case ETH_P_ARP:
    case ETH_P_RARP:
      return [
        `arp_spa=${formatIpv4(key.nwSrc)}`,
        `arp_tpa=${formatIpv4(key.nwDst)}`,
        `arp_op=${key.nwProto}`,
        `arp_sha=${formatMac(key.arpSha)}`,
        `arp_tha=${formatMac(key.arpTha)}`,
      ];
    default:
      return [];
  }
}

function ipFields(key: Flow, saysProto: boolean): string[] {
  const fields = saysProto ? [] : [`nw_proto=${key.nwProto}`];
  fields.push(`nw_tos=${key.nwTos & 0xfc}`, `nw_ecn=${key.nwTos & 3}`, `nw_ttl=${key.nwTtl}`);
  fields.push(`nw_frag=${FRAG_NAMES[key.nwFrag & 3]}`);
  if (key.nwFrag !== 3) fields.push(...transportFields(key));
  return fields;
}

function transportFields(key: Flow): string[] {
  const v6 = key.dlType === ETH_P_IPV6;
  const ports = [`tp_src=${key.tpSrc}`, `tp_dst=${key.tpDst}`];
  switch (key.nwProto) {
    case IPPROTO_TCP:
      return [...ports, `tcp_flags=${formatTcpFlags(key.tcpFlags)}`];
    case IPPROTO_UDP:
    case IPPROTO_SCTP:
      return ports;
    case IPPROTO_IGMP:
      return v6 ? [] : ports;
    case v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP:
      return [`icmp_type=${key.tpSrc}`, `icmp_code=${key.tpDst}`, ...(v6 ? neighbour(key) : [])];
    default:
      return [];
  }
}

function neighbour(key: Flow): string[] {
  const isNd = key.tpSrc === ND_NEIGHBOR_SOLICIT || key.tpSrc === ND_NEIGHBOR_ADVERT;
  if (!isNd || key.tpDst !== 0) return [];
  return [
    `nd_target=${formatIpv6(key.ndTarget)}`,
    `nd_sll=${formatMac(key.ndSll)}`,
    `nd_tll=${formatMac(key.ndTll)}`,
  ];
}

/** What a translation looked at: the line `Megaflow: ...`. */
export function formatMegaflow(key: Flow, mask: Flow, ofport: number): string {
  const id = key.recircId;
  const parts = [`recirc_id=${id === 0 ? '0' : `0x${id.toString(16)}`}`, 'eth'];
  const { name, saysProto } = protocolName(key, mask.nwProto !== 0);
  if (mask.dlType !== 0 && name !== '') parts.push(name);
  parts.push(`in_port=${formatOfport(ofport)}`);
  for (const [tci, bits, n] of [
    [key.vlanTci0, mask.vlanTci0, ''],
    [key.vlanTci1, mask.vlanTci1, '1'],
  ] as const) {
    if (bits === 0 || (tci & VLAN_CFI) === 0) continue;
    if ((bits & 0xfff) !== 0) parts.push(`dl_vlan${n}=${tci & 0xfff}`);
    if ((bits & 0xe000) !== 0) parts.push(`dl_vlan_pcp${n}=${tci >> 13}`);
  }
  if (mask.dlSrc === ALL_MACS) parts.push(`dl_src=${formatMac(key.dlSrc)}`);
  if (mask.dlDst === ALL_MACS) parts.push(`dl_dst=${formatMac(key.dlDst)}`);
  if (mask.dlType !== 0 && name === '') parts.push(`dl_type=${hex4(key.dlType)}`);
  const isArp = key.dlType === ETH_P_ARP || key.dlType === ETH_P_RARP;
  const [src, dst, op] = isArp
    ? ['arp_spa', 'arp_tpa', 'arp_op']
    : ['nw_src', 'nw_dst', 'nw_proto'];
  if (mask.nwSrc !== 0) parts.push(`${src}=${formatIpv4(key.nwSrc)}`);
  if (mask.nwDst !== 0) parts.push(`${dst}=${formatIpv4(key.nwDst)}`);
  if (mask.nwProto !== 0 && !saysProto) parts.push(`${op}=${key.nwProto}`);
  if (mask.nwFrag !== 0) parts.push(`nw_frag=${FRAG_NAMES[key.nwFrag & 3]}`);
  return parts.join(',');
}
