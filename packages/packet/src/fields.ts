/**
 * Every match field, as ovs-fields(7) specifies it: names, code points, widths, mask rules and
 * prerequisites, with the field's place in `Flow`. Where `tun_metadata` lies is configured, see
 * tlv-table.ts.
 */
import { KEY_SLOTS, type KeySlot } from './key-layout.ts';

export type FieldFormat =
  | 'decimal'
  | 'hexadecimal'
  | 'IPv4'
  | 'IPv6'
  | 'Ethernet'
  | 'OpenFlow 1.0 port'
  | 'OpenFlow 1.1+ port'
  | 'packet type'
  | 'ct state'
  | 'tunnel flags'
  | 'frag'
  | 'TCP flags';

export type FieldPrerequisite =
  | 'CT'
  | 'Ethernet'
  | 'VLAN VID'
  | 'MPLS'
  | 'IPv4'
  | 'IPv6'
  | 'IPv4/IPv6'
  | 'ARP'
  | 'NSH'
  | 'TCP'
  | 'UDP'
  | 'SCTP'
  | 'ICMPv4'
  | 'ICMPv6'
  | 'ND'
  | 'ND solicit'
  | 'ND advert';

/** Name of an OXM/NXM code point and its field number within the class. */
export type CodePoint = readonly [name: string, field: number];

export interface Field {
  readonly name: string;
  /** The name before OpenFlow 1.3's spelling, or after. Both are accepted. */
  readonly alias?: string;
  /** Width on the wire in bits, a multiple of 8. */
  readonly width: number;
  /** Significant low bits, when fewer than `width`. */
  readonly bits?: number;
  readonly format: FieldFormat;
  readonly masking: 'none' | 'bitwise';
  readonly prerequisite?: FieldPrerequisite;
  readonly readOnly?: true;
  readonly oxm?: CodePoint;
  readonly nxm?: CodePoint;
  /** Accessor of `Flow` whose value holds the field, `shift` bits from its low end. */
  readonly key?: string;
  readonly shift?: number;
  /** N of `tun_metadataN`, whose place the flow's TLV table knows. */
  readonly tunMetadata?: number;
}

/** Class and, for class 0xffff, experimenter of a code point, by the prefix of its name. */
export const OXM_CLASSES: readonly (readonly [prefix: string, cls: number, vendor: number])[] = [
  ['NXM_OF_', 0x0000, 0],
  ['NXM_NX_', 0x0001, 0],
  ['ERICOXM_OF_', 0x1000, 0],
  ['OXM_OF_PKT_REG', 0x8001, 0],
  ['OXM_OF_', 0x8000, 0],
  ['NXOXM_ET_', 0xffff, 0x00002320],
  ['NXOXM_NSH_', 0xffff, 0x005ad650],
  ['ONFOXM_ET_', 0xffff, 0x4f4e4600],
];

export function codePointClass(point: CodePoint): { cls: number; vendor: number } {
  for (const [prefix, cls, vendor] of OXM_CLASSES) {
    if (point[0].startsWith(prefix)) return { cls, vendor };
  }
  throw new Error(`no class for ${point[0]}`);
}

/** Fields that differ by a number at the end of their names. */
function family(count: number, first: Field): Field[] {
  const numbered = (p: CodePoint, i: number): CodePoint => [`${p[0]}${i}`, p[1] + i];
  return Array.from({ length: count }, (_, i) => ({
    ...first,
    name: `${first.name}${i}`,
    ...(first.key !== undefined && { key: `${first.key}${i}` }),
    ...(first.tunMetadata !== undefined && { tunMetadata: i }),
    ...(first.oxm && { oxm: numbered(first.oxm, i) }),
    ...(first.nxm && { nxm: numbered(first.nxm, i) }),
  }));
}

// biome-ignore format: one row per field reads as the table it is
export const FIELDS: readonly Field[] = [
  { name: 'dp_hash', width: 32, format: 'hexadecimal', masking: 'bitwise', readOnly: true, nxm: ['NXM_NX_DP_HASH', 35], key: 'dpHash' },
  { name: 'recirc_id', width: 32, format: 'decimal', masking: 'none', readOnly: true, nxm: ['NXM_NX_RECIRC_ID', 36], key: 'recircId' },
  { name: 'conj_id', width: 32, format: 'decimal', masking: 'none', readOnly: true, nxm: ['NXM_NX_CONJ_ID', 37], key: 'conjId' },
  { name: 'tun_id', alias: 'tunnel_id', width: 64, format: 'hexadecimal', masking: 'bitwise', oxm: ['OXM_OF_TUNNEL_ID', 38], nxm: ['NXM_NX_TUN_ID', 16], key: 'tunId' },
  { name: 'tun_src', width: 32, format: 'IPv4', masking: 'bitwise', nxm: ['NXM_NX_TUN_IPV4_SRC', 31], key: 'tunSrc' },
  { name: 'tun_dst', width: 32, format: 'IPv4', masking: 'bitwise', nxm: ['NXM_NX_TUN_IPV4_DST', 32], key: 'tunDst' },
  { name: 'tun_ipv6_src', width: 128, format: 'IPv6', masking: 'bitwise', nxm: ['NXM_NX_TUN_IPV6_SRC', 109], key: 'tunIpv6Src' },
  { name: 'tun_ipv6_dst', width: 128, format: 'IPv6', masking: 'bitwise', nxm: ['NXM_NX_TUN_IPV6_DST', 110], key: 'tunIpv6Dst' },
  { name: 'tun_tos', width: 8, format: 'decimal', masking: 'none', readOnly: true, key: 'tunTos' },
  { name: 'tun_ttl', width: 8, format: 'decimal', masking: 'none', readOnly: true, key: 'tunTtl' },
  { name: 'tun_gbp_id', width: 16, format: 'decimal', masking: 'bitwise', nxm: ['NXM_NX_TUN_GBP_ID', 38], key: 'tunGbpId' },
  { name: 'tun_gbp_flags', width: 8, format: 'hexadecimal', masking: 'bitwise', nxm: ['NXM_NX_TUN_GBP_FLAGS', 39], key: 'tunGbpFlags' },
  { name: 'tun_erspan_ver', width: 8, bits: 4, format: 'decimal', masking: 'bitwise', nxm: ['NXOXM_ET_ERSPAN_VER', 12], key: 'tunErspanVer' },
  { name: 'tun_erspan_idx', width: 32, bits: 20, format: 'hexadecimal', masking: 'bitwise', nxm: ['NXOXM_ET_ERSPAN_IDX', 11], key: 'tunErspanIdx' },
  { name: 'tun_erspan_dir', width: 8, bits: 1, format: 'decimal', masking: 'bitwise', nxm: ['NXOXM_ET_ERSPAN_DIR', 13], key: 'tunErspanDir' },
  { name: 'tun_erspan_hwid', width: 8, bits: 6, format: 'hexadecimal', masking: 'bitwise', nxm: ['NXOXM_ET_ERSPAN_HWID', 14], key: 'tunErspanHwid' },
  { name: 'tun_gtpu_flags', width: 8, format: 'hexadecimal', masking: 'bitwise', readOnly: true, nxm: ['NXOXM_ET_GTPU_FLAGS', 15], key: 'tunGtpuFlags' },
  { name: 'tun_gtpu_msgtype', width: 8, format: 'decimal', masking: 'bitwise', readOnly: true, nxm: ['NXOXM_ET_GTPU_MSGTYPE', 16], key: 'tunGtpuMsgtype' },
  ...family(64, { name: 'tun_metadata', width: 992, format: 'hexadecimal', masking: 'bitwise', tunMetadata: 0, nxm: ['NXM_NX_TUN_METADATA', 40] }),
  { name: 'tun_flags', width: 16, bits: 1, format: 'tunnel flags', masking: 'bitwise', nxm: ['NXM_NX_TUN_FLAGS', 104], key: 'tunFlags' },
  { name: 'in_port', width: 16, format: 'OpenFlow 1.0 port', masking: 'none', nxm: ['NXM_OF_IN_PORT', 0], key: 'inPort' },
  { name: 'in_port_oxm', width: 32, format: 'OpenFlow 1.1+ port', masking: 'none', oxm: ['OXM_OF_IN_PORT', 0], key: 'inPort' },
  { name: 'skb_priority', width: 32, format: 'hexadecimal', masking: 'none', readOnly: true, key: 'skbPriority' },
  { name: 'pkt_mark', width: 32, format: 'hexadecimal', masking: 'bitwise', nxm: ['NXM_NX_PKT_MARK', 33], key: 'pktMark' },
  { name: 'actset_output', width: 32, format: 'OpenFlow 1.1+ port', masking: 'none', readOnly: true, oxm: ['ONFOXM_ET_ACTSET_OUTPUT', 43], key: 'actsetOutput' },
  { name: 'packet_type', width: 32, format: 'packet type', masking: 'none', readOnly: true, oxm: ['OXM_OF_PACKET_TYPE', 44], key: 'packetType' },
  { name: 'ct_state', width: 32, format: 'ct state', masking: 'bitwise', readOnly: true, nxm: ['NXM_NX_CT_STATE', 105], key: 'ctState' },
  { name: 'ct_zone', width: 16, format: 'hexadecimal', masking: 'none', readOnly: true, nxm: ['NXM_NX_CT_ZONE', 106], key: 'ctZone' },
  { name: 'ct_mark', width: 32, format: 'hexadecimal', masking: 'bitwise', nxm: ['NXM_NX_CT_MARK', 107], key: 'ctMark' },
  { name: 'ct_label', width: 128, format: 'hexadecimal', masking: 'bitwise', nxm: ['NXM_NX_CT_LABEL', 108], key: 'ctLabel' },
  { name: 'ct_nw_src', width: 32, format: 'IPv4', masking: 'bitwise', prerequisite: 'CT', readOnly: true, nxm: ['NXM_NX_CT_NW_SRC', 120], key: 'ctNwSrc' },
  { name: 'ct_nw_dst', width: 32, format: 'IPv4', masking: 'bitwise', prerequisite: 'CT', readOnly: true, nxm: ['NXM_NX_CT_NW_DST', 121], key: 'ctNwDst' },
  { name: 'ct_ipv6_src', width: 128, format: 'IPv6', masking: 'bitwise', prerequisite: 'CT', readOnly: true, nxm: ['NXM_NX_CT_IPV6_SRC', 122], key: 'ctIpv6Src' },
  { name: 'ct_ipv6_dst', width: 128, format: 'IPv6', masking: 'bitwise', prerequisite: 'CT', readOnly: true, nxm: ['NXM_NX_CT_IPV6_DST', 123], key: 'ctIpv6Dst' },
  { name: 'ct_nw_proto', width: 8, format: 'decimal', masking: 'none', prerequisite: 'CT', readOnly: true, nxm: ['NXM_NX_CT_NW_PROTO', 119], key: 'ctNwProto' },
  { name: 'ct_tp_src', width: 16, format: 'decimal', masking: 'bitwise', prerequisite: 'CT', readOnly: true, nxm: ['NXM_NX_CT_TP_SRC', 124], key: 'ctTpSrc' },
  { name: 'ct_tp_dst', width: 16, format: 'decimal', masking: 'bitwise', prerequisite: 'CT', readOnly: true, nxm: ['NXM_NX_CT_TP_DST', 125], key: 'ctTpDst' },
  { name: 'metadata', width: 64, format: 'hexadecimal', masking: 'bitwise', oxm: ['OXM_OF_METADATA', 2], key: 'metadata' },
  ...family(16, { name: 'reg', width: 32, format: 'hexadecimal', masking: 'bitwise', nxm: ['NXM_NX_REG', 0], key: 'reg' }),
  ...family(8, { name: 'xreg', width: 64, format: 'hexadecimal', masking: 'bitwise', oxm: ['OXM_OF_PKT_REG', 0], key: 'xreg' }),
  ...family(4, { name: 'xxreg', width: 128, format: 'hexadecimal', masking: 'bitwise', nxm: ['NXM_NX_XXREG', 111], key: 'xxreg' }),
  { name: 'eth_src', alias: 'dl_src', width: 48, format: 'Ethernet', masking: 'bitwise', prerequisite: 'Ethernet', oxm: ['OXM_OF_ETH_SRC', 4], nxm: ['NXM_OF_ETH_SRC', 2], key: 'dlSrc' },
  { name: 'eth_dst', alias: 'dl_dst', width: 48, format: 'Ethernet', masking: 'bitwise', prerequisite: 'Ethernet', oxm: ['OXM_OF_ETH_DST', 3], nxm: ['NXM_OF_ETH_DST', 1], key: 'dlDst' },
  { name: 'eth_type', alias: 'dl_type', width: 16, format: 'hexadecimal', masking: 'none', prerequisite: 'Ethernet', readOnly: true, oxm: ['OXM_OF_ETH_TYPE', 5], nxm: ['NXM_OF_ETH_TYPE', 3], key: 'dlType' },
  { name: 'vlan_vid', width: 16, bits: 12, format: 'decimal', masking: 'bitwise', prerequisite: 'Ethernet', oxm: ['OXM_OF_VLAN_VID', 6], key: 'vlanTci0' },
  { name: 'vlan_pcp', width: 8, bits: 3, format: 'decimal', masking: 'none', prerequisite: 'VLAN VID', oxm: ['OXM_OF_VLAN_PCP', 7], key: 'vlanTci0', shift: 13 },
  { name: 'vlan_tci', width: 16, format: 'hexadecimal', masking: 'bitwise', prerequisite: 'Ethernet', nxm: ['NXM_OF_VLAN_TCI', 4], key: 'vlanTci0' },
  { name: 'mpls_label', width: 32, bits: 20, format: 'decimal', masking: 'none', prerequisite: 'MPLS', oxm: ['OXM_OF_MPLS_LABEL', 34], key: 'mplsLse0', shift: 12 },
  { name: 'mpls_tc', width: 8, bits: 3, format: 'decimal', masking: 'none', prerequisite: 'MPLS', oxm: ['OXM_OF_MPLS_TC', 35], key: 'mplsLse0', shift: 9 },
  { name: 'mpls_bos', width: 8, bits: 1, format: 'decimal', masking: 'none', prerequisite: 'MPLS', readOnly: true, oxm: ['OXM_OF_MPLS_BOS', 36], key: 'mplsLse0', shift: 8 },
  { name: 'mpls_ttl', width: 8, format: 'decimal', masking: 'none', prerequisite: 'MPLS', nxm: ['NXM_NX_MPLS_TTL', 30], key: 'mplsLse0' },
  { name: 'ip_src', alias: 'nw_src', width: 32, format: 'IPv4', masking: 'bitwise', prerequisite: 'IPv4', oxm: ['OXM_OF_IPV4_SRC', 11], nxm: ['NXM_OF_IP_SRC', 7], key: 'nwSrc' },
  { name: 'ip_dst', alias: 'nw_dst', width: 32, format: 'IPv4', masking: 'bitwise', prerequisite: 'IPv4', oxm: ['OXM_OF_IPV4_DST', 12], nxm: ['NXM_OF_IP_DST', 8], key: 'nwDst' },
  { name: 'ipv6_src', width: 128, format: 'IPv6', masking: 'bitwise', prerequisite: 'IPv6', oxm: ['OXM_OF_IPV6_SRC', 26], nxm: ['NXM_NX_IPV6_SRC', 19], key: 'ipv6Src' },
  { name: 'ipv6_dst', width: 128, format: 'IPv6', masking: 'bitwise', prerequisite: 'IPv6', oxm: ['OXM_OF_IPV6_DST', 27], nxm: ['NXM_NX_IPV6_DST', 20], key: 'ipv6Dst' },
  { name: 'ipv6_label', width: 32, bits: 20, format: 'hexadecimal', masking: 'bitwise', prerequisite: 'IPv6', oxm: ['OXM_OF_IPV6_FLABEL', 28], nxm: ['NXM_NX_IPV6_LABEL', 27], key: 'ipv6Label' },
  { name: 'nw_proto', alias: 'ip_proto', width: 8, format: 'decimal', masking: 'none', prerequisite: 'IPv4/IPv6', readOnly: true, oxm: ['OXM_OF_IP_PROTO', 10], nxm: ['NXM_OF_IP_PROTO', 6], key: 'nwProto' },
  { name: 'nw_ttl', width: 8, format: 'decimal', masking: 'none', prerequisite: 'IPv4/IPv6', nxm: ['NXM_NX_IP_TTL', 29], key: 'nwTtl' },
  { name: 'ip_frag', alias: 'nw_frag', width: 8, bits: 2, format: 'frag', masking: 'bitwise', prerequisite: 'IPv4/IPv6', readOnly: true, nxm: ['NXM_NX_IP_FRAG', 26], key: 'nwFrag' },
  { name: 'nw_tos', width: 8, format: 'decimal', masking: 'none', prerequisite: 'IPv4/IPv6', nxm: ['NXM_OF_IP_TOS', 5], key: 'nwTos' },
  { name: 'ip_dscp', width: 8, bits: 6, format: 'decimal', masking: 'none', prerequisite: 'IPv4/IPv6', oxm: ['OXM_OF_IP_DSCP', 8], key: 'nwTos', shift: 2 },
  { name: 'nw_ecn', alias: 'ip_ecn', width: 8, bits: 2, format: 'decimal', masking: 'none', prerequisite: 'IPv4/IPv6', oxm: ['OXM_OF_IP_ECN', 9], nxm: ['NXM_NX_IP_ECN', 28], key: 'nwTos' },
  { name: 'arp_op', width: 16, format: 'decimal', masking: 'none', prerequisite: 'ARP', oxm: ['OXM_OF_ARP_OP', 21], nxm: ['NXM_OF_ARP_OP', 15], key: 'nwProto' },
  { name: 'arp_spa', width: 32, format: 'IPv4', masking: 'bitwise', prerequisite: 'ARP', oxm: ['OXM_OF_ARP_SPA', 22], nxm: ['NXM_OF_ARP_SPA', 16], key: 'nwSrc' },
  { name: 'arp_tpa', width: 32, format: 'IPv4', masking: 'bitwise', prerequisite: 'ARP', oxm: ['OXM_OF_ARP_TPA', 23], nxm: ['NXM_OF_ARP_TPA', 17], key: 'nwDst' },
  { name: 'arp_sha', width: 48, format: 'Ethernet', masking: 'bitwise', prerequisite: 'ARP', oxm: ['OXM_OF_ARP_SHA', 24], nxm: ['NXM_NX_ARP_SHA', 17], key: 'arpSha' },
  { name: 'arp_tha', width: 48, format: 'Ethernet', masking: 'bitwise', prerequisite: 'ARP', oxm: ['OXM_OF_ARP_THA', 25], nxm: ['NXM_NX_ARP_THA', 18], key: 'arpTha' },
  { name: 'nsh_flags', width: 8, format: 'decimal', masking: 'bitwise', prerequisite: 'NSH', nxm: ['NXOXM_NSH_FLAGS', 1], key: 'nshFlags' },
  { name: 'nsh_ttl', width: 8, format: 'decimal', masking: 'none', prerequisite: 'NSH', nxm: ['NXOXM_NSH_TTL', 10], key: 'nshTtl' },
  { name: 'nsh_mdtype', width: 8, format: 'decimal', masking: 'none', prerequisite: 'NSH', readOnly: true, nxm: ['NXOXM_NSH_MDTYPE', 2], key: 'nshMdtype' },
  { name: 'nsh_np', width: 8, format: 'decimal', masking: 'none', prerequisite: 'NSH', readOnly: true, nxm: ['NXOXM_NSH_NP', 3], key: 'nshNp' },
  { name: 'nsh_spi', alias: 'nsp', width: 32, bits: 24, format: 'hexadecimal', masking: 'none', prerequisite: 'NSH', nxm: ['NXOXM_NSH_SPI', 4], key: 'nshPath', shift: 8 },
  { name: 'nsh_si', alias: 'nsi', width: 8, format: 'decimal', masking: 'none', prerequisite: 'NSH', nxm: ['NXOXM_NSH_SI', 5], key: 'nshPath' },
  { name: 'nsh_c1', alias: 'nshc1', width: 32, format: 'hexadecimal', masking: 'bitwise', prerequisite: 'NSH', nxm: ['NXOXM_NSH_C1', 6], key: 'nshC1' },
  { name: 'nsh_c2', alias: 'nshc2', width: 32, format: 'hexadecimal', masking: 'bitwise', prerequisite: 'NSH', nxm: ['NXOXM_NSH_C2', 7], key: 'nshC2' },
  { name: 'nsh_c3', alias: 'nshc3', width: 32, format: 'hexadecimal', masking: 'bitwise', prerequisite: 'NSH', nxm: ['NXOXM_NSH_C3', 8], key: 'nshC3' },
  { name: 'nsh_c4', alias: 'nshc4', width: 32, format: 'hexadecimal', masking: 'bitwise', prerequisite: 'NSH', nxm: ['NXOXM_NSH_C4', 9], key: 'nshC4' },
  { name: 'tcp_src', alias: 'tp_src', width: 16, format: 'decimal', masking: 'bitwise', prerequisite: 'TCP', oxm: ['OXM_OF_TCP_SRC', 13], nxm: ['NXM_OF_TCP_SRC', 9], key: 'tpSrc' },
  { name: 'tcp_dst', alias: 'tp_dst', width: 16, format: 'decimal', masking: 'bitwise', prerequisite: 'TCP', oxm: ['OXM_OF_TCP_DST', 14], nxm: ['NXM_OF_TCP_DST', 10], key: 'tpDst' },
  { name: 'tcp_flags', width: 16, bits: 12, format: 'TCP flags', masking: 'bitwise', prerequisite: 'TCP', readOnly: true, oxm: ['ONFOXM_ET_TCP_FLAGS', 42], nxm: ['NXM_NX_TCP_FLAGS', 34], key: 'tcpFlags' },
  { name: 'udp_src', width: 16, format: 'decimal', masking: 'bitwise', prerequisite: 'UDP', oxm: ['OXM_OF_UDP_SRC', 15], nxm: ['NXM_OF_UDP_SRC', 11], key: 'tpSrc' },
  { name: 'udp_dst', width: 16, format: 'decimal', masking: 'bitwise', prerequisite: 'UDP', oxm: ['OXM_OF_UDP_DST', 16], nxm: ['NXM_OF_UDP_DST', 12], key: 'tpDst' },
  { name: 'sctp_src', width: 16, format: 'decimal', masking: 'bitwise', prerequisite: 'SCTP', oxm: ['OXM_OF_SCTP_SRC', 17], key: 'tpSrc' },
  { name: 'sctp_dst', width: 16, format: 'decimal', masking: 'bitwise', prerequisite: 'SCTP', oxm: ['OXM_OF_SCTP_DST', 18], key: 'tpDst' },
  { name: 'icmp_type', width: 8, format: 'decimal', masking: 'none', prerequisite: 'ICMPv4', oxm: ['OXM_OF_ICMPV4_TYPE', 19], nxm: ['NXM_OF_ICMP_TYPE', 13], key: 'tpSrc' },
  { name: 'icmp_code', width: 8, format: 'decimal', masking: 'none', prerequisite: 'ICMPv4', oxm: ['OXM_OF_ICMPV4_CODE', 20], nxm: ['NXM_OF_ICMP_CODE', 14], key: 'tpDst' },
  { name: 'icmpv6_type', width: 8, format: 'decimal', masking: 'none', prerequisite: 'ICMPv6', oxm: ['OXM_OF_ICMPV6_TYPE', 29], nxm: ['NXM_NX_ICMPV6_TYPE', 21], key: 'tpSrc' },
  { name: 'icmpv6_code', width: 8, format: 'decimal', masking: 'none', prerequisite: 'ICMPv6', oxm: ['OXM_OF_ICMPV6_CODE', 30], nxm: ['NXM_NX_ICMPV6_CODE', 22], key: 'tpDst' },
  { name: 'nd_target', width: 128, format: 'IPv6', masking: 'bitwise', prerequisite: 'ND', oxm: ['OXM_OF_IPV6_ND_TARGET', 31], nxm: ['NXM_NX_ND_TARGET', 23], key: 'ndTarget' },
  { name: 'nd_sll', width: 48, format: 'Ethernet', masking: 'bitwise', prerequisite: 'ND solicit', oxm: ['OXM_OF_IPV6_ND_SLL', 32], nxm: ['NXM_NX_ND_SLL', 24], key: 'ndSll' },
  { name: 'nd_tll', width: 48, format: 'Ethernet', masking: 'bitwise', prerequisite: 'ND advert', oxm: ['OXM_OF_IPV6_ND_TLL', 33], nxm: ['NXM_NX_ND_TLL', 25], key: 'ndTll' },
  { name: 'nd_reserved', width: 32, format: 'decimal', masking: 'none', prerequisite: 'ND', nxm: ['ERICOXM_OF_ICMPV6_ND_RESERVED', 1], key: 'ndReserved' },
  { name: 'nd_options_type', width: 8, format: 'decimal', masking: 'none', prerequisite: 'ND', nxm: ['ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE', 2], key: 'ndOptionsType' },
];

const byName = new Map<string, Field>();
for (const field of FIELDS) {
  byName.set(field.name, field);
  if (field.alias !== undefined) byName.set(field.alias, field);
}

export function fieldByName(name: string): Field | undefined {
  return byName.get(name);
}

/** Where the field's bytes lie in the flow key. */
export function fieldSlot(field: Field): KeySlot | undefined {
  return field.key === undefined ? undefined : KEY_SLOTS.get(field.key);
}
