/** Random texts of datapath flows and actions, whole ones and such with a defect. */
import type { Random } from '@heddle/datapath/oracle/random-frame';

const NUMBERS = ['0', '1', '5', '7', '63', '255', '256', '0x1', '0xff', '0x800', '010', '65535'];
const ODD = ['-1', '70000', '4294967296', ' 5', '09', '0x', '', 'x', '99999999999', '+3'];

function number(r: Random): string {
  return r.chance(3) ? r.pick(ODD) : r.pick(NUMBERS);
}

function small(r: Random, max: number): string {
  return r.chance(1) ? String(max + 1) : String(r.below(max + 1));
}

function mac(r: Random): string {
  return r.pick(['00:00:00:00:00:01', '50:54:00:00:00:0a', 'ff:ff:ff:ff:ff:ff', '1:2:3:4:5:6']);
}

function ipv4(r: Random): string {
  return r.pick(['10.0.0.1', '1.2.3.4', '255.255.255.255', '0.0.0.0', '192.168.0.9']);
}

function ipv6(r: Random): string {
  return r.pick(['::1', 'fe80::1', '2001:db8::5', '::', 'ff02::1:ff00:1', '::ffff:1.2.3.4']);
}

type Read = (r: Random) => string;
interface Kind {
  readonly value: Read;
  /** Full is one that has all bits. */
  readonly mask: Read;
}

const MAC: Kind = { value: mac, mask: (r) => r.pick(['ff:ff:ff:ff:ff:ff', 'ff:ff:ff:0:0:0']) };
const IPV4: Kind = { value: ipv4, mask: (r) => r.pick(['255.255.255.255', '255.255.0.0']) };
const IPV6: Kind = { value: ipv6, mask: (r) => r.pick(['ffff::', 'ffff:ffff::ff']) };
const BYTE: Kind = { value: number, mask: (r) => r.pick(['0xff', '0xf', '3']) };
const WORD: Kind = { value: number, mask: (r) => r.pick(['0xffff', '0xff', '1']) };
const FRAG: Kind = { value: (r) => r.pick(['no', 'no', 'first', 'later']), mask: () => '' };

type Members = Readonly<Record<string, Kind>>;

const IPV4_MEMBERS: Members = { src: IPV4, dst: IPV4, tos: BYTE, ttl: BYTE, frag: FRAG };
const IPV6_MEMBERS: Members = {
  src: IPV6,
  dst: IPV6,
  label: { value: (r) => small(r, 0xfffff), mask: () => '0xff' },
  tclass: BYTE,
  hlimit: BYTE,
  frag: FRAG,
};
const ARP: Members = { sip: IPV4, tip: IPV4, op: BYTE, sha: MAC, tha: MAC };
const PORTS: Members = { src: WORD, dst: WORD };
const ICMP: Members = { type: BYTE, code: BYTE };
const ND: Members = { target: IPV6, sll: MAC, tll: MAC };
const TUPLE: Members = { proto: BYTE, tp_src: WORD, tp_dst: WORD };

/** Some of the members, in any order when they are few. */
function struct(r: Random, name: string, members: Members, masked: boolean, first = ''): string {
  const said = Object.entries(members)
    .filter(() => r.chance(70))
    .map(([member, { value, mask }]) => {
      const isMasked = masked && r.chance(20) && member !== 'frag';
      return `${member}=${value(r)}${isMasked ? `/${mask(r)}` : ''}`;
    });
  return `${name}(${[...(first === '' ? [] : [first]), ...said].join(',')})`;
}

function vlan(r: Random): string {
  const cfi = r.chance(15) ? `,cfi=${r.below(2)}` : '';
  return `vlan(vid=${small(r, 4095)},pcp=${small(r, 7)}${cfi})`;
}

function lse(r: Random, bos: number): string {
  return `label=${small(r, 0xfffff)},tc=${small(r, 7)},ttl=${small(r, 255)},bos=${bos}`;
}

function mpls(r: Random): string {
  const depth = 1 + r.below(3);
  const lses = Array.from({ length: depth }, (_, i) =>
    lse(r, r.chance(5) ? r.below(2) : Number(i === depth - 1)),
  );
  return `mpls(${lses.join(',')})`;
}

function transport(r: Random, isV6: boolean, masked: boolean): [proto: number, text: string] {
  const [proto, name] = r.pick([
    ...([
      [6, 'tcp'],
      [17, 'udp'],
      [132, 'sctp'],
      [47, ''],
    ] as const),
    isV6 ? ([58, 'icmpv6'] as const) : ([1, 'icmp'] as const),
  ]);
  if (name === '') return [proto, ''];
  if (name === 'icmpv6' && r.chance(60)) {
    const ext = r.chance(20) ? ',nd_ext(nd_reserved=0x5,nd_options_type=2)' : '';
    return [
      proto,
      `,icmpv6(type=${r.pick([135, 136])},code=0),${struct(r, 'nd', ND, masked)}${ext}`,
    ];
  }
  const header = struct(r, name, name.startsWith('icmp') ? ICMP : PORTS, masked);
  const flags = name === 'tcp' && r.chance(50) ? `,tcp_flags(${tcpFlags(r)})` : '';
  return [proto, `,${header}${flags}`];
}

function tcpFlags(r: Random): string {
  return r.pick(['syn', 'syn|ack', '0', '0x12', '+syn-ack', 'fin|[800]', '+ack', 'none', '0xfff']);
}

function ip(r: Random, isV6: boolean, masked: boolean): string {
  const [proto, behind] = transport(r, isV6, masked);
  const said = `proto=${proto}`;
  const members = isV6 ? IPV6_MEMBERS : IPV4_MEMBERS;
  const header = struct(r, isV6 ? 'ipv6' : 'ipv4', members, masked, said);
  const isLater = header.includes('frag=later');
  return `eth_type(${isV6 ? '0x86dd' : '0x0800'}),${header}${isLater ? '' : behind}`;
}

function frame(r: Random, masked: boolean, tags = 0): string {
  const kind = r.below(100);
  if (kind < 20 && tags < 2) {
    const type = r.pick(['0x8100', '0x8100', '0x88a8']);
    const inner = r.chance(10) ? '' : frame(r, masked, tags + 1);
    return `eth_type(${type}),${vlan(r)},encap(${inner})`;
  }
  if (kind < 50) return ip(r, false, masked);
  if (kind < 75) return ip(r, true, masked);
  if (kind < 83)
    return `eth_type(${r.pick(['0x0806', '0x8035'])}),${struct(r, 'arp', ARP, masked)}`;
  if (kind < 95) return `eth_type(${r.pick(['0x8847', '0x8848'])}),${mpls(r)}`;
  return r.pick(['eth_type(0x1234)', 'eth_type(0x88b5)', 'eth_type(0x05ff)', 'eth_type(0x894f)']);
}

function tunnel(r: Random, masked: boolean): string {
  const members: Members = r.chance(70)
    ? { tun_id: WORD, src: IPV4, dst: IPV4, tos: BYTE, tp_src: WORD, tp_dst: WORD }
    : { tun_id: WORD, ipv6_src: IPV6, ipv6_dst: IPV6, tos: BYTE };
  const more = r.pick([
    '',
    ',vxlan(gbp(id=5,flags=8))',
    ',geneve({class=0x102,type=0x80,len=4,0x12345678})',
    ',geneve({class=1,type=2,len=8,0x5}{class=0xffff,type=1,len=0})',
    ',erspan(ver=1,idx=0x5)',
    ',erspan(ver=2,dir=1,hwid=0x7)',
    ',gtpu(flags=0x30,msgtype=255)',
  ]);
  const flags = r.pick([
    '',
    ',flags(df)',
    ',flags(oam|df|csum)',
    ',flags(1/3)',
    ',flags(df|csum|key)',
    ',flags(+df-csum)',
    ',flags(0)',
  ]);
  const body = struct(r, '', members, masked).slice(1, -1);
  const ttl = r.chance(95) ? `${body === '' ? '' : ','}ttl=64` : '';
  return `tunnel(${body}${ttl}${body + ttl === '' ? '' : more + flags})`;
}

function metadata(r: Random, masked: boolean): string[] {
  const all = [
    `skb_priority(${number(r)})`,
    `skb_mark(${number(r)}${masked && r.chance(30) ? '/0xf' : ''})`,
    `ct_state(${r.pick(['+trk', '+trk+est-new', 'trk|new', '0x21', '-trk', '0xff'])})`,
    `ct_zone(${number(r)})`,
    `ct_mark(${number(r)})`,
    `ct_label(${r.pick(['0x5', '7', '0x123456789abcdef0123456789abcdef'])})`,
    'recirc_id(0)',
    `dp_hash(${number(r)})`,
  ].filter(() => r.chance(15));
  if (r.chance(5)) all.push(struct(r, 'ct_tuple4', { src: IPV4, dst: IPV4, ...TUPLE }, masked));
  if (r.chance(5)) all.push(struct(r, 'ct_tuple6', { src: IPV6, dst: IPV6, ...TUPLE }, masked));
  return all;
}

/** With values and masks or values alone; none of a tunnel unless that is asked for. */
export function randomFlow(r: Random, masked: boolean, hasTunnel = false): string {
  const parts = metadata(r, masked);
  if (hasTunnel && r.chance(40)) parts.push(tunnel(r, masked));
  parts.push(`in_port(${r.chance(95) ? 1 : number(r)})`);
  parts.push(struct(r, 'eth', { src: MAC, dst: MAC }, masked));
  parts.push(frame(r, masked));
  const text = parts.join(',');
  return r.chance(40) ? damaged(r, text) : text;
}

/** One token or character less, more or another one; or two attributes in the other order. */
export function damaged(r: Random, text: string): string {
  const tokens = text.match(/[a-z_0-9.:]+|./g) ?? [];
  const at = r.below(tokens.length);
  switch (r.below(5)) {
    case 0:
      tokens.splice(at, 1);
      break;
    case 1:
      tokens.splice(at, 0, tokens[at]!);
      break;
    case 2:
      tokens[at] = r.pick(tokens);
      break;
    case 3:
      tokens.splice(at, 0, r.pick([',', '(', ')', ' ', '=', '1', 'x']));
      break;
    default: {
      const attrs = text.split(/,(?=[a-z0-9_]+\()/);
      const [moved] = attrs.splice(r.below(attrs.length), 1);
      attrs.splice(r.below(attrs.length + 1), 0, moved!);
      return attrs.join(',');
    }
  }
  return tokens.join('');
}

const ND_EXT = 'set(nd_ext(nd_reserved=0x5))';

function set(r: Random): string {
  const attr = r.pick<Read>([
    () => struct(r, 'eth', { src: MAC, dst: MAC }, true),
    () => struct(r, 'ipv4', { ...IPV4_MEMBERS, proto: BYTE }, true),
    () => struct(r, 'ipv6', { ...IPV6_MEMBERS, proto: BYTE }, true),
    () => struct(r, r.pick(['tcp', 'udp', 'sctp']), PORTS, true),
    () => struct(r, r.pick(['icmp', 'icmpv6']), ICMP, true),
    () => struct(r, 'arp', ARP, true),
    () => struct(r, 'nd', ND, true),
    () => r.pick(['vlan(vid=3,pcp=1)', 'vlan(vid=3/7)', 'mpls(label=9,tc=0,ttl=64,bos=1)']),
    () => r.pick(['mpls(label=9)', 'skb_mark(5/7)', 'skb_priority(1)', 'ct_mark(0x5)']),
    () => `tunnel(tun_id=${number(r)},dst=${ipv4(r)},ttl=64,flags(df|key))`,
    () => 'tunnel(dst=1.1.1.1,ttl=3,geneve({class=1,type=2,len=4,0x5}))',
    () => 'tunnel(ipv6_dst=::1,ttl=3,vxlan(gbp(id=7,flags=8)))',
    () => tunnel(r, true),
  ])(r);
  return `set(${attr})`;
}

function userspace(r: Random): string {
  const cookie = r.pick([
    '',
    ',userdata(0102)',
    ',userdata(0102030405060708090a)',
    ',sFlow(vid=1,pcp=2,output=3)',
    ',slow_path(cfm|lacp)',
    ',slow_path(0x21)',
    ',ipfix(output_port=5)',
    ',flow_sample(probability=1,collector_set_id=2,obs_domain_id=3,obs_point_id=4,output_port=5,egress)',
    ',controller(reason=1,dont_send=0,continuation=1,recirc_id=4,rule_cookie=0x55,controller_id=0,max_len=65535)',
  ]);
  return `userspace(pid=${number(r)}${cookie}${r.pick(['', ',actions'])}${r.pick(['', ',tunnel_out_port=4'])})`;
}

/**
 * Whether Open vSwitch makes of a text what it does not mean: it does not read the number of `recirc`
 * as it prints it, and of a tunnel's header that is longer than 40 bytes it takes the mask for more
 * of the header, `set(tunnel(..,ttl=64,..,ttl=255))`.
 */
export function isMistaken(words: readonly string[], answer: string): boolean {
  if (words.some((word) => word.includes('recirc(0x'))) return true;
  const headers = answer
    .split('set(tunnel(')
    .map((text) => text.replace(/(,flags\(|set\().*/s, ''));
  return headers.slice(1).some((header) => /\b((?:ipv6_)?(?:src|dst)|ttl)=.*\b\1=/.test(header));
}

const CT = [
  'ct',
  'ct(commit)',
  'ct(force_commit,zone=5,mark=0x5/0xff)',
  'ct(commit,label=0x5/0xff,helper=ftp)',
  'ct(commit,timeout=policy)',
  'ct(mark=ff/0x10,label=-1)',
  'ct(commit,label=0x123456789abcdef0123456789/0x0,nat(src,hash))',
  'ct(nat(src=fe80::1-[fe80::5]:1-65535,hash,persistent),zone=0)',
  'ct(commit,nat(src=10.0.0.1-10.0.0.9:5-99,random))',
  'ct(nat)',
  'ct(commit,nat(dst=[fd00::1]-[fd00::9]:80,persistent))',
  'ct_clear',
];

function action(r: Random, depth: number): string {
  if (depth < 2 && r.chance(12)) {
    const inner = (): string => randomActionList(r, depth + 1);
    return r.pick<() => string>([
      () => `clone(${inner()})`,
      () => `sample(sample=${r.pick(['50', '0.5', '100', '33.3'])}%,actions(${inner()}))`,
      () => `check_pkt_len(size=${number(r)},gt(${inner()}),le(${r.pick(['drop', '5'])}))`,
    ])();
  }
  return r.pick<() => string>([
    () => String(r.below(20)),
    () => String(r.below(20)),
    () => String(r.below(20)),
    () => `push_vlan(vid=${small(r, 4095)},pcp=${small(r, 7)}${r.pick(['', ',cfi=0', ',cfi=1'])})`,
    () => `push_vlan(tpid=0x88a8,vid=${small(r, 4095)},pcp=${small(r, 7)})`,
    () => 'pop_vlan',
    () => set(r),
    () => set(r),
    () => userspace(r),
    () => r.pick(CT),
    () => r.pick([`trunc(${number(r)})`, 'meter(3)', 'recirc(5)', 'lb_output(7)', 'tnl_pop(4)']),
    () => r.pick(['pop_nsh()', ND_EXT, 'add_mpls(label=1,tc=0,ttl=64,bos=1,eth_type=0x8847)']),
    () => 'push_nsh(flags=0,ttl=63,mdtype=1,np=4,spi=0x5,si=255,c1=0x1,c2=0x2,c3=0x3,c4=0x4)',
    () => 'push_nsh(mdtype=2,np=4,spi=0x7,md2=0x10000a041234)',
  ])();
}

function randomActionList(r: Random, depth: number): string {
  return Array.from({ length: r.below(5) }, () => action(r, depth)).join(',');
}

export function randomActions(r: Random): string {
  if (r.chance(3)) return 'drop';
  const text = randomActionList(r, 0);
  return text !== '' && r.chance(25) ? damaged(r, text) : text;
}
