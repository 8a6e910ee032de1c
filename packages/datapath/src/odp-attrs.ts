/**
 * The attributes of a datapath flow's key (enum ovs_key_attr of linux/openvswitch.h) as their text
 * names them. A list of them is what the text says, in its order, before anything is made of it.
 */
import type { Flow } from '@heddle/packet';
import { type BytesField, CT_STATE_NAMES, type NumberField, TCP_FLAG_NAMES } from './odp-fields.ts';

/** How a value reads: `hex` is printf's `%#x`, `hex0` its `0x%x`. */
export type MemberKind = 'dec' | 'hex' | 'hex0' | 'mac' | 'ipv4' | 'ipv6' | 'frag';

export interface Member {
  readonly name: string;
  /** Where it is printed with another one. */
  readonly printed?: string;
  readonly kind: MemberKind;
  readonly bits: number;
  /** Greater values are refused; else they are cut to `bits`. */
  readonly isLimited?: boolean;
  readonly key?: NumberField | BytesField;
}

function m(name: string, kind: MemberKind, bits: number, key?: Member['key']): Member {
  return { name, kind, bits, ...(key !== undefined && { key }) };
}

const ports = (kind: 'tp' | 'icmp'): readonly Member[] =>
  kind === 'tp'
    ? [m('src', 'dec', 16, 'tpSrc'), m('dst', 'dec', 16, 'tpDst')]
    : [m('type', 'dec', 8, 'tpSrc'), m('code', 'dec', 8, 'tpDst')];

/** Attributes with named members; those that are not said are zero. */
export const STRUCTS = {
  eth: [m('src', 'mac', 48, 'dlSrc'), m('dst', 'mac', 48, 'dlDst')],
  vlan: [
    { ...m('vid', 'dec', 12), isLimited: true },
    { ...m('pcp', 'dec', 3), isLimited: true },
    { ...m('cfi', 'dec', 1), isLimited: true },
  ],
  packet_type: [m('ns', 'dec', 16), m('id', 'hex', 16)],
  ipv4: [
    m('src', 'ipv4', 32, 'nwSrc'),
    m('dst', 'ipv4', 32, 'nwDst'),
    m('proto', 'dec', 8, 'nwProto'),
    m('tos', 'hex', 8, 'nwTos'),
    m('ttl', 'dec', 8, 'nwTtl'),
    m('frag', 'frag', 8, 'nwFrag'),
  ],
  ipv6: [
    m('src', 'ipv6', 128, 'ipv6Src'),
    m('dst', 'ipv6', 128, 'ipv6Dst'),
    { ...m('label', 'hex', 20, 'ipv6Label'), isLimited: true },
    m('proto', 'dec', 8, 'nwProto'),
    m('tclass', 'hex', 8, 'nwTos'),
    m('hlimit', 'dec', 8, 'nwTtl'),
    m('frag', 'frag', 8, 'nwFrag'),
  ],
  arp: [
    m('sip', 'ipv4', 32, 'nwSrc'),
    m('tip', 'ipv4', 32, 'nwDst'),
    m('op', 'dec', 16, 'nwProto'),
    m('sha', 'mac', 48, 'arpSha'),
    m('tha', 'mac', 48, 'arpTha'),
  ],
  tcp: ports('tp'),
  udp: ports('tp'),
  sctp: ports('tp'),
  icmp: ports('icmp'),
  icmpv6: ports('icmp'),
  nd: [
    m('target', 'ipv6', 128, 'ndTarget'),
    m('sll', 'mac', 48, 'ndSll'),
    m('tll', 'mac', 48, 'ndTll'),
  ],
  nd_ext: [m('nd_reserved', 'hex0', 32), m('nd_options_type', 'dec', 8)],
  ct_tuple4: [
    m('src', 'ipv4', 32, 'ctNwSrc'),
    m('dst', 'ipv4', 32, 'ctNwDst'),
    m('proto', 'dec', 8, 'ctNwProto'),
    m('tp_src', 'dec', 16, 'ctTpSrc'),
    m('tp_dst', 'dec', 16, 'ctTpDst'),
  ],
  ct_tuple6: [
    m('src', 'ipv6', 128, 'ctIpv6Src'),
    m('dst', 'ipv6', 128, 'ctIpv6Dst'),
    m('proto', 'dec', 8, 'ctNwProto'),
    { ...m('tp_src', 'dec', 16, 'ctTpSrc'), printed: 'src_port' },
    { ...m('tp_dst', 'dec', 16, 'ctTpDst'), printed: 'dst_port' },
  ],
} as const satisfies Record<string, readonly Member[]>;

export type StructName = keyof typeof STRUCTS;

/** Attributes that are one number. */
export const NUMBERS = {
  skb_priority: { bits: 32, key: 'skbPriority' },
  skb_mark: { bits: 32, key: 'pktMark' },
  recirc_id: { bits: 32, key: 'recircId' },
  dp_hash: { bits: 32, key: 'dpHash' },
  ct_zone: { bits: 16, key: 'ctZone' },
  ct_mark: { bits: 32, key: 'ctMark' },
  in_port: { bits: 32, key: 'inPort' },
  eth_type: { bits: 16, key: 'dlType' },
} as const satisfies Record<string, { readonly bits: number; readonly key: NumberField }>;

export type NumberName = keyof typeof NUMBERS;

/** Attributes that are a set of flags with names, from the lowest bit on. */
export const FLAGS = {
  ct_state: { bits: 8, names: CT_STATE_NAMES, key: 'ctState' },
  tcp_flags: { bits: 12, names: TCP_FLAG_NAMES, key: 'tcpFlags' },
} as const satisfies Record<
  string,
  { readonly bits: number; readonly names: readonly string[]; readonly key: NumberField }
>;

export type FlagsName = keyof typeof FLAGS;

export type MemberValue = number | Uint8Array;

export interface StructAttr {
  readonly name: StructName;
  readonly values: readonly MemberValue[];
  readonly masks: readonly MemberValue[];
}

/** Masks are all ones where the text says none; members that it does not name have none. */
export type OdpAttr =
  | { readonly name: NumberName | FlagsName; readonly value: number; readonly mask: number }
  | { readonly name: 'ct_label'; readonly value: bigint; readonly mask: bigint }
  | StructAttr
  /** Label stack entries, the outermost first; three at most. */
  | { readonly name: 'mpls'; readonly lses: readonly number[]; readonly masks: readonly number[] }
  | { readonly name: 'encap'; readonly attrs: readonly OdpAttr[] }
  | TunnelAttr;

/** enum ovs_tunnel_key_attr, in the order of the text; flags come last. */
export interface TunnelAttr {
  readonly name: 'tunnel';
  readonly members: readonly TunnelMember[];
  /** FLOW_TNL_F_*; the bit for a key tells that `tun_id` is there. */
  readonly flags: number;
  readonly flagsMask: number;
  /** Whether the mask has as many attributes as the key; else it is left out where it is printed. */
  readonly isMaskAlike: boolean;
}

export type TunnelMember =
  | { readonly name: 'tun_id'; readonly value: bigint; readonly mask: bigint }
  | { readonly name: TunnelNumber; readonly value: number; readonly mask: number }
  | {
      readonly name: 'ipv6_src' | 'ipv6_dst';
      readonly value: Uint8Array;
      readonly mask: Uint8Array;
    }
  | {
      readonly name: 'vxlan';
      readonly gbp: { readonly id: number; readonly flags: number };
      readonly mask: { readonly id: number; readonly flags: number };
    }
  /** Options as they are on the wire. */
  | { readonly name: 'geneve'; readonly value: Uint8Array; readonly mask: Uint8Array }
  | { readonly name: 'erspan'; readonly value: ErspanMembers; readonly mask: ErspanMembers }
  | {
      readonly name: 'gtpu';
      readonly value: { readonly flags: number; readonly msgtype: number };
      readonly mask: { readonly flags: number; readonly msgtype: number };
    };

export type TunnelNumber = 'src' | 'dst' | 'tos' | 'ttl' | 'tp_src' | 'tp_dst';

export interface ErspanMembers {
  readonly ver: number;
  readonly idx: number;
  readonly dir: number;
  readonly hwid: number;
}

export function isStruct(attr: OdpAttr): attr is StructAttr {
  return Object.hasOwn(STRUCTS, attr.name);
}

export function isNumber(name: string): name is NumberName {
  return Object.hasOwn(NUMBERS, name);
}

export function isFlags(name: string): name is FlagsName {
  return Object.hasOwn(FLAGS, name);
}

/** All bits of a member or attribute. */
export function allOnes(bits: number): number {
  return 2 ** bits - 1;
}

export function fullMask(member: Member): MemberValue {
  return member.kind === 'ipv6' ? new Uint8Array(16).fill(0xff) : allOnes(member.bits);
}

export function isAllOnes(member: Member, v: MemberValue): boolean {
  return typeof v === 'number' ? v === allOnes(member.bits) : v.every((b) => b === 0xff);
}

export function isZero(v: MemberValue): boolean {
  return typeof v === 'number' ? v === 0 : v.every((b) => b === 0);
}

/** Writes a member into a key or mask. */
export function putMember(flow: Flow, key: NonNullable<Member['key']>, v: MemberValue): void {
  (flow as unknown as Record<string, MemberValue>)[key] = v;
}
