/**
 * The attributes of a datapath flow in `ovs-dpctl`'s text, and the members of the flow key behind
 * them. Formatting and parsing both walk these tables.
 */
import type { Flow } from '@heddle/packet';

export type NumberField = {
  [K in keyof Flow]: Flow[K] extends number ? K : never;
}[keyof Flow];
export type BytesField = {
  [K in Exclude<keyof Flow, 'u8'>]: Flow[K] extends Uint8Array ? K : never;
}[Exclude<keyof Flow, 'u8'>];

/** How a value reads: `hex` is printf's `%#x`, `vlan` a decimal value with a `0x%x` mask. */
export type OdpNumberKind = 'dec' | 'hex' | 'mac' | 'ipv4' | 'frag';

export type OdpField =
  | { readonly name: string; readonly kind: 'ipv6'; readonly key: BytesField }
  | {
      readonly name: string;
      readonly kind: OdpNumberKind;
      readonly key: NumberField;
      /** All bits of the field. */
      readonly full: number;
    };

const MAC = 0xffff_ffff_ffff;
const IP = 0xffff_ffff;

function num(name: string, kind: OdpNumberKind, key: NumberField, full: number): OdpField {
  return { name, kind, key, full };
}

/** Attributes with named members, `eth(src=..,dst=..)`. */
export const GROUPS = {
  eth: [num('src', 'mac', 'dlSrc', MAC), num('dst', 'mac', 'dlDst', MAC)],
  ipv4: [
    num('src', 'ipv4', 'nwSrc', IP),
    num('dst', 'ipv4', 'nwDst', IP),
    num('proto', 'dec', 'nwProto', 0xff),
    num('tos', 'hex', 'nwTos', 0xff),
    num('ttl', 'dec', 'nwTtl', 0xff),
    num('frag', 'frag', 'nwFrag', 0xff),
  ],
  ipv6: [
    { name: 'src', kind: 'ipv6', key: 'ipv6Src' },
    { name: 'dst', kind: 'ipv6', key: 'ipv6Dst' },
    num('label', 'hex', 'ipv6Label', 0xfffff),
    num('proto', 'dec', 'nwProto', 0xff),
    num('tclass', 'hex', 'nwTos', 0xff),
    num('hlimit', 'dec', 'nwTtl', 0xff),
    num('frag', 'frag', 'nwFrag', 0xff),
  ],
  arp: [
    num('sip', 'ipv4', 'nwSrc', IP),
    num('tip', 'ipv4', 'nwDst', IP),
    num('op', 'dec', 'nwProto', 0xff),
    num('sha', 'mac', 'arpSha', MAC),
    num('tha', 'mac', 'arpTha', MAC),
  ],
  tcp: [num('src', 'dec', 'tpSrc', 0xffff), num('dst', 'dec', 'tpDst', 0xffff)],
  udp: [num('src', 'dec', 'tpSrc', 0xffff), num('dst', 'dec', 'tpDst', 0xffff)],
  sctp: [num('src', 'dec', 'tpSrc', 0xffff), num('dst', 'dec', 'tpDst', 0xffff)],
  icmp: [num('type', 'dec', 'tpSrc', 0xff), num('code', 'dec', 'tpDst', 0xff)],
  icmpv6: [num('type', 'dec', 'tpSrc', 0xff), num('code', 'dec', 'tpDst', 0xff)],
  nd: [
    { name: 'target', kind: 'ipv6', key: 'ndTarget' },
    num('sll', 'mac', 'ndSll', MAC),
    num('tll', 'mac', 'ndTll', MAC),
  ],
} as const satisfies Record<string, readonly OdpField[]>;

export type GroupName = keyof typeof GROUPS;

/** Attributes that are one number, `skb_mark(0x5/0xff)`. */
export const SCALARS = {
  skb_mark: num('skb_mark', 'hex', 'pktMark', IP),
  ct_zone: num('ct_zone', 'hex', 'ctZone', 0xffff),
  ct_mark: num('ct_mark', 'hex', 'ctMark', IP),
  recirc_id: num('recirc_id', 'hex', 'recircId', IP),
  dp_hash: num('dp_hash', 'hex', 'dpHash', IP),
} as const;

export type ScalarName = keyof typeof SCALARS;

/** `nw_frag` values; bit 0 says any fragment, bit 1 a later one. */
export const FRAG_NAMES: readonly (readonly [value: number, name: string])[] = [
  [0, 'no'],
  [1, 'first'],
  [3, 'later'],
];

export const CT_STATE_NAMES = ['new', 'est', 'rel', 'rpl', 'inv', 'trk', 'snat', 'dnat'] as const;

export const TCP_FLAG_NAMES = [
  'fin',
  'syn',
  'rst',
  'psh',
  'ack',
  'urg',
  'ece',
  'cwr',
  'ns',
] as const;

/** The attribute for the transport header of such a packet. */
export function transportGroup(dlType: number, nwProto: number): GroupName | undefined {
  switch (nwProto) {
    case 6:
      return 'tcp';
    case 17:
      return 'udp';
    case 132:
      return 'sctp';
    case 1:
      return dlType === 0x0800 ? 'icmp' : undefined;
    case 58:
      return dlType === 0x86dd ? 'icmpv6' : undefined;
    default:
      return undefined;
  }
}

export function networkGroup(dlType: number): 'ipv4' | 'ipv6' | 'arp' | undefined {
  if (dlType === 0x0800) return 'ipv4';
  if (dlType === 0x86dd) return 'ipv6';
  return dlType === 0x0806 || dlType === 0x8035 ? 'arp' : undefined;
}
