/** Random NXM and OXM matches as text, mostly with what they require and now and then without. */
import { FIELDS, type Field } from '@heddle/packet';
import type { Random } from '@heddle/testing/random';

const PREFIXES: Readonly<Record<string, readonly string[]>> = {
  CT: ['NXM_NX_CT_STATE_W(00000022/00000022),NXM_NX_CT_NW_PROTO(06)'],
  'VLAN VID': ['OXM_OF_VLAN_VID(1001)', 'OXM_OF_VLAN_VID_W(1000/1000)'],
  MPLS: ['NXM_OF_ETH_TYPE(8847)', 'OXM_OF_PACKET_TYPE(00018848)'],
  IPv4: ['NXM_OF_ETH_TYPE(0800)', 'OXM_OF_PACKET_TYPE(00010800)'],
  IPv6: ['OXM_OF_ETH_TYPE(86dd)'],
  'IPv4/IPv6': ['NXM_OF_ETH_TYPE(0800)', 'NXM_OF_ETH_TYPE(86dd)'],
  ARP: ['NXM_OF_ETH_TYPE(0806)', 'NXM_OF_ETH_TYPE(8035)'],
  NSH: ['NXM_OF_ETH_TYPE(894f)'],
  TCP: ['NXM_OF_ETH_TYPE(0800),NXM_OF_IP_PROTO(06)'],
  UDP: ['NXM_OF_ETH_TYPE(86dd),NXM_OF_IP_PROTO(11)'],
  SCTP: ['NXM_OF_ETH_TYPE(0800),OXM_OF_IP_PROTO(84)'],
  ICMPv4: ['NXM_OF_ETH_TYPE(0800),NXM_OF_IP_PROTO(01)'],
  ICMPv6: ['NXM_OF_ETH_TYPE(86dd),NXM_OF_IP_PROTO(3a)'],
  ND: ['NXM_OF_ETH_TYPE(86dd),NXM_OF_IP_PROTO(3a),NXM_NX_ICMPV6_TYPE(87)'],
  'ND solicit': ['NXM_OF_ETH_TYPE(86dd),NXM_OF_IP_PROTO(3a),NXM_NX_ICMPV6_TYPE(87)'],
  'ND advert': ['NXM_OF_ETH_TYPE(86dd),NXM_OF_IP_PROTO(3a),NXM_NX_ICMPV6_TYPE(88)'],
};
/** tun_metadata needs a table, and IPv4's and IPv6's tunnel endpoints share one place here. */
const USABLE = FIELDS.filter((f) => (f.oxm ?? f.nxm) && !/^tun_(metadata|ipv6)/.test(f.name));

export function randomMatch(random: Random): string {
  const entries: string[] = [];
  const wanted = 1 + random.below(5);
  for (let i = 0; i < wanted; i++) {
    const field = random.pick(USABLE);
    const prefix = PREFIXES[field.prerequisite ?? ''];
    if (prefix && random.below(12) > 0) {
      for (const entry of random.pick(prefix).split(',')) {
        if (!entries.includes(entry)) entries.push(entry);
      }
    }
    entries.push(randomEntry(random, field));
  }
  return entries.join(',');
}

function randomEntry(random: Random, field: Field): string {
  const [name] = random.pick([field.oxm, field.nxm].filter((p) => p !== undefined));
  const bytes = field.width / 8;
  const byte = () => random.pick([0, 0, 1, 5, 6, 0x80, 0xff, random.below(256)]);
  const value = Array.from({ length: bytes }, byte);
  if (random.below(3) > 0) trim(value, field, random);
  if (field.masking === 'none' || random.below(2) === 0) return `${name}(${hex(value)})`;
  const mask = Array.from({ length: bytes }, () => random.pick([0xff, 0xff, 0, random.below(256)]));
  const masked = random.below(12) === 0 ? value : value.map((v, i) => v & mask[i]!);
  return `${name}_W(${hex(masked)}/${hex(mask)})`;
}

/** A value that the field may have: small, or with the bits of its width only. */
function trim(value: number[], field: Field, random: Random): void {
  const bits = field.bits ?? field.width;
  for (let i = 0; i < value.length; i++) {
    const low = (value.length - 1 - i) * 8;
    if (low >= bits) value[i] = 0;
    else if (low + 8 > bits) value[i]! &= (1 << (bits - low)) - 1;
  }
  if (/port/.test(field.format)) value.fill(0, 0, value.length - 1);
  if (field.name === 'nw_tos') value[0]! &= 0xfc;
  if (field.name === 'nsh_mdtype') value[0] = 1 + random.below(2);
}

function hex(bytes: readonly number[]): string {
  return Buffer.from(bytes).toString('hex');
}
