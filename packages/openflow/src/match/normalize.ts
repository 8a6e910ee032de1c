/** What the Ethertype and protocol do not allow is no part of a match (ovs-ofctl(8), "Flow Syntax"). */
import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_MPLS_MC,
  ETH_P_MPLS_UC,
  ETH_P_RARP,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  ND_NEIGHBOR_ADVERT,
  ND_NEIGHBOR_SOLICIT,
} from '@heddle/packet';
import { vlog } from '@heddle/runtime';
import { Match } from '../match.ts';
import { type FieldPlan, fieldPlan } from './field-plan.ts';
import { named } from './match-field.ts';
import { formatMatch } from './match-format.ts';
import { networkType } from './prerequisites.ts';

const log = vlog.module('ofp_match');

const plans = (...names: string[]): FieldPlan[] => names.map((name) => fieldPlan(named(name)));
const ETHERNET = plans('eth_src', 'eth_dst', 'eth_type', 'vlan_tci');
const ADDRESSES = plans('ipv6_src', 'ipv6_dst');
const NW_PROTO = plans('nw_proto');
const IP = plans('nw_tos', 'nw_ecn', 'nw_ttl');
const PORTS = plans('tcp_src', 'tcp_dst');
const ARP = plans('arp_sha', 'arp_tha');
const IPV6_LABEL = plans('ipv6_label');
const MPLS = plans('mpls_label', 'mpls_tc', 'mpls_bos', 'mpls_ttl');
const ND_TARGET = plans('nd_target');

/** Bytes of an IPv4 address in the slot of an IPv6 one. */
const IPV4_BYTES = 4;

/** Clears the fields in place; whether any were there. */
export function normalizeMatch(match: Match): boolean {
  const { key } = match;
  const type = networkType(key);
  const isV6 = type === ETH_P_IPV6;
  const isIp = type === ETH_P_IP || isV6;
  const isArp = type === ETH_P_ARP || type === ETH_P_RARP;
  const hasNetwork = isIp || isArp;
  let changed = false;
  const keep = (wanted: boolean, fields: readonly FieldPlan[]) => {
    if (!wanted) for (const plan of fields) changed = clearField(match, plan) || changed;
  };
  keep(key.packetType === 0, ETHERNET);
  keep(hasNetwork && (isV6 || !hasIpv6Bits(match)), ADDRESSES);
  keep(hasNetwork, NW_PROTO);
  keep(isIp, IP);
  keep(isIp && hasPorts(type, key.nwProto), PORTS);
  keep(isV6, IPV6_LABEL);
  keep(type === ETH_P_MPLS_UC || type === ETH_P_MPLS_MC, MPLS);
  const nd = isV6 && key.nwProto === IPPROTO_ICMPV6 ? key.tpSrc : 0;
  keep(nd === ND_NEIGHBOR_SOLICIT || nd === ND_NEIGHBOR_ADVERT, ND_TARGET);
  if (!isArp) {
    keep(nd === ND_NEIGHBOR_SOLICIT, [ARP[0]!]);
    keep(nd === ND_NEIGHBOR_ADVERT, [ARP[1]!]);
  }
  return changed;
}

const scratch = new Match();

/** As `normalizeMatch`; tells the log what it changed. */
export function normalizeMatchLogged(match: Match): boolean {
  scratch.key.copyFrom(match.key);
  scratch.mask.copyFrom(match.mask);
  if (!normalizeMatch(match)) return false;
  const before = new Match(scratch.key, scratch.mask, match.tunMetadata);
  log.info('normalization changed ofp_match, details:');
  log.info(` pre: ${formatMatch(before)}`);
  log.info(`post: ${formatMatch(match)}`);
  return true;
}

function hasPorts(type: number, proto: number): boolean {
  if (proto === IPPROTO_TCP || proto === IPPROTO_UDP || proto === IPPROTO_SCTP) return true;
  return proto === (type === ETH_P_IPV6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

function hasIpv6Bits({ mask }: Match): boolean {
  return ADDRESSES.some(({ offset, slotSize }) =>
    mask.u8.subarray(offset + IPV4_BYTES, offset + slotSize).some((b) => b !== 0),
  );
}

function clearField({ key, mask }: Match, plan: FieldPlan): boolean {
  let had = false;
  for (let i = plan.offset; i < plan.offset + plan.slotSize; i++) {
    had ||= mask.u8[i] !== 0;
    key.u8[i] = 0;
    mask.u8[i] = 0;
  }
  return had;
}
