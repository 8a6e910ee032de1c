/**
 * The flow key's layout in memory, the one source of `class Flow` and of the C header that the
 * eBPF programs include. 25 words of 8 bytes are in use; the rest up to 32 words is zero.
 *
 * Header fields lie in network byte order, what the host makes itself (ports, marks, conntrack)
 * in host order, so that a key compares and masks word by word without knowing its fields.
 */

/** `be48` is a MAC, `bytes16` an IPv6 address, `be*` network order, `u*` host order. */
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
  | 'pad3';

/** Another reading of the same bytes: IPv4 in the first word of an address, ARP in ND's. */
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
export const KEY_WORDS_USED = 25;

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
    doc: 'Outer source.',
    alias: [{ ts: 'tunSrc', kind: 'be32', doc: 'Outer IPv4 source.' }],
  },
  {
    c: 'tun_dst',
    ts: 'tunIpv6Dst',
    kind: 'bytes16',
    doc: 'Outer destination.',
    alias: [{ ts: 'tunDst', kind: 'be32', doc: 'Outer IPv4 destination.' }],
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
  let offset = 0;
  for (const m of KEY_MEMBERS) {
    if (m.ts !== undefined) slots.set(m.ts, { offset, kind: m.kind });
    for (const a of m.alias ?? []) slots.set(a.ts, { offset, kind: a.kind });
    offset += kindSize(m.kind);
  }
  if (offset !== KEY_WORDS_USED * 8) throw new Error(`flow key uses ${offset} bytes`);
  return slots;
}
