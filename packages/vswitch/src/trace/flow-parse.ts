/** An exact flow in OpenFlow's words, as ofproto/trace takes it (ovs-vswitchd(8), "br_flow"). */
import { parseFieldText } from '@heddle/openflow/match/field-text';
import { fromBytes } from '@heddle/openflow/match/match-field';
import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_RARP,
  type Field,
  type FieldPrerequisite,
  Flow,
  fieldByName,
  fieldSet,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  ND_NEIGHBOR_ADVERT,
  ND_NEIGHBOR_SOLICIT,
  parseIpv4,
  parseIpv6,
  parseMac,
  TlvTable,
  VLAN_CFI,
} from '@heddle/packet';
import { HeddleError } from '@heddle/runtime';

/** `ip`, `tcp6` and so on: the fields that a protocol's name stands for. */
const PROTOCOLS: Readonly<Record<string, readonly [dlType: number, nwProto?: number]>> = {
  ip: [ETH_P_IP],
  ipv4: [ETH_P_IP],
  ip4: [ETH_P_IP],
  icmp: [ETH_P_IP, IPPROTO_ICMP],
  icmp4: [ETH_P_IP, IPPROTO_ICMP],
  tcp: [ETH_P_IP, IPPROTO_TCP],
  tcp4: [ETH_P_IP, IPPROTO_TCP],
  udp: [ETH_P_IP, IPPROTO_UDP],
  udp4: [ETH_P_IP, IPPROTO_UDP],
  sctp: [ETH_P_IP, IPPROTO_SCTP],
  sctp4: [ETH_P_IP, IPPROTO_SCTP],
  arp: [ETH_P_ARP],
  rarp: [ETH_P_RARP],
  ipv6: [ETH_P_IPV6],
  ip6: [ETH_P_IPV6],
  icmp6: [ETH_P_IPV6, IPPROTO_ICMPV6],
  tcp6: [ETH_P_IPV6, IPPROTO_TCP],
  udp6: [ETH_P_IPV6, IPPROTO_UDP],
  sctp6: [ETH_P_IPV6, IPPROTO_SCTP],
  mpls: [0x8847],
  mplsm: [0x8848],
};

export const OFPP_NONE = 0xffff;
const RESERVED_PORTS: Readonly<Record<string, number>> = {
  IN_PORT: 0xfff8,
  TABLE: 0xfff9,
  NORMAL: 0xfffa,
  FLOOD: 0xfffb,
  ALL: 0xfffc,
  CONTROLLER: 0xfffd,
  LOCAL: 0xfffe,
  ANY: OFPP_NONE,
  NONE: OFPP_NONE,
};
const FRAGMENTS: Readonly<Record<string, number>> = { no: 0, first: 1, later: 3 };
const TCP_FLAGS = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ece', 'cwr', 'ns'];

export interface ParsedFlow {
  readonly flow: Flow;
  readonly ofport: number;
}

/** Why a value is none, without the field's name. */
class ValueError extends HeddleError {}

/** `ofportOf` knows ports' names, `tlv` what `tun_metadata` fields are. */
export function parseOpenFlowFlow(
  text: string,
  ofportOf: (name: string) => number | undefined,
  tlv: TlvTable = TlvTable.EMPTY,
): ParsedFlow {
  const flow = new Flow();
  flow.tlv = tlv;
  const seen: string[] = [];
  let ofport = OFPP_NONE;
  const bad = (why: string) => new HeddleError(`Bad openflow flow syntax: ${text}: ${why}`);
  for (const word of text.split(/[\s,]+/)) {
    if (word === '') continue;
    const at = word.indexOf('=');
    const name = at < 0 ? word : word.slice(0, at);
    const value = at < 0 ? '' : word.slice(at + 1);
    const protocol = at < 0 ? PROTOCOLS[name] : undefined;
    if (protocol) {
      flow.dlType = protocol[0];
      if (protocol[1] !== undefined) flow.nwProto = protocol[1];
      continue;
    }
    if (seen.includes(name)) throw bad(`field ${name} set multiple times`);
    seen.push(name);
    try {
      if (name === 'in_port') ofport = parsePort(value, ofportOf);
      else if (!setVlan(flow, name, value)) setField(flow, name, value);
    } catch (error) {
      if (error instanceof ValueError) {
        throw bad(`bad value for ${name} (${value}: ${error.message})`);
      }
      throw error instanceof HeddleError ? bad(error.message) : error;
    }
  }
  return { flow, ofport };
}

function parsePort(value: string, ofportOf: (name: string) => number | undefined): number {
  const port = /^(0x[0-9a-f]+|\d+)$/i.test(value)
    ? Number(value)
    : (ofportOf(value) ?? RESERVED_PORTS[value.toUpperCase()]);
  if (port === undefined || port > 0xffff) {
    throw new ValueError('invalid or unknown port for in_port');
  }
  return port;
}

/** The fields of the tag, several names for parts of one word. */
function setVlan(flow: Flow, name: string, value: string): boolean {
  switch (name) {
    case 'dl_vlan': {
      const vid = number(value, 2, 'dl_vlan');
      const tci = (flow.vlanTci0 & 0xe000) | VLAN_CFI | (vid & 0xfff);
      flow.vlanTci0 = vid === 0xffff ? 0 : tci;
      break;
    }
    case 'dl_vlan_pcp':
      flow.vlanTci0 =
        (flow.vlanTci0 & 0x1fff) | VLAN_CFI | ((number(value, 1, 'dl_vlan_pcp') & 7) << 13);
      break;
    case 'vlan_tci':
      flow.vlanTci0 = number(value, 2, 'vlan_tci');
      break;
    case 'vlan_pcp':
      if ((flow.vlanTci0 & VLAN_CFI) === 0) {
        throw new HeddleError('prerequisites not met for setting vlan_pcp');
      }
      flow.vlanTci0 = (flow.vlanTci0 & 0x1fff) | ((number(value, 1, 'vlan_pcp') & 7) << 13);
      break;
    case 'vlan_vid':
      flow.vlanTci0 = (flow.vlanTci0 & 0xe000) | (number(value, 2, 'vlan_vid') & 0x1fff);
      break;
    default:
      return false;
  }
  flow.vlanTpid0 = (flow.vlanTci0 & VLAN_CFI) === 0 ? 0 : 0x8100;
  return true;
}

function setField(flow: Flow, name: string, value: string): void {
  const field = fieldByName(name);
  if (!field) throw new HeddleError(`unknown field ${name}`);
  if (!meets(flow, field.prerequisite)) {
    throw new HeddleError(`prerequisites not met for setting ${name}`);
  }
  if (WIDE.has(field.format) || (field.width > 32 && field.format !== 'Ethernet')) {
    setWide(flow, field, value);
    return;
  }
  if (name === 'ip_dscp') flow.nwTos = (flow.nwTos & 3) | ((number(value, 1, name) & 0x3f) << 2);
  else if (name === 'nw_tos') flow.nwTos = (flow.nwTos & 3) | (number(value, 1, name) & 0xfc);
  else if (name === 'nw_ecn' || name === 'ip_ecn') {
    flow.nwTos = (flow.nwTos & 0xfc) | (number(value, 1, field.name) & 3);
  } else fieldSet(flow, field, BigInt(scalar(field, value)));
}

const WIDE: ReadonlySet<Field['format']> = new Set(['ct state', 'tunnel flags', 'packet type']);

function setWide(flow: Flow, field: Field, text: string): void {
  if (field.format === 'IPv6') flow[field.key as 'ipv6Src'].set(ipv6(text));
  else {
    const { value } = parseFieldText(field, text);
    fieldSet(flow, field, fromBytes(value, 0, value.length));
  }
}

function scalar(field: Field, value: string): number {
  switch (field.format) {
    case 'Ethernet':
      return parseMac(exact(value)) ?? refuse('invalid Ethernet address');
    case 'IPv4':
      return parseIpv4(exact(value)) ?? refuse('invalid IP address');
    case 'frag':
      return (
        FRAGMENTS[value] ??
        refuse('unknown fragment type (valid types are "no", "yes", "first", "later", "not_later"')
      );
    case 'TCP flags':
      return tcpFlags(value);
    default:
      return number(value, field.width / 8, field.name);
  }
}

function refuse(why: string): never {
  throw new ValueError(why);
}

function exact(value: string): string {
  if (value.includes('/')) {
    const mask = value.slice(value.indexOf('/') + 1);
    if (!/^(32|255\.255\.255\.255|ff(:ff){5})$/i.test(mask)) refuse('wildcards not allowed here');
    return value.slice(0, value.indexOf('/'));
  }
  return value;
}

function ipv6(value: string): Uint8Array {
  return parseIpv6(value) ?? refuse('invalid IPv6 address');
}

function number(value: string, bytes: number, name: string): number {
  if (!/^(0x[0-9a-f]+|\d+)$/i.test(value)) refuse(`bad syntax for ${name} value`);
  const n = Number(value);
  if (n >= 2 ** (8 * bytes)) refuse(`value too large for ${bytes}-byte field ${name}`);
  return n;
}

/** `0x12`, `syn|ack` or `+syn+ack`. */
function tcpFlags(value: string): number {
  if (/^(0x[0-9a-f]+|\d+)$/i.test(value)) return number(value, 2, 'tcp_flags') & 0xfff;
  let flags = 0;
  for (const word of value.split(/[|+]/).filter(Boolean)) {
    const bit = TCP_FLAGS.indexOf(word);
    if (bit < 0) refuse('unknown TCP flag(s)');
    flags |= 1 << bit;
  }
  return flags;
}

function meets(flow: Flow, wanted: FieldPrerequisite | undefined): boolean {
  const { dlType, nwProto } = flow;
  const isIp = dlType === ETH_P_IP || dlType === ETH_P_IPV6;
  const nd = (type: number) =>
    dlType === ETH_P_IPV6 && nwProto === IPPROTO_ICMPV6 && flow.tpSrc === type;
  switch (wanted) {
    case undefined:
    case 'Ethernet':
      return true;
    case 'VLAN VID':
      return (flow.vlanTci0 & VLAN_CFI) !== 0;
    case 'MPLS':
      return dlType === 0x8847 || dlType === 0x8848;
    case 'NSH':
      return dlType === 0x894f;
    case 'CT':
      return flow.ctState !== 0;
    case 'IPv4':
      return dlType === ETH_P_IP;
    case 'IPv6':
      return dlType === ETH_P_IPV6;
    case 'IPv4/IPv6':
      return isIp;
    case 'ARP':
      return dlType === ETH_P_ARP || dlType === ETH_P_RARP;
    case 'TCP':
      return isIp && nwProto === IPPROTO_TCP;
    case 'UDP':
      return isIp && nwProto === IPPROTO_UDP;
    case 'SCTP':
      return isIp && nwProto === IPPROTO_SCTP;
    case 'ICMPv4':
      return dlType === ETH_P_IP && nwProto === IPPROTO_ICMP;
    case 'ICMPv6':
      return dlType === ETH_P_IPV6 && nwProto === IPPROTO_ICMPV6;
    case 'ND':
      return nd(ND_NEIGHBOR_SOLICIT) || nd(ND_NEIGHBOR_ADVERT);
    case 'ND solicit':
      return nd(ND_NEIGHBOR_SOLICIT);
    case 'ND advert':
      return nd(ND_NEIGHBOR_ADVERT);
    default:
      return false;
  }
}
