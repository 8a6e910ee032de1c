/**
 * The flow key's layout in memory, the one source of `class Flow` and of the C header that the
 * eBPF programs include. 31 words of 8 bytes are in use; the last of 32 is zero there, and in a
 * `Flow` has a tunnel's IPv4 addresses, which the programs have where those of IPv6 lie. Behind
 * them, out of the datapath's sight, `Flow` has what belongs to the OpenFlow pipeline alone.
 *
 * Header fields lie in network byte order, what the host makes itself (ports, marks, conntrack)
 * in host order, so that a key compares and masks word by word without knowing its fields.
 */

/** `be48` is a MAC, `bytes16` an IPv6 address, `bytes12` and `bytes256` options, `be*` network order, `u*` host order. */
export type KeyKind =
  | 'u8'
  | 'u16'
  | 'u32'
  | 'be16'
  | 'be32'
  | 'be48'
  | 'be64'
  | 'bytes16'
  | 'u128'
  | 'bytes12'
  | 'bytes256'
  | 'pad3';

/** Another reading of the same bytes: IPv4 in the first word of a packet's address, ARP in ND's. */
export interface KeyAlias {
  readonly ts: string;
  readonly kind: KeyKind;
  readonly doc: string;
}

export interface KeyMember {
  /** Name in `struct flow_key`. */
  readonly c: string;
  /** Name of the accessor of `Flow`; absent for padding. */
  readonly ts?: string;
  readonly kind: KeyKind;
  readonly doc: string;
  readonly alias?: readonly KeyAlias[];
}

export const KEY_WORDS = 32;
export const KEY_WORDS_USED = 31;

export const KEY_MEMBERS: readonly KeyMember[] = [
  { c: 'recirc_id', ts: 'recircId', kind: 'u32', doc: '0 for a packet fresh from a port.' },
  { c: 'in_port', ts: 'inPort', kind: 'u32', doc: 'Datapath port.' },
  { c: 'skb_mark', ts: 'pktMark', kind: 'u32', doc: 'The packet mark of the host.' },
  { c: 'dp_hash', ts: 'dpHash', kind: 'u32', doc: 'Computed by the `hash` action.' },
  { c: 'tun_id', ts: 'tunId', kind: 'be64', doc: 'Tunnel key, a bigint.' },
  {
    c: 'tun_src',
    ts: 'tunIpv6Src',
    kind: 'bytes16',
    doc: 'Outer IPv6 source; IPv4 uses the first 4 bytes in the programs.',
  },
  {
    c: 'tun_dst',
    ts: 'tunIpv6Dst',
    kind: 'bytes16',
    doc: 'Outer IPv6 destination; IPv4 uses the first 4 bytes in the programs.',
  },
  { c: 'tun_flags', ts: 'tunFlags', kind: 'u16', doc: 'FLOW_TNL_F_* bits.' },
  { c: 'tun_tos', ts: 'tunTos', kind: 'u8', doc: 'Outer TOS.' },
  { c: 'tun_ttl', ts: 'tunTtl', kind: 'u8', doc: 'Outer TTL.' },
  { c: 'tun_tp_src', ts: 'tunTpSrc', kind: 'be16', doc: 'Outer UDP source port.' },
  { c: 'tun_tp_dst', ts: 'tunTpDst', kind: 'be16', doc: 'Outer UDP destination port.' },
  { c: 'eth_dst', ts: 'dlDst', kind: 'be48', doc: 'Ethernet destination as a 48-bit number.' },
  {
    c: 'eth_type',
    ts: 'dlType',
    kind: 'be16',
    doc: 'Type inside up to two VLAN tags; 0x05ff for a frame with a length instead.',
  },
  { c: 'eth_src', ts: 'dlSrc', kind: 'be48', doc: 'Ethernet source as a 48-bit number.' },
  { c: 'tcp_flags', ts: 'tcpFlags', kind: 'be16', doc: 'The 12 low bits of bytes 12 and 13.' },
  { c: 'vlan0_tci', ts: 'vlanTci0', kind: 'be16', doc: 'Outer tag; 0x1000 set when present.' },
  { c: 'vlan0_tpid', ts: 'vlanTpid0', kind: 'be16', doc: 'Type of the outer tag.' },
  { c: 'vlan1_tci', ts: 'vlanTci1', kind: 'be16', doc: 'Inner tag; 0x1000 set when present.' },
  { c: 'vlan1_tpid', ts: 'vlanTpid1', kind: 'be16', doc: 'Type of the inner tag.' },
  {
    c: 'nw_src',
    ts: 'ipv6Src',
    kind: 'bytes16',
    doc: 'IPv6 source; IPv4 and ARP use the first 4 bytes.',
    alias: [{ ts: 'nwSrc', kind: 'be32', doc: 'IPv4 source or ARP sender.' }],
  },
  {
    c: 'nw_dst',
    ts: 'ipv6Dst',
    kind: 'bytes16',
    doc: 'IPv6 destination; IPv4 and ARP use the first 4 bytes.',
    alias: [{ ts: 'nwDst', kind: 'be32', doc: 'IPv4 destination or ARP target.' }],
  },
  { c: 'nw_proto', ts: 'nwProto', kind: 'u8', doc: 'IP protocol, or the low 8 bits of ARP op.' },
  { c: 'nw_tos', ts: 'nwTos', kind: 'u8', doc: 'DSCP and ECN.' },
  { c: 'nw_ttl', ts: 'nwTtl', kind: 'u8', doc: 'TTL or hop limit.' },
  { c: 'nw_frag', ts: 'nwFrag', kind: 'u8', doc: 'FLOW_NW_FRAG_ANY 1, FLOW_NW_FRAG_LATER 2.' },
  { c: 'tp_src', ts: 'tpSrc', kind: 'be16', doc: 'Source port, or ICMP type.' },
  { c: 'tp_dst', ts: 'tpDst', kind: 'be16', doc: 'Destination port, or ICMP code.' },
  { c: 'ct_state', ts: 'ctState', kind: 'u16', doc: 'CS_* bits.' },
  { c: 'ct_zone', ts: 'ctZone', kind: 'u16', doc: 'Conntrack zone.' },
  { c: 'ct_mark', ts: 'ctMark', kind: 'u32', doc: 'Conntrack mark.' },
  { c: 'ct_label', ts: 'ctLabel', kind: 'u128', doc: 'Conntrack label, a bigint.' },
  { c: 'nd_target', ts: 'ndTarget', kind: 'bytes16', doc: 'Neighbour discovery target.' },
  {
    c: 'arp_sha',
    ts: 'arpSha',
    kind: 'be48',
    doc: 'ARP sender hardware address.',
    alias: [{ ts: 'ndSll', kind: 'be48', doc: 'Source link-layer address option.' }],
  },
  {
    c: 'arp_tha',
    ts: 'arpTha',
    kind: 'be48',
    doc: 'ARP target hardware address.',
    alias: [{ ts: 'ndTll', kind: 'be48', doc: 'Target link-layer address option.' }],
  },
  { c: 'ipv6_label', ts: 'ipv6Label', kind: 'be32', doc: 'IPv6 flow label, 20 bits.' },
  { c: 'ct_nw_src', ts: 'ctNwSrc', kind: 'be32', doc: 'Source of the original direction.' },
  { c: 'ct_nw_dst', ts: 'ctNwDst', kind: 'be32', doc: 'Destination of the original direction.' },
  { c: 'ct_tp_src', ts: 'ctTpSrc', kind: 'be16', doc: 'Source port of the original direction.' },
  { c: 'ct_tp_dst', ts: 'ctTpDst', kind: 'be16', doc: 'Destination port of that direction.' },
  { c: 'ct_nw_proto', ts: 'ctNwProto', kind: 'u8', doc: 'Protocol of the original direction.' },
  { c: 'pad', kind: 'pad3', doc: 'Zero.' },
  { c: 'ct_ipv6_src', ts: 'ctIpv6Src', kind: 'bytes16', doc: 'Source of the original direction.' },
  { c: 'ct_ipv6_dst', ts: 'ctIpv6Dst', kind: 'bytes16', doc: 'Destination of that direction.' },
  { c: 'tun_gbp_id', ts: 'tunGbpId', kind: 'be16', doc: 'VXLAN group policy id.' },
  { c: 'tun_gbp_flags', ts: 'tunGbpFlags', kind: 'u8', doc: 'VXLAN group policy flags.' },
  { c: 'tun_opts_len', ts: 'tunOptsLen', kind: 'u8', doc: 'Bytes of Geneve options.' },
  { c: 'tun_opts', ts: 'tunOpts', kind: 'bytes12', doc: 'Them, or a digest of what is longer.' },
];

/** In the word that is zero in the programs' keys. */
export const TUNNEL_IPV4_MEMBERS: readonly KeyMember[] = [
  { c: 'tun_ipv4_src', ts: 'tunSrc', kind: 'be32', doc: 'Outer IPv4 source.' },
  { c: 'tun_ipv4_dst', ts: 'tunDst', kind: 'be32', doc: 'Outer IPv4 destination.' },
];

/** Words of 4 bytes of a `Flow`; the first `2 * KEY_WORDS` are the datapath's key. */
export const FLOW_WORDS = 176;

function register(n: number): KeyMember {
  const alias: KeyAlias[] = [];
  if (n % 2 === 0) alias.push({ ts: `xreg${n / 2}`, kind: 'be64', doc: 'A register pair.' });
  if (n % 4 === 0) alias.push({ ts: `xxreg${n / 4}`, kind: 'bytes16', doc: 'Four registers.' });
  return { c: `reg${n}`, ts: `reg${n}`, kind: 'be32', doc: `Register ${n}.`, alias };
}

/** What only the pipeline knows, from byte `8 * KEY_WORDS` on. */
export const PIPELINE_MEMBERS: readonly KeyMember[] = [
  ...Array.from({ length: 16 }, (_, n) => register(n)),
  { c: 'metadata', ts: 'metadata', kind: 'be64', doc: 'OpenFlow metadata, a bigint.' },
  { c: 'conj_id', ts: 'conjId', kind: 'be32', doc: 'Conjunction that matched, 0 for none.' },
  { c: 'actset_output', ts: 'actsetOutput', kind: 'be32', doc: 'OpenFlow port, 16 bits.' },
  { c: 'packet_type', ts: 'packetType', kind: 'be32', doc: 'Name space and type; 0 is Ethernet.' },
  { c: 'skb_priority', ts: 'skbPriority', kind: 'be32', doc: 'Priority for QoS (set_queue).' },
  { c: 'mpls_lse0', ts: 'mplsLse0', kind: 'be32', doc: 'Outermost MPLS label stack entry.' },
  { c: 'mpls_lse1', ts: 'mplsLse1', kind: 'be32', doc: 'Second MPLS label stack entry.' },
  { c: 'mpls_lse2', ts: 'mplsLse2', kind: 'be32', doc: 'Third MPLS label stack entry.' },
  { c: 'nsh_flags', ts: 'nshFlags', kind: 'u8', doc: 'NSH flags (RFC 8300).' },
  { c: 'nsh_ttl', ts: 'nshTtl', kind: 'u8', doc: 'NSH TTL.' },
  { c: 'nsh_mdtype', ts: 'nshMdtype', kind: 'u8', doc: 'NSH metadata type.' },
  { c: 'nsh_np', ts: 'nshNp', kind: 'u8', doc: 'NSH next protocol.' },
  { c: 'nsh_path', ts: 'nshPath', kind: 'be32', doc: 'Service path in 24 bits, index in 8.' },
  { c: 'nsh_c1', ts: 'nshC1', kind: 'be32', doc: 'NSH context header 1.' },
  { c: 'nsh_c2', ts: 'nshC2', kind: 'be32', doc: 'NSH context header 2.' },
  { c: 'nsh_c3', ts: 'nshC3', kind: 'be32', doc: 'NSH context header 3.' },
  { c: 'nsh_c4', ts: 'nshC4', kind: 'be32', doc: 'NSH context header 4.' },
  { c: 'gap', kind: 'pad3', doc: 'Zero.' },
  { c: 'tun_erspan_ver', ts: 'tunErspanVer', kind: 'u8', doc: 'ERSPAN version.' },
  { c: 'tun_erspan_idx', ts: 'tunErspanIdx', kind: 'be32', doc: 'ERSPAN index, 20 bits.' },
  { c: 'tun_erspan_dir', ts: 'tunErspanDir', kind: 'u8', doc: 'ERSPAN direction.' },
  { c: 'tun_erspan_hwid', ts: 'tunErspanHwid', kind: 'u8', doc: 'ERSPAN hardware id, 6 bits.' },
  { c: 'tun_gtpu_flags', ts: 'tunGtpuFlags', kind: 'u8', doc: 'GTP-U flags.' },
  { c: 'tun_gtpu_msgtype', ts: 'tunGtpuMsgtype', kind: 'u8', doc: 'GTP-U message type.' },
  { c: 'nd_reserved', ts: 'ndReserved', kind: 'be32', doc: 'Reserved word of ND messages.' },
  { c: 'nd_options_type', ts: 'ndOptionsType', kind: 'u8', doc: 'Type of the first ND option.' },
  { c: 'pad', kind: 'pad3', doc: 'Zero.' },
  {
    c: 'tun_metadata_present',
    ts: 'tunMetadataPresent',
    kind: 'be64',
    doc: 'Tunnel options that are there: bit N % 8 of byte N / 8 for `tun_metadataN`.',
  },
  {
    c: 'tun_metadata',
    ts: 'tunMetadata',
    kind: 'bytes256',
    doc: 'Values of tunnel options, where the TLV table places them.',
  },
];

const SIZES: Readonly<Record<KeyKind, number>> = {
  u8: 1,
  u16: 2,
  u32: 4,
  be16: 2,
  be32: 4,
  be48: 6,
  be64: 8,
  bytes16: 16,
  u128: 16,
  bytes12: 12,
  bytes256: 256,
  pad3: 3,
};

export function kindSize(kind: KeyKind): number {
  return SIZES[kind];
}

export interface KeySlot {
  readonly offset: number;
  readonly kind: KeyKind;
}

/** Byte offset and kind by accessor name, aliases included. */
export const KEY_SLOTS: ReadonlyMap<string, KeySlot> = layOut();

function layOut(): Map<string, KeySlot> {
  const slots = new Map<string, KeySlot>();
  const end = place(slots, KEY_MEMBERS, 0);
  if (end !== KEY_WORDS_USED * 8) throw new Error(`flow key uses ${end} bytes`);
  place(slots, TUNNEL_IPV4_MEMBERS, end);
  const last = place(slots, PIPELINE_MEMBERS, KEY_WORDS * 8);
  if (last > FLOW_WORDS * 4) throw new Error(`a flow uses ${last} bytes`);
  return slots;
}

function place(slots: Map<string, KeySlot>, members: readonly KeyMember[], start: number): number {
  let offset = start;
  for (const m of members) {
    if (m.ts !== undefined) slots.set(m.ts, { offset, kind: m.kind });
    for (const a of m.alias ?? []) slots.set(a.ts, { offset, kind: a.kind });
    offset += kindSize(m.kind);
  }
  return offset;
}
