/**
 * Actions, instructions and fields by name, for messages that tell what a switch can do. Each
 * version has bitmaps of its own for them.
 */
import { FIELDS, type Field } from '@heddle/packet';
import type { OfpVersion } from '../constants.ts';

type Bits = readonly (readonly [name: string, bit: number])[];

/** In the order in which they are told. */
const ACTIONS10: Bits = [
  ['output', 0],
  ['enqueue', 11],
  ['set_vlan_vid', 1],
  ['set_vlan_pcp', 2],
  ['strip_vlan', 3],
  ['mod_dl_src', 4],
  ['mod_dl_dst', 5],
  ['mod_nw_src', 6],
  ['mod_nw_dst', 7],
  ['mod_nw_tos', 8],
  ['mod_tp_src', 9],
  ['mod_tp_dst', 10],
];
const ACTIONS11: Bits = [
  ['output', 0],
  ['group', 22],
  ['set_vlan_vid', 1],
  ['set_vlan_pcp', 2],
  ['strip_vlan', 18],
  ['push_vlan', 17],
  ['mod_dl_src', 3],
  ['mod_dl_dst', 4],
  ['mod_nw_src', 5],
  ['mod_nw_dst', 6],
  ['mod_nw_tos', 7],
  ['mod_nw_ecn', 8],
  ['mod_nw_ttl', 23],
  ['mod_tp_src', 9],
  ['mod_tp_dst', 10],
  ['dec_ttl', 24],
  ['set_mpls_label', 13],
  ['set_mpls_tc', 14],
  ['set_mpls_ttl', 15],
  ['dec_mpls_ttl', 16],
  ['push_mpls', 19],
  ['pop_mpls', 20],
  ['set_queue', 21],
];
const ACTIONS12: Bits = [
  ['output', 0],
  ['group', 22],
  ['set_field', 25],
  ['strip_vlan', 18],
  ['push_vlan', 17],
  ['mod_nw_ttl', 23],
  ['dec_ttl', 24],
  ['set_mpls_ttl', 15],
  ['dec_mpls_ttl', 16],
  ['push_mpls', 19],
  ['pop_mpls', 20],
  ['set_queue', 21],
];
/** By their types (OFPIT_*). */
const INSTRUCTIONS: Bits = [
  ['meter', 6],
  ['apply_actions', 4],
  ['clear_actions', 5],
  ['write_actions', 3],
  ['write_metadata', 2],
  ['goto_table', 1],
];
/** OpenFlow 1.0's wildcards; addresses have 6 bits each. */
const WILDCARDS10: Bits = [
  ['in_port', 0],
  ['eth_src', 2],
  ['eth_dst', 3],
  ['eth_type', 4],
  ['vlan_vid', 1],
  ['vlan_pcp', 20],
  ['ip_src', 8],
  ['ip_dst', 14],
  ['nw_proto', 5],
  ['nw_tos', 21],
  ['tcp_src', 6],
  ['tcp_dst', 7],
];
const FIELDS11: Bits = [
  ['metadata', 15],
  ['in_port', 0],
  ['eth_src', 11],
  ['eth_dst', 12],
  ['eth_type', 3],
  ['vlan_vid', 1],
  ['vlan_pcp', 2],
  ['mpls_label', 8],
  ['mpls_tc', 9],
  ['ip_src', 13],
  ['ip_dst', 14],
  ['nw_proto', 5],
  ['nw_tos', 4],
  ['tcp_src', 6],
  ['tcp_dst', 7],
];

function namesOf(value: number, table: Bits): string[] {
  return table.filter(([, bit]) => (value & (1 << bit)) !== 0).map(([name]) => name);
}

function bitsOf(names: readonly string[], table: Bits): number {
  let value = 0;
  for (const [name, bit] of table) if (names.includes(name)) value |= 1 << bit;
  return value >>> 0;
}

function actionTable(version: OfpVersion): Bits {
  if (version === 1) return ACTIONS10;
  return version === 2 ? ACTIONS11 : ACTIONS12;
}

export function actionNames(bits: number, version: OfpVersion): string[] {
  return namesOf(bits, actionTable(version));
}

export function actionBits(names: readonly string[], version: OfpVersion): number {
  return bitsOf(names, actionTable(version));
}

export function instructionNames(bits: number): string[] {
  return namesOf(bits, INSTRUCTIONS);
}

export function instructionBits(names: readonly string[]): number {
  return bitsOf(names, INSTRUCTIONS);
}

const NW_MASK = 0x3f;

export function wildcardNames10(wildcards: number): string[] {
  let bits = wildcards;
  for (const shift of [8, 14]) {
    const any = ((wildcards >>> shift) & NW_MASK) !== 0;
    bits = (bits & ~(NW_MASK << shift)) | (any ? 1 << shift : 0);
  }
  return namesOf(bits, WILDCARDS10);
}

export function wildcardBits10(names: readonly string[]): number {
  let bits = bitsOf(names, WILDCARDS10);
  for (const shift of [8, 14]) if ((bits & (1 << shift)) !== 0) bits |= NW_MASK << shift;
  return bits >>> 0;
}

export function fieldNames11(bits: number): string[] {
  return namesOf(bits, FIELDS11);
}

export function fieldBits11(names: readonly string[]): number {
  return bitsOf(names, FIELDS11);
}

/**
 * OpenFlow 1.2's bitmaps count OXM fields up to here. Upstream's also have those that came later
 * and for which there is no header of Nicira's: MPLS's bottom of stack, the packet's type.
 */
const OXM12_LAST = 35;
const OXM12_LATER = [36, 44];
const OXM12: readonly (readonly [field: Field, bit: bigint])[] = FIELDS.filter(
  ({ oxm }) =>
    oxm?.[0].startsWith('OXM_OF_') === true &&
    (oxm[1] <= OXM12_LAST || OXM12_LATER.includes(oxm[1])) &&
    !isRegister(oxm[0]),
).map((field) => [field, 1n << BigInt(field.oxm![1])]);

function isRegister(name: string): boolean {
  return name.startsWith('OXM_OF_PKT_REG');
}

export function fieldNames12(bits: bigint): string[] {
  return sortFields(OXM12.filter(([, bit]) => (bits & bit) !== 0n).map(([f]) => f.name));
}

export function fieldBits12(names: readonly string[]): bigint {
  let bits = 0n;
  for (const [field, bit] of OXM12) if (names.includes(field.name)) bits |= bit;
  return bits;
}

const ORDERED =
  'dp_hash recirc_id packet_type conj_id tun_id tun_src tun_dst tun_ipv6_src tun_ipv6_dst tun_flags ' +
  'tun_gbp_id tun_gbp_flags tun_erspan_idx tun_erspan_ver tun_erspan_dir tun_erspan_hwid ' +
  'tun_gtpu_flags tun_gtpu_msgtype tun_metadata metadata in_port in_port_oxm actset_output ' +
  'skb_priority pkt_mark ct_state ct_zone ct_mark ct_label ct_nw_proto ct_nw_src ct_nw_dst ' +
  'ct_ipv6_src ct_ipv6_dst ct_tp_src ct_tp_dst reg xreg xxreg eth_src eth_dst eth_type vlan_tci ' +
  'vlan_vid vlan_pcp mpls_label mpls_tc mpls_bos mpls_ttl ip_src ip_dst ipv6_src ipv6_dst ' +
  'ipv6_label nw_proto nw_tos ip_dscp nw_ecn nw_ttl ip_frag arp_op arp_spa arp_tpa arp_sha arp_tha ' +
  'tcp_src tcp_dst tcp_flags udp_src udp_dst sctp_src sctp_dst icmp_type icmp_code icmpv6_type ' +
  'icmpv6_code nd_target nd_sll nd_tll nd_reserved nd_options_type nsh_flags nsh_mdtype nsh_np ' +
  'nsh_spi nsh_si nsh_c nsh_ttl';
const ORDER = new Map(ORDERED.split(' ').map((name, i) => [name, i * 100]));

const places = new Map<string, number>();

function place(name: string): number {
  let found = places.get(name);
  if (found === undefined) {
    found = findPlace(name);
    places.set(name, found);
  }
  return found;
}

function findPlace(name: string): number {
  const numbered = /^(tun_metadata|reg|xreg|xxreg|nsh_c)(\d+)$/.exec(name);
  if (numbered) return ORDER.get(numbered[1]!)! + Number(numbered[2]);
  return ORDER.get(name) ?? 0;
}

/** In the order in which switches tell of them. */
export function sortFields(names: Iterable<string>): string[] {
  return [...names].sort((a, b) => place(a) - place(b));
}
