/** Which flow formats can carry a match or action (ovs-ofctl(8), "--flow-format", "--protocols"). */
import { ETH_P_IPV6, type Field } from '@heddle/packet';
import type { OfpVersion } from '../constants.ts';
import type { Match } from '../match.ts';
import type { FlowFormat } from '../messages.ts';

export const OFPUTIL_P_OF10_STD = 1 << 0;
export const OFPUTIL_P_OF10_STD_TID = 1 << 1;
export const OFPUTIL_P_OF10_NXM = 1 << 2;
export const OFPUTIL_P_OF10_NXM_TID = 1 << 3;
export const OFPUTIL_P_OF11_STD = 1 << 4;
export const OFPUTIL_P_OF12_OXM = 1 << 5;
export const OFPUTIL_P_OF13_OXM = 1 << 6;
export const OFPUTIL_P_OF14_OXM = 1 << 7;
const OFPUTIL_P_OF15_OXM = 1 << 8;
export const OFPUTIL_P_OF10_STD_ANY = OFPUTIL_P_OF10_STD | OFPUTIL_P_OF10_STD_TID;
export const OFPUTIL_P_OF10_NXM_ANY = OFPUTIL_P_OF10_NXM | OFPUTIL_P_OF10_NXM_TID;
export const OFPUTIL_P_OF10_ANY = OFPUTIL_P_OF10_STD_ANY | OFPUTIL_P_OF10_NXM_ANY;
/** OpenFlow 1.5 and later. */
export const OFPUTIL_P_OF15_UP = 0 | OFPUTIL_P_OF15_OXM;
export const OFPUTIL_P_OF14_UP = OFPUTIL_P_OF14_OXM | OFPUTIL_P_OF15_OXM;
export const OFPUTIL_P_OF13_UP = OFPUTIL_P_OF13_OXM | OFPUTIL_P_OF14_UP;
export const OFPUTIL_P_ANY_OXM = OFPUTIL_P_OF12_OXM | OFPUTIL_P_OF13_UP;
export const OFPUTIL_P_OF11_UP = OFPUTIL_P_OF11_STD | OFPUTIL_P_ANY_OXM;
export const OFPUTIL_P_NXM_OXM_ANY = OFPUTIL_P_OF10_NXM_ANY | OFPUTIL_P_ANY_OXM;
export const OFPUTIL_P_ANY = OFPUTIL_P_OF10_ANY | OFPUTIL_P_OF11_UP;
/** Those that can name a table. */
export const OFPUTIL_P_TID = OFPUTIL_P_OF10_STD_TID | OFPUTIL_P_OF10_NXM_TID | OFPUTIL_P_OF11_UP;

/** A set of OFPUTIL_P_* bits. */
export type Protocols = number;

const NAMES: readonly (readonly [name: string, bits: Protocols])[] = [
  ['any', OFPUTIL_P_ANY],
  ['OpenFlow10', OFPUTIL_P_OF10_STD_ANY],
  ['NXM', OFPUTIL_P_OF10_NXM_ANY],
  ['OXM', OFPUTIL_P_ANY_OXM],
  ['OpenFlow10-table_id', OFPUTIL_P_OF10_STD],
  ['OpenFlow10+table_id', OFPUTIL_P_OF10_STD_TID],
  ['NXM-table_id', OFPUTIL_P_OF10_NXM],
  ['NXM+table_id', OFPUTIL_P_OF10_NXM_TID],
  ['OpenFlow11', OFPUTIL_P_OF11_STD],
  ['OXM-OpenFlow12', OFPUTIL_P_OF12_OXM],
  ['OXM-OpenFlow13', OFPUTIL_P_OF13_OXM],
  ['OXM-OpenFlow14', OFPUTIL_P_OF14_OXM],
  ['OXM-OpenFlow15', OFPUTIL_P_OF15_OXM],
];

/** `any`, `NXM,OXM`, `none`. */
export function formatProtocols(protocols: Protocols): string {
  const parts: string[] = [];
  let rest = protocols;
  for (const [name, bits] of NAMES) {
    if (rest === 0) break;
    if ((rest & bits) !== bits) continue;
    parts.push(name);
    rest &= ~bits;
  }
  return parts.length === 0 ? 'none' : parts.join(',');
}

/** Names as above, in any case; undefined for one that is unknown. */
export function parseProtocols(text: string): Protocols | undefined {
  let all = 0;
  for (const word of text.split(/[\s,]+/).filter(Boolean)) {
    const bits = NAMES.find(([name]) => name.toLowerCase() === word.toLowerCase())?.[1];
    if (bits === undefined) return undefined;
    all |= bits;
  }
  return all;
}

/** In the order of preference. */
export const PROTOCOL_ORDER: readonly Protocols[] = [
  OFPUTIL_P_OF10_STD,
  OFPUTIL_P_OF10_STD_TID,
  OFPUTIL_P_OF10_NXM,
  OFPUTIL_P_OF10_NXM_TID,
  OFPUTIL_P_OF11_STD,
  OFPUTIL_P_OF12_OXM,
  OFPUTIL_P_OF13_OXM,
  OFPUTIL_P_OF14_OXM,
  OFPUTIL_P_OF15_OXM,
];

/** The version of one protocol. */
export function protocolVersion(protocol: Protocols): OfpVersion {
  if ((protocol & OFPUTIL_P_OF10_ANY) !== 0) return 1;
  return (2 + Math.log2(protocol / OFPUTIL_P_OF11_STD)) as OfpVersion;
}

/** Those of a version. */
export function versionProtocols(version: OfpVersion): Protocols {
  return version === 1 ? OFPUTIL_P_OF10_ANY : OFPUTIL_P_OF11_STD << (version - 2);
}

/** How a flow mod of one protocol has its match. */
export function protocolFormat(protocol: Protocols): { format: FlowFormat; hasTableId: boolean } {
  const hasTableId = (protocol & OFPUTIL_P_TID) !== 0;
  if ((protocol & OFPUTIL_P_OF10_STD_ANY) !== 0) return { format: 'OpenFlow10', hasTableId };
  if ((protocol & OFPUTIL_P_OF10_NXM_ANY) !== 0) return { format: 'NXM', hasTableId };
  return { format: protocol === OFPUTIL_P_OF11_STD ? 'OpenFlow11' : 'OXM', hasTableId };
}

type Masks = 'exact' | 'cidr' | 'any';

/** What OpenFlow 1.0 and 1.1 say of fields (ovs-fields(7)); the rest neither has. */
const OLD: Readonly<Record<string, readonly [of10: Masks | undefined, of11: Masks | undefined]>> = {
  in_port: ['exact', 'exact'],
  in_port_oxm: [undefined, 'exact'],
  metadata: [undefined, 'any'],
  eth_src: ['exact', 'any'],
  eth_dst: ['exact', 'any'],
  eth_type: ['exact', 'exact'],
  vlan_vid: ['exact', 'exact'],
  vlan_pcp: ['exact', 'exact'],
  vlan_tci: ['exact', 'exact'],
  mpls_label: [undefined, 'exact'],
  mpls_tc: [undefined, 'exact'],
  ip_src: ['cidr', 'any'],
  ip_dst: ['cidr', 'any'],
  nw_proto: ['exact', 'exact'],
  nw_tos: ['exact', 'exact'],
  ip_dscp: ['exact', 'exact'],
  nw_ecn: [undefined, 'exact'],
  arp_op: ['exact', 'exact'],
  arp_spa: ['cidr', 'any'],
  arp_tpa: ['cidr', 'any'],
  tcp_src: ['exact', 'exact'],
  tcp_dst: ['exact', 'exact'],
  udp_src: ['exact', 'exact'],
  udp_dst: ['exact', 'exact'],
  sctp_src: [undefined, 'exact'],
  sctp_dst: [undefined, 'exact'],
  icmp_type: ['exact', 'exact'],
  icmp_code: ['exact', 'exact'],
};

/** What can carry a match of the field under a mask in wire form. */
export function fieldProtocols(field: Field, mask: Uint8Array): Protocols {
  if (field.oxm === undefined && field.nxm === undefined) return 0;
  const [of10, of11] = OLD[field.name] ?? [];
  let all = OFPUTIL_P_NXM_OXM_ANY;
  if (of10 !== undefined && allows(of10, mask)) all |= OFPUTIL_P_OF10_ANY;
  if (of11 !== undefined && allows(of11, mask)) all |= OFPUTIL_P_OF11_STD;
  return all;
}

function allows(masks: Masks, mask: Uint8Array): boolean {
  if (masks === 'any') return true;
  if (mask.every((b) => b === 0xff)) return true;
  if (masks === 'exact') return false;
  const open = (~((mask[0]! << 24) | (mask[1]! << 16) | (mask[2]! << 8) | mask[3]!) + 1) >>> 0;
  return (open & (open - 1)) === 0;
}

/** OpenFlow 1.0 and 1.1 have IPv6 as an Ethertype only. */
export function ipv6Protocols({ key, mask }: Match): Protocols {
  const above = mask.nwProto | mask.nwTos | mask.tpSrc | mask.tpDst;
  if (mask.dlType === 0 || key.dlType !== ETH_P_IPV6 || above === 0) return OFPUTIL_P_ANY;
  return OFPUTIL_P_NXM_OXM_ANY;
}
