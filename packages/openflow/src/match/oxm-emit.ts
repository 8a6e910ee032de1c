/** Matches as NXM and OXM entries, in the order of Open vSwitch: fields after what they require. */
import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_MPLS_MC,
  ETH_P_MPLS_UC,
  ETH_P_RARP,
  type Flow,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  ND_NEIGHBOR_ADVERT,
  ND_NEIGHBOR_SOLICIT,
} from '@heddle/packet';
import type { ByteWriter } from '../actions/byte-writer.ts';
import type { OfpVersion } from '../constants.ts';
import type { Match } from '../match.ts';
import { type FieldPlan, fieldPlan, readSlotNumber } from './field-plan.ts';
import { isFieldWild, named, readFieldBytes, toBytes } from './match-field.ts';
import {
  codePointByName,
  codePointOf,
  type OxmCodePoint,
  type OxmVersion,
  writeHeader,
} from './oxm-header.ts';
import { networkType } from './prerequisites.ts';

/** All fields at once, with masks, and all tun_metadata. */
const MAX_LENGTH = 24 * 1024;
/** A header and 4 bytes. */
const PACKET_TYPE_LENGTH = 8;
const scratch = new Uint8Array(MAX_LENGTH);

/** Entries alone, unpadded; OpenFlow 1.0's NXM has the cookie among them. */
export function emitNxMatch(match: Match, cookie = 0n, cookieMask = 0n): Uint8Array {
  let o = putEntries(0, match, 0);
  if (cookieMask !== 0n) {
    const hasMask = cookieMask !== 0xffff_ffff_ffff_ffffn;
    o = writeHeader(scratch, o, codePointByName('NXM_NX_COOKIE')!, hasMask, 8);
    scratch.set(toBytes(cookie & cookieMask, 8), o);
    if (hasMask) scratch.set(toBytes(cookieMask, 8), o + 8);
    o += hasMask ? 16 : 8;
  }
  return scratch.slice(0, o);
}

/** As `emitNxMatch` with the code points of `version`. */
export function emitOxmEntries(match: Match, version: OfpVersion): Uint8Array {
  return scratch.slice(0, putEntries(0, match, version));
}

/** `struct ofp11_match` of type OXM, padded to a multiple of 8. */
export function emitOxmMatch(match: Match, version: OfpVersion): Uint8Array {
  return scratch.slice(0, fillOxmMatch(match, version));
}

/** As `emitOxmMatch`, behind what the writer has. */
export function putOxmMatch(w: ByteWriter, match: Match, version: OfpVersion): void {
  const length = fillOxmMatch(match, version);
  const at = w.grow(length);
  const { u8 } = w;
  for (let i = 0; i < length; i++) u8[at + i] = scratch[i]!;
}

/** Returns its length in `scratch`. */
function fillOxmMatch(match: Match, version: OfpVersion): number {
  const size = putEntries(4, match, version);
  scratch[0] = 0;
  scratch[1] = 1;
  scratch[2] = size >>> 8;
  scratch[3] = size;
  const end = (size + 7) & ~7;
  scratch.fill(0, size, end);
  return end;
}

/** Fields of one group, and the words of a flow that hold them, so that empty groups cost little. */
interface Group {
  readonly plans: readonly FieldPlan[];
  readonly first: number;
  readonly last: number;
  /** Its place among all groups. */
  readonly index: number;
}

const groups: Group[] = [];

function group(...names: string[]): Group {
  const plans = names.map((name) => fieldPlan(named(name)));
  const first = Math.min(...plans.map((p) => p.offset >> 2));
  const last = Math.max(...plans.map((p) => (p.offset + p.slotSize - 1) >> 2));
  const made = { plans, first, last, index: groups.length };
  groups.push(made);
  return made;
}

const numbered = (name: string, n: number) => Array.from({ length: n }, (_, i) => `${name}${i}`);
const IDS = group('dp_hash', 'recirc_id', 'conj_id');
const IN_PORT = group('in_port');
const IN_PORT_OXM = group('in_port_oxm');
const ACTSET_OUTPUT = group('actset_output');
const ETHERNET = group('eth_src', 'eth_dst', 'eth_type');
const PACKET_TYPE = group('packet_type');
const IP_NXM = group('ip_frag', 'nw_tos', 'nw_ecn', 'nw_ttl');
const IP_OXM = group('ip_frag', 'ip_dscp', 'nw_ecn', 'nw_ttl');
const IP_ADDRESSES = group('ip_src', 'ip_dst');
const IPV6_ADDRESSES = group('ipv6_src', 'ipv6_dst');
const IPV6_LABEL = group('ipv6_label');
const NW_PROTO = group('nw_proto');
const TCP = group('tcp_src', 'tcp_dst', 'tcp_flags');
const UDP = group('udp_src', 'udp_dst');
const SCTP = group('sctp_src', 'sctp_dst');
const ICMP = group('icmp_type', 'icmp_code');
const ICMPV6 = group('icmpv6_type', 'icmpv6_code');
const ND_SOLICIT = group('nd_reserved', 'nd_target', 'nd_options_type', 'nd_sll');
const ND_ADVERT = group('nd_reserved', 'nd_target', 'nd_options_type', 'nd_tll');
const ARP = group('arp_op', 'arp_spa', 'arp_tpa', 'arp_sha', 'arp_tha');
const MPLS = group('mpls_tc', 'mpls_bos', 'mpls_ttl', 'mpls_label');
// biome-ignore format: a list in the order of the wire
const NSH = group('nsh_flags', 'nsh_ttl', 'nsh_mdtype', 'nsh_np', 'nsh_spi', 'nsh_si', 'nsh_c1', 'nsh_c2', 'nsh_c3', 'nsh_c4');
const TUN_ID = group('tun_id', 'tun_flags');
const TUN_IPV4 = group('tun_src', 'tun_dst');
const TUN_IPV6 = group('tun_ipv6_src', 'tun_ipv6_dst');
const TUN_GBP = group('tun_gbp_id', 'tun_gbp_flags');
// biome-ignore format: a list in the order of the wire
const TUN_MORE = group('tun_erspan_idx', 'tun_erspan_ver', 'tun_erspan_dir', 'tun_erspan_hwid', 'tun_gtpu_flags', 'tun_gtpu_msgtype');
const REGS = group(...numbered('reg', 16));
const XREGS = group(...numbered('xreg', 8));
const CT = group('pkt_mark', 'ct_state', 'ct_zone', 'ct_mark', 'ct_label');
const CT_SRC = group('ct_nw_src', 'ct_ipv6_src');
const CT_DST = group('ct_nw_dst', 'ct_ipv6_dst');
const CT_PROTO = group('ct_nw_proto');
const CT_PORTS = group('ct_tp_src', 'ct_tp_dst');
const METADATA = group('metadata');
const VLAN_TCI = fieldPlan(named('vlan_tci'));
const VLAN_VID = fieldPlan(named('vlan_vid'));
const VLAN_PCP = fieldPlan(named('vlan_pcp'));
const TUN_METADATA = numbered('tun_metadata', 64).map((name) => fieldPlan(named(name)));

const points = new Map<FieldPlan, (OxmCodePoint | undefined)[]>();

function pointOf(plan: FieldPlan, version: OxmVersion): OxmCodePoint {
  let list = points.get(plan);
  if (list === undefined) {
    list = [];
    points.set(plan, list);
  }
  const known = list[version];
  if (known) return known;
  const point = codePointOf(plan.field, version)!;
  list[version] = point;
  return point;
}

/** Set when a field is written that only Ethernet packets have, or others by their packet type. */
let saysPacketType = false;

/** The fields of each group that may be in the mask, and the fixed mask of which that was found last. */
const wanted: (readonly FieldPlan[])[] = groups.map(() => []);
const NO_FIELDS: readonly FieldPlan[] = [];
let fixedMask: Flow | undefined;

function findGroups(match: Match): void {
  const { mask, isMaskFixed } = match;
  if (mask === fixedMask && isMaskFixed) return;
  fixedMask = isMaskFixed ? mask : undefined;
  const { u32 } = mask;
  for (let g = 0; g < groups.length; g++) {
    const { plans, first, last } = groups[g]!;
    let bits = 0;
    for (let i = first; i <= last; i++) bits |= u32[i]!;
    if (bits === 0) wanted[g] = NO_FIELDS;
    else wanted[g] = isMaskFixed ? plans.filter((plan) => !isFieldWild(match, plan)) : plans;
  }
}

/** Returns the offset behind the entries. */
function putEntries(start: number, match: Match, version: OxmVersion): number {
  saysPacketType = false;
  findGroups(match);
  const o = putFields(start, match, version);
  if (match.mask.packetType === 0 || (match.key.packetType === 0 && saysPacketType)) return o;
  scratch.copyWithin(start + PACKET_TYPE_LENGTH, start, o);
  putGroup(start, match, PACKET_TYPE, version);
  return o + PACKET_TYPE_LENGTH;
}

function putFields(start: number, match: Match, version: OxmVersion): number {
  const { mask } = match;
  let o = putGroup(start, match, IDS, version);
  o = putGroup(o, match, version === 0 ? IN_PORT : IN_PORT_OXM, version);
  o = putGroup(o, match, ACTSET_OUTPUT, version);
  o = putGroup(o, match, ETHERNET, version);
  if (mask.vlanTci0 !== 0) o = putVlan(o, match, version);
  o = putNetwork(o, match, version);
  o = putTunnel(o, match, version);
  o = putGroup(o, match, NSH, version);
  o = putGroup(o, match, version >= 6 ? XREGS : REGS, version);
  o = putGroup(o, match, CT, version);
  o = putGroup(o, match, CT_SRC, version);
  o = putGroup(o, match, CT_DST, version);
  if (match.key.ctNwProto !== 0) {
    o = putGroup(o, match, CT_PROTO, version);
    o = putGroup(o, match, CT_PORTS, version);
  }
  return putGroup(o, match, METADATA, version);
}

function putNetwork(start: number, match: Match, version: OxmVersion): number {
  const { key } = match;
  switch (networkType(key)) {
    case ETH_P_IP: {
      const o = putGroup(start, match, IP_ADDRESSES, version);
      return putTransport(putIp(o, match, version), match, version, IPPROTO_ICMP);
    }
    case ETH_P_IPV6: {
      const o = putGroup(start, match, IPV6_ADDRESSES, version);
      return putTransport(putIp(o, match, version), match, version, IPPROTO_ICMPV6);
    }
    case ETH_P_ARP:
    case ETH_P_RARP:
      return putGroup(start, match, ARP, version);
    case ETH_P_MPLS_UC:
    case ETH_P_MPLS_MC:
      return putGroup(start, match, MPLS, version);
    default:
      return start;
  }
}

function putIp(start: number, match: Match, version: OxmVersion): number {
  let o = putGroup(start, match, version === 0 ? IP_NXM : IP_OXM, version);
  o = putGroup(o, match, IPV6_LABEL, version);
  return putGroup(o, match, NW_PROTO, version);
}

function putTransport(start: number, match: Match, version: OxmVersion, icmp: number): number {
  const { key } = match;
  switch (key.nwProto) {
    case IPPROTO_TCP:
      return putGroup(start, match, TCP, version);
    case IPPROTO_UDP:
      return putGroup(start, match, UDP, version);
    case IPPROTO_SCTP:
      return putGroup(start, match, SCTP, version);
    case icmp: {
      if (icmp === IPPROTO_ICMP) return putGroup(start, match, ICMP, version);
      const o = putGroup(start, match, ICMPV6, version);
      if (key.tpDst !== 0) return o;
      if (key.tpSrc === ND_NEIGHBOR_SOLICIT) return putGroup(o, match, ND_SOLICIT, version);
      return key.tpSrc === ND_NEIGHBOR_ADVERT ? putGroup(o, match, ND_ADVERT, version) : o;
    }
    default:
      return start;
  }
}

function putTunnel(start: number, match: Match, version: OxmVersion): number {
  let o = putGroup(start, match, TUN_ID, version);
  o = putGroup(o, match, TUN_IPV4, version);
  o = putGroup(o, match, TUN_IPV6, version);
  o = putGroup(o, match, TUN_GBP, version);
  o = putTunMetadata(o, match, version);
  return putGroup(o, match, TUN_MORE, version);
}

function putTunMetadata(start: number, match: Match, version: OxmVersion): number {
  let o = start;
  if (match.tunMetadata.length === 0) return o;
  const sorted = match.tunMetadata.toSorted((a, b) => a.index - b.index);
  for (const { index, value, mask, isExact } of sorted) {
    const hasMask = isExact !== true;
    const point = pointOf(TUN_METADATA[index]!, version);
    o = writeHeader(scratch, o, point, hasMask, value.length);
    scratch.set(value, o);
    o += value.length;
    if (!hasMask) continue;
    scratch.set(mask, o);
    o += mask.length;
  }
  return o;
}

/** OXM splits the TCI; a priority without any bit of the VLAN id is lost, as upstream. */
function putVlan(start: number, match: Match, version: OxmVersion): number {
  const { vlanTci0: tci } = match.key;
  const { vlanTci0: mask } = match.mask;
  if (version === 0) return putField(start, match, VLAN_TCI, version);
  let o = start;
  if ((mask & 0x1fff) === 0) return o;
  o = putVlanPart(o, VLAN_VID, tci & 0x1fff, mask & 0x1fff, 0x1fff, version);
  if ((mask & 0xe000) === 0 || (tci & 0x1fff) === 0) return o;
  return putVlanPart(o, VLAN_PCP, tci >>> 13, 7, 7, version);
}

function putVlanPart(
  start: number,
  plan: FieldPlan,
  value: number,
  mask: number,
  all: number,
  version: OxmVersion,
): number {
  const hasMask = mask !== all;
  saysPacketType = true;
  let o = writeHeader(scratch, start, pointOf(plan, version), hasMask, plan.size);
  for (const v of hasMask ? [value, mask] : [value]) {
    if (plan.size === 2) scratch[o++] = v >>> 8;
    scratch[o++] = v;
  }
  return o;
}

function putGroup(start: number, match: Match, { index }: Group, v: OxmVersion): number {
  const plans = wanted[index]!;
  let o = start;
  for (let i = 0; i < plans.length; i++) o = putField(o, match, plans[i]!, v);
  return o;
}

function putField(start: number, match: Match, plan: FieldPlan, version: OxmVersion): number {
  if (isFieldWild(match, plan)) return start;
  const point = pointOf(plan, version);
  const hasMask = point.maskable && !isExact(match, plan);
  if (plan.impliesEthernet) saysPacketType = true;
  let o = writeHeader(scratch, start, point, hasMask, plan.size);
  readFieldBytes(match.key, plan, scratch, o);
  o += plan.size;
  if (!hasMask) return o;
  readFieldBytes(match.mask, plan, scratch, o, true);
  return o + plan.size;
}

function isExact(match: Match, plan: FieldPlan): boolean {
  const { u8 } = match.mask;
  if (plan.mode === 'number') {
    if (plan.wireExact === undefined) return false;
    const mask = (readSlotNumber(match.mask, plan) >>> plan.shift) & plan.bits;
    return (mask & plan.wireExact) >>> 0 === plan.wireExact;
  }
  for (let i = 0; i < plan.size; i++) if (u8[plan.offset + i] !== 0xff) return false;
  return true;
}
