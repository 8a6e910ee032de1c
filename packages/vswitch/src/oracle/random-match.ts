/** Random matches, and packets that meet them, in `ovs-ofctl`'s words. */
import type { Random } from '@heddle/datapath/oracle/random-frame';

export interface Protocol {
  /** `tcp6`; empty: anything. */
  readonly word: string;
  readonly network: 'none' | 'ip' | 'ipv6' | 'arp' | 'mpls' | 'nsh';
  readonly l4: '' | 'tcp' | 'udp' | 'sctp' | 'icmp' | 'icmp6' | 'solicit' | 'advert';
}

export const ANY: Protocol = { word: '', network: 'none', l4: '' };
// biome-ignore format: a table
const PROTOCOLS: readonly Protocol[] = [
  { word: 'ip', network: 'ip', l4: '' },
  { word: 'tcp', network: 'ip', l4: 'tcp' },
  { word: 'tcp', network: 'ip', l4: 'tcp' },
  { word: 'udp', network: 'ip', l4: 'udp' },
  { word: 'sctp', network: 'ip', l4: 'sctp' },
  { word: 'icmp', network: 'ip', l4: 'icmp' },
  { word: 'ipv6', network: 'ipv6', l4: '' },
  { word: 'tcp6', network: 'ipv6', l4: 'tcp' },
  { word: 'udp6', network: 'ipv6', l4: 'udp' },
  { word: 'icmp6', network: 'ipv6', l4: 'icmp6' },
  { word: 'sctp6', network: 'ipv6', l4: 'sctp' },
  { word: 'icmp6,icmpv6_type=135,icmpv6_code=0', network: 'ipv6', l4: 'solicit' },
  { word: 'icmp6,icmpv6_type=136,icmpv6_code=0', network: 'ipv6', l4: 'advert' },
  { word: 'arp', network: 'arp', l4: '' },
  { word: 'rarp', network: 'arp', l4: '' },
  { word: 'mpls', network: 'mpls', l4: '' },
  { word: 'dl_type=0x894f', network: 'nsh', l4: '' },
];

export const MACS = [
  '50:54:00:00:00:01',
  '50:54:00:00:00:02',
  'ff:ff:ff:ff:ff:ff',
  '01:00:5e:00:00:01',
];
const IPS = ['10.0.0.1', '10.0.0.2', '10.0.1.5', '192.168.0.1'];
const IP6S = ['fe80::1', 'fe80::2', '2001:db8::1', '::'];
const LABELS = ['0x0', '0x1', '0x10000000000000000'];

/** Values of a field, and what else a match may say of it. */
interface Choice {
  readonly name: string;
  readonly values: readonly (string | number)[];
  readonly masked?: readonly string[];
  /** How often a packet has another value than zero, in percent; 30 by default. */
  readonly packet?: number;
}

const hex = (n: number): string => `0x${n.toString(16)}`;
const number = (name: string, n: number, masked: readonly string[] = []): Choice => ({
  name,
  values: Array.from({ length: n }, (_, i) => hex(i)),
  masked,
});

// biome-ignore format: a table
const METADATA: readonly Choice[] = [
  number('reg0', 3, ['0x1/0x1', '0/0xff00']),
  number('reg1', 3, ['0x2/0x2']),
  number('reg2', 3),
  number('xreg1', 3, ['0x1/0xffffffff']),
  number('xxreg2', 3),
  number('reg15', 2),
  number('metadata', 3, ['0x1/0x1', '0/0xf000000000000000']),
  number('pkt_mark', 2, ['0x1/0x1']),
  number('tun_id', 3, ['0x1/0x1']),
  { name: 'tun_src', values: IPS, masked: ['10.0.0.0/8'], packet: 10 },
  { name: 'tun_dst', values: IPS, masked: ['10.0.0.0/8'], packet: 10 },
  { name: 'tun_gbp_id', values: [0, 5], masked: ['0x1/0x1'], packet: 10 },
  { name: 'tun_gbp_flags', values: [0, 8], packet: 10 },
  { name: 'tun_ipv6_src', values: IP6S, masked: ['fe80::/16'], packet: 0 },
  { name: 'tun_ipv6_dst', values: IP6S, packet: 0 },
  { name: 'tun_flags', values: ['oam', 0], masked: ['+oam', '-oam'], packet: 5 },
  { name: 'tun_erspan_ver', values: [1, 2], packet: 5 },
  { name: 'tun_erspan_idx', values: ['0x1', '0x5'], masked: ['0x1/0x1'], packet: 5 },
  { name: 'tun_erspan_dir', values: [0, 1], packet: 5 },
  { name: 'tun_erspan_hwid', values: [0, 3], packet: 5 },
  { name: 'tun_gtpu_flags', values: [0, 2], packet: 5 },
  { name: 'tun_gtpu_msgtype', values: [0, 255], packet: 5 },
  number('tun_metadata0', 3, ['0x1/0x1']),
  number('tun_metadata1', 3, ['0x100000000/0xff00000000']),
  { name: 'ct_state', values: [], masked: ['-trk', '+trk', '+trk+new', '+est', '+trk-inv'], packet: 0 },
  { name: 'conj_id', values: [1, 2], masked: ['0x1/0x1', '0/0xf0'], packet: 0 },
  { name: 'actset_output', values: [1, 3, 'unset'], packet: 0 },
  { name: 'recirc_id', values: [0, 5], packet: 0 },
  { name: 'dp_hash', values: ['0x0', '0x5'], masked: ['0x1/0x1'], packet: 10 },
  number('ct_zone', 2),
  number('ct_mark', 3, ['0x1/0x1']),
  { name: 'ct_label', values: LABELS, masked: ['0x1/0x1'] },
];
// biome-ignore format: a table
const ETHERNET: readonly Choice[] = [
  { name: 'dl_src', values: MACS, masked: ['50:54:00:00:00:00/ff:ff:ff:ff:ff:00'], packet: 90 },
  { name: 'dl_dst', values: MACS, masked: ['01:00:00:00:00:00/01:00:00:00:00:00'], packet: 90 },
];
const VLANS = [
  'vlan_tci=0',
  'dl_vlan=5',
  'vlan_tci=0x1000/0x1000',
  'dl_vlan=6,dl_vlan_pcp=3',
  'vlan_vid=0x1001/0x1001',
  'dl_vlan_pcp=3',
];
// biome-ignore format: a table
const BY_NETWORK: Readonly<Record<Protocol['network'], readonly Choice[]>> = {
  none: [],
  ip: [
    { name: 'nw_src', values: IPS, masked: ['10.0.0.0/8', '10.0.1.0/24', '0.0.0.1/0.0.0.1'], packet: 90 },
    { name: 'nw_dst', values: IPS, masked: ['10.0.0.0/8', '10.0.1.0/24'], packet: 90 },
    { name: 'nw_ttl', values: [0, 1, 64], packet: 80 },
    { name: 'nw_tos', values: [0, 8] },
    { name: 'nw_ecn', values: [0, 3] },
    { name: 'ct_nw_src', values: IPS, masked: ['10.0.0.0/8'], packet: 0 },
    { name: 'ct_nw_proto', values: [6, 17], packet: 0 },
    { name: 'ct_tp_src', values: [1, 2], masked: ['0x1/0x1'], packet: 0 },
  ],
  ipv6: [
    { name: 'ipv6_src', values: IP6S, masked: ['fe80::/16', '::1/::f'], packet: 90 },
    { name: 'ipv6_dst', values: IP6S, masked: ['fe80::/16', '2001:db8::/64'], packet: 90 },
    { name: 'ipv6_label', values: ['0', '0x5'], masked: ['0x1/0x1'] },
    { name: 'nw_ttl', values: [0, 1, 64], packet: 80 },
    { name: 'nw_tos', values: [0, 8] },
    { name: 'ct_ipv6_src', values: IP6S, masked: ['fe80::/16'], packet: 0 },
    { name: 'ct_tp_dst', values: [1, 2], masked: ['0x0/0xfffe'], packet: 0 },
  ],
  arp: [
    { name: 'arp_op', values: [1, 2], packet: 90 },
    { name: 'arp_spa', values: IPS, masked: ['10.0.0.0/8'], packet: 90 },
    { name: 'arp_tpa', values: IPS, masked: ['10.0.0.0/8'], packet: 90 },
    { name: 'arp_sha', values: MACS, packet: 90 },
    { name: 'arp_tha', values: MACS, masked: ['01:00:00:00:00:00/01:00:00:00:00:00'] },
  ],
  mpls: [
    { name: 'mpls_label', values: [0, 3, 100], packet: 80 },
    { name: 'mpls_tc', values: [0, 5] },
    { name: 'mpls_bos', values: [0, 1], packet: 80 },
    { name: 'mpls_ttl', values: [0, 1, 64], packet: 80 },
  ],
  nsh: [
    { name: 'nsh_flags', values: [0, 4], masked: ['0x4/0x4'] },
    { name: 'nsh_ttl', values: [1, 5, 63], packet: 90 },
    { name: 'nsh_mdtype', values: [1], packet: 100 },
    { name: 'nsh_np', values: [1, 2, 3], packet: 90 },
    { name: 'nsh_spi', values: ['0x0', '0x5'], masked: ['0x1/0x1'] },
    { name: 'nsh_si', values: [3, 255], packet: 80 },
    { name: 'nsh_c1', values: ['0x0', '0x7'], masked: ['0x1/0x1'] },
    { name: 'nsh_c2', values: ['0x0', '0x7'], masked: ['0x4/0x4'] },
    { name: 'nsh_c3', values: ['0x0', '0x7'] },
    { name: 'nsh_c4', values: ['0x0', '0x7'] },
  ],
};
// biome-ignore format: a table
const BY_L4: Readonly<Record<Protocol['l4'], readonly Choice[]>> = {
  '': [],
  tcp: [
    { name: 'tp_src', values: [1, 2, 80, 1000], masked: ['0x40/0xffc0'], packet: 90 },
    { name: 'tp_dst', values: [1, 2, 80, 1000], masked: ['0x2/0xfffe', '0x1/0x1'], packet: 90 },
  ],
  udp: [
    { name: 'udp_src', values: [1, 2, 80, 1000], packet: 90 },
    { name: 'udp_dst', values: [1, 2, 80, 1000], masked: ['0x2/0xfffe'], packet: 90 },
  ],
  sctp: [{ name: 'sctp_dst', values: [1, 2, 80], packet: 90 }],
  icmp: [
    { name: 'icmp_type', values: [0, 8], packet: 90 },
    { name: 'icmp_code', values: [0, 1] },
  ],
  icmp6: [
    { name: 'icmpv6_type', values: [128, 135, 136], packet: 90 },
    { name: 'icmpv6_code', values: [0, 1], packet: 10 },
  ],
  solicit: [
    { name: 'nd_target', values: IP6S, masked: ['fe80::/16'], packet: 90 },
    { name: 'nd_sll', values: MACS, masked: ['01:00:00:00:00:00/01:00:00:00:00:00'] },
  ],
  advert: [
    { name: 'nd_target', values: IP6S, masked: ['fe80::/16'], packet: 90 },
    { name: 'nd_tll', values: MACS },
  ],
};
const FRAGMENTS = ['no', 'yes', 'first', 'later', 'not_later'];

export function randomProtocol(r: Random): Protocol {
  return r.chance(25) ? ANY : r.pick(PROTOCOLS);
}

function term(r: Random, { name, values, masked = [] }: Choice): string {
  const all = [...values, ...values, ...masked];
  const value = r.pick(all);
  return `${name}=${value}`;
}

/** Terms of a match on packets of a protocol. */
export function randomMatch(r: Random, p: Protocol): string[] {
  const out: string[] = p.word === '' ? [] : [p.word];
  if (r.chance(35)) out.push(`in_port=${r.pick([1, 2, 3, 4, 'LOCAL'])}`);
  for (let n = r.pick([0, 0, 0, 1, 1, 1, 2, 3]); n > 0; n--) {
    const c = r.pick(METADATA);
    if (c.name.startsWith('tun_metadata') && r.chance(20)) out.push(c.name);
    else out.push(term(r, c));
  }
  if (r.chance(10)) out.push(r.pick(VLANS));
  for (const c of ETHERNET) if (r.chance(12)) out.push(term(r, c));
  for (const c of BY_NETWORK[p.network]) {
    if (c.name.startsWith('ct_')) {
      if (r.chance(3)) out.push('ct_state=+trk', term(r, c));
    } else if (r.chance(15)) out.push(term(r, c));
  }
  for (const c of BY_L4[p.l4]) if (r.chance(25)) out.push(term(r, c));
  if (p.word === 'tcp' && r.chance(15))
    out.push(`tcp_flags=${r.pick(['+syn', '+ack', '-fin', '0x12'])}`);
  const isIp = p.network === 'ip' || p.network === 'ipv6';
  if (isIp && r.chance(5)) out.push(`ip_frag=${r.pick(FRAGMENTS)}`);
  const names = new Map(out.map((t) => [t.split('=')[0]!, t]));
  return overlapping(names) ? randomMatch(r, p) : [...names.values()];
}

/** Registers that are parts of others are not matched twice. */
function overlapping(names: ReadonlyMap<string, string>): boolean {
  return names.has('xreg1') && names.has('reg2');
}

const CT_NEW_OR_EST = 3;
const CT_STATES = [0, 0, 0x20, 0x21, 0x22, 0x2a, 0x30];

/** A packet as `ofproto/trace BRIDGE FLOW` takes it. */
export function randomFlowText(r: Random): string {
  const p = r.chance(5) ? ANY : r.pick(PROTOCOLS);
  const out = [`in_port=${r.pick([1, 2, 3, 4, 'LOCAL'])}`];
  const maybe = (c: Choice): void => {
    if (c.values.length > 0 && r.chance(c.packet ?? 30)) out.push(`${c.name}=${r.pick(c.values)}`);
  };
  for (const c of METADATA) if (r.chance(35) && !c.name.startsWith('x')) maybe(c);
  const state = r.chance(30) ? r.pick(CT_STATES) : 0;
  if (state !== 0) out.push(`ct_state=${hex(state)}`);
  for (const c of ETHERNET) maybe(c);
  if (r.chance(30))
    out.push(r.pick(['dl_vlan=5', 'dl_vlan=6,dl_vlan_pcp=3', 'dl_vlan=0,dl_vlan_pcp=3']));
  if (p.word !== '') out.push(p.word);
  for (const c of BY_NETWORK[p.network]) maybe(c);
  for (const c of BY_L4[p.l4]) maybe(c);
  if (p.network === 'ip' && (state & CT_NEW_OR_EST) !== 0 && r.chance(60)) {
    out.push(`ct_nw_src=${r.pick(IPS)}`, 'ct_nw_proto=6', `ct_tp_dst=${r.pick([1, 2])}`);
  }
  if (p.l4 === 'tcp' && r.chance(50)) out.push(`tcp_flags=${hex(r.below(64))}`);
  if ((p.network === 'ip' || p.network === 'ipv6') && p.l4 !== 'icmp6' && r.chance(8)) {
    out.push(`nw_frag=${r.pick(['first', 'later'])}`);
  }
  return out.join(',');
}
