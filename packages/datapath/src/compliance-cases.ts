/**
 * What actions do to frames, frame by frame. Expected frames are built from scratch, so that every
 * checksum is compared with one computed in full. `$1` to `$3` are ports; frames enter at `$1`.
 */
import {
  arp,
  ethernet,
  icmp,
  icmpv6,
  ipv4,
  ipv6,
  nd,
  type Part,
  pad,
  raw,
  tcp,
  udp,
  vlan,
} from '@heddle/packet/build';

export interface ActionCase {
  readonly name: string;
  readonly frame: Uint8Array;
  /** As `ovs-dpctl` writes them, with `$N` for ports. */
  readonly actions: string;
  /** What leaves at `$2` and `$3`. */
  readonly out2?: readonly Uint8Array[];
  readonly out3?: readonly Uint8Array[];
}

const A = '02:00:00:00:00:0a';
const B = '02:00:00:00:00:0b';
const C = '02:00:00:00:00:0c';
const BODY = Uint8Array.from({ length: 40 }, (_, i) => i);

type Tags = readonly Parameters<typeof vlan>[0][];

function eth(payload: Part, tags: Tags = [], ends = { dst: B, src: A }): Uint8Array {
  return pad(
    ethernet(
      ends,
      tags.reduceRight((inner, tag) => vlan(tag, inner), payload),
    ),
  );
}

interface Ip {
  src?: string;
  dst?: string;
  tos?: number;
  ttl?: number;
}

const V4 = { src: '10.0.0.1', dst: '10.0.0.2', tos: 0, ttl: 64 };
const V6 = { src: 'fd00::1', dst: 'fd00::2', tos: 0, label: 0, hopLimit: 64 };
const L4 = { src: 1000, dst: 2000 };

function udp4(ip: Ip = {}, ports: Partial<typeof L4> = {}): Part {
  return ipv4({ ...V4, ...ip }, udp({ ...L4, ...ports }, BODY));
}

function tcp4(ip: Ip = {}, ports: Partial<typeof L4> = {}): Part {
  return ipv4({ ...V4, ...ip }, tcp({ ...L4, ...ports, flags: 0x10 }, BODY));
}

function tcp6(ip: Partial<typeof V6> = {}, ports: Partial<typeof L4> = {}): Part {
  return ipv6({ ...V6, ...ip }, tcp({ ...L4, ...ports, flags: 0x10 }, BODY));
}

const plain = eth(udp4());

const OUTPUT_CASES: readonly ActionCase[] = [
  { name: 'output', frame: plain, actions: '$2', out2: [plain] },
  { name: 'flood', frame: plain, actions: '$2,$3', out2: [plain], out3: [plain] },
  { name: 'the same port twice', frame: plain, actions: '$2,$2', out2: [plain, plain] },
  { name: 'drop', frame: plain, actions: 'drop' },
  {
    name: 'trunc holds for one output',
    frame: plain,
    actions: 'trunc(20),$2,$3',
    out2: [plain.slice(0, 20)],
    out3: [plain],
  },
  { name: 'trunc of a shorter frame', frame: plain, actions: 'trunc(9000),$2', out2: [plain] },
  {
    name: 'jumbo',
    frame: eth(raw(0x1234, new Uint8Array(1486).fill(7))),
    actions: '$2',
    out2: [eth(raw(0x1234, new Uint8Array(1486).fill(7)))],
  },
];

const ARP_REQUEST = arp({ op: 1, sha: A, spa: '10.0.0.1', tpa: '10.0.0.2' });
const tagged = eth(udp4(), [{ vid: 10, pcp: 3 }]);
const double = eth(udp4(), [{ vid: 20, tpid: 0x88a8 }, { vid: 10 }]);

const VLAN_CASES: readonly ActionCase[] = [
  { name: 'a tag stays', frame: tagged, actions: '$2', out2: [tagged] },
  { name: 'pop_vlan', frame: tagged, actions: 'pop_vlan,$2', out2: [plain] },
  { name: 'push_vlan', frame: plain, actions: 'push_vlan(vid=10,pcp=3),$2', out2: [tagged] },
  {
    name: 'push_vlan, priority tag',
    frame: plain,
    actions: 'push_vlan(vid=0,pcp=5),$2',
    out2: [eth(udp4(), [{ vid: 0, pcp: 5 }])],
  },
  {
    name: 'a tag replaced',
    frame: tagged,
    actions: 'pop_vlan,push_vlan(vid=4094,pcp=0),$2',
    out2: [eth(udp4(), [{ vid: 4094 }])],
  },
  {
    name: 'tagged here, untagged there',
    frame: plain,
    actions: 'push_vlan(vid=10,pcp=3),$2,pop_vlan,$3',
    out2: [tagged],
    out3: [plain],
  },
  {
    name: 'untagged here, tagged there',
    frame: tagged,
    actions: 'pop_vlan,$2,push_vlan(vid=10,pcp=3),$3',
    out2: [plain],
    out3: [tagged],
  },
  {
    name: 'trunc counts the tag',
    frame: tagged,
    actions: 'trunc(40),$2,$3',
    out2: [tagged.slice(0, 40)],
    out3: [tagged],
  },
  {
    name: 'trunc counts a tag just pushed',
    frame: plain,
    actions: 'push_vlan(vid=10,pcp=3),trunc(40),$2',
    out2: [tagged.slice(0, 40)],
  },
  {
    name: 'trunc takes away, whatever is pushed before the output',
    frame: plain,
    actions: 'trunc(40),push_vlan(vid=10,pcp=3),$2,$3',
    out2: [tagged.slice(0, 44)],
    out3: [tagged],
  },
  {
    name: 'trunc takes away, whatever is popped before the output',
    frame: tagged,
    actions: 'trunc(40),pop_vlan,$2,$3',
    out2: [plain.slice(0, 36)],
    out3: [plain],
  },
  { name: 'two tags stay', frame: double, actions: '$2', out2: [double] },
  {
    name: 'the outer of two popped',
    frame: double,
    actions: 'pop_vlan,$2',
    out2: [eth(udp4(), [{ vid: 10 }])],
  },
  { name: 'both tags popped', frame: double, actions: 'pop_vlan,pop_vlan,$2', out2: [plain] },
  {
    name: 'an 802.1ad tag pushed over a tag',
    frame: eth(udp4(), [{ vid: 10 }]),
    actions: 'push_vlan(tpid=0x88a8,vid=20,pcp=0),$2',
    out2: [double],
  },
  {
    name: 'two tags pushed',
    frame: plain,
    actions: 'push_vlan(vid=10,pcp=0),push_vlan(tpid=0x88a8,vid=20,pcp=0),$2',
    out2: [double],
  },
  {
    name: 'tagged ARP',
    frame: ethernet({ dst: B, src: A }, vlan({ vid: 10 }, ARP_REQUEST)),
    actions: 'pop_vlan,$2',
    out2: [ethernet({ dst: B, src: A }, ARP_REQUEST)],
  },
];

const SET_CASES: readonly ActionCase[] = [
  {
    name: 'set eth',
    frame: plain,
    actions: `set(eth(src=${B},dst=${C})),$2`,
    out2: [eth(udp4(), [], { dst: C, src: B })],
  },
  {
    name: 'set eth under a mask',
    frame: plain,
    actions: 'set(eth(dst=00:00:00:00:00:0c/00:00:00:00:00:ff)),$2',
    out2: [eth(udp4(), [], { dst: C, src: A })],
  },
  {
    name: 'set IPv4 addresses under UDP',
    frame: plain,
    actions: 'set(ipv4(src=192.168.1.9,dst=8.8.8.8)),$2',
    out2: [eth(udp4({ src: '192.168.1.9', dst: '8.8.8.8' }))],
  },
  {
    name: 'set IPv4 addresses under TCP',
    frame: eth(tcp4()),
    actions: 'set(ipv4(src=192.168.1.9,dst=8.8.8.8)),$2',
    out2: [eth(tcp4({ src: '192.168.1.9', dst: '8.8.8.8' }))],
  },
  {
    name: 'set an IPv4 address under a mask',
    frame: eth(tcp4()),
    actions: 'set(ipv4(dst=0.0.7.0/0.0.255.0)),$2',
    out2: [eth(tcp4({ dst: '10.0.7.2' }))],
  },
  {
    name: 'set IPv4 TOS and TTL',
    frame: plain,
    actions: 'set(ipv4(tos=0xb8/0xfc,ttl=1)),$2',
    out2: [eth(udp4({ tos: 0xb8, ttl: 1 }))],
  },
  {
    name: 'set an IPv4 address under UDP without checksum',
    frame: eth(ipv4(V4, udp({ ...L4, csum: false }, BODY))),
    actions: 'set(ipv4(dst=8.8.8.8)),$2',
    out2: [eth(ipv4({ ...V4, dst: '8.8.8.8' }, udp({ ...L4, csum: false }, BODY)))],
  },
  {
    name: 'set an IPv4 address under ICMP',
    frame: eth(ipv4(V4, icmp({ type: 8 }, BODY))),
    actions: 'set(ipv4(dst=8.8.8.8)),$2',
    out2: [eth(ipv4({ ...V4, dst: '8.8.8.8' }, icmp({ type: 8 }, BODY)))],
  },
  {
    name: 'set UDP ports',
    frame: plain,
    actions: 'set(udp(src=7,dst=65535)),$2',
    out2: [eth(udp4({}, { src: 7, dst: 65535 }))],
  },
  {
    name: 'set TCP ports',
    frame: eth(tcp4()),
    actions: 'set(tcp(src=7,dst=65535)),$2',
    out2: [eth(tcp4({}, { src: 7, dst: 65535 }))],
  },
  {
    name: 'set in a tagged frame',
    frame: tagged,
    actions: 'set(ipv4(ttl=9)),$2',
    out2: [eth(udp4({ ttl: 9 }), [{ vid: 10, pcp: 3 }])],
  },
  {
    name: 'set after a tag was pushed',
    frame: plain,
    actions: 'push_vlan(vid=10,pcp=3),set(ipv4(ttl=9)),$2',
    out2: [eth(udp4({ ttl: 9 }), [{ vid: 10, pcp: 3 }])],
  },
  {
    name: 'a copy sent before is not rewritten',
    frame: plain,
    actions: '$2,set(ipv4(ttl=9)),$3',
    out2: [plain],
    out3: [eth(udp4({ ttl: 9 }))],
  },
  {
    name: 'set IPv6 addresses',
    frame: eth(tcp6()),
    actions: 'set(ipv6(src=2001:db8::99,dst=2001:db8::1:2:3)),$2',
    out2: [eth(tcp6({ src: '2001:db8::99', dst: '2001:db8::1:2:3' }))],
  },
  {
    name: 'set IPv6 traffic class, label and hop limit',
    frame: eth(tcp6()),
    actions: 'set(ipv6(label=0x12345,tclass=0xb9,hlimit=2)),$2',
    out2: [eth(tcp6({ label: 0x12345, tos: 0xb9, hopLimit: 2 }))],
  },
  {
    name: 'set IPv6 addresses under ICMPv6',
    frame: eth(ipv6(V6, icmpv6({ type: 128 }, BODY))),
    actions: 'set(ipv6(dst=2001:db8::7)),$2',
    out2: [eth(ipv6({ ...V6, dst: '2001:db8::7' }, icmpv6({ type: 128 }, BODY)))],
  },
  {
    name: 'set ARP',
    frame: eth(arp({ op: 1, sha: A, spa: '10.0.0.1', tpa: '10.0.0.2' })),
    actions: `set(arp(sip=10.0.0.2,tip=10.0.0.1,op=2,sha=${B},tha=${A})),$2`,
    out2: [eth(arp({ op: 2, sha: B, spa: '10.0.0.2', tha: A, tpa: '10.0.0.1' }))],
  },
  {
    name: 'set RARP',
    frame: eth(arp({ op: 3, sha: A, spa: '10.0.0.1', tpa: '10.0.0.2' }, 0x8035)),
    actions: 'set(arp(tip=10.0.0.9)),$2',
    out2: [eth(arp({ op: 3, sha: A, spa: '10.0.0.1', tpa: '10.0.0.9' }, 0x8035))],
  },
  {
    name: 'set behind the tag that a pop left',
    frame: double,
    actions: 'pop_vlan,set(ipv4(dst=8.8.8.8,ttl=9)),set(udp(src=7)),$2',
    out2: [eth(udp4({ dst: '8.8.8.8', ttl: 9 }, { src: 7 }), [{ vid: 10 }])],
  },
  {
    name: 'set behind a second tag just pushed',
    frame: eth(udp4(), [{ vid: 10 }]),
    actions: 'push_vlan(tpid=0x88a8,vid=20,pcp=0),set(ipv4(dst=8.8.8.8,ttl=9)),set(udp(src=7)),$2',
    out2: [
      eth(udp4({ dst: '8.8.8.8', ttl: 9 }, { src: 7 }), [{ vid: 20, tpid: 0x88a8 }, { vid: 10 }]),
    ],
  },
  {
    name: 'set addresses of a later fragment: its payload is no header',
    frame: eth(ipv4({ ...V4, fragOff: 4 }, raw(17, BODY))),
    actions: 'set(ipv4(dst=8.8.8.8)),$2',
    out2: [eth(ipv4({ ...V4, dst: '8.8.8.8', fragOff: 4 }, raw(17, BODY)))],
  },
  {
    name: 'set addresses of a first fragment',
    frame: eth(ipv4({ ...V4, mf: true }, udp(L4, BODY))),
    actions: 'set(ipv4(dst=8.8.8.8)),$2',
    out2: [eth(ipv4({ ...V4, dst: '8.8.8.8', mf: true }, udp(L4, BODY)))],
  },
  {
    name: 'set addresses of IPv4 that carries the number of ICMPv6',
    frame: eth(ipv4(V4, raw(58, BODY))),
    actions: 'set(ipv4(dst=8.8.8.8)),$2',
    out2: [eth(ipv4({ ...V4, dst: '8.8.8.8' }, raw(58, BODY)))],
  },
  {
    name: 'set ND',
    frame: eth(ipv6(V6, nd({ type: 136, target: 'fd00::2', tll: A }))),
    actions: `set(nd(target=fd00::9,tll=${C})),$2`,
    out2: [eth(ipv6(V6, nd({ type: 136, target: 'fd00::9', tll: C })))],
  },
];

const toC = eth(udp4(), [], { dst: C, src: A });
const TO_C = `set(eth(dst=${C}))`;

const NESTED_CASES: readonly ActionCase[] = [
  {
    name: 'what a clone changes, the packet does not show',
    frame: plain,
    actions: `clone(${TO_C},$2),$3`,
    out2: [toC],
    out3: [plain],
  },
  {
    name: 'the last clone is the packet',
    frame: plain,
    actions: `$3,clone(${TO_C},$2)`,
    out2: [toC],
    out3: [plain],
  },
  {
    name: 'a clone of a clone, behind many actions',
    frame: plain,
    actions: `${'$3,push_vlan(vid=1,pcp=0),pop_vlan,'.repeat(12)}clone(clone(${TO_C},$2),$3),$3`,
    out2: [toC],
    out3: Array(14).fill(plain),
  },
  {
    name: 'a clone of many actions',
    frame: plain,
    actions: `clone(${TO_C},${'push_vlan(vid=1,pcp=0),pop_vlan,'.repeat(40)}$2),$3`,
    out2: [toC],
    out3: [plain],
  },
  {
    name: 'trunc reaches past a clone',
    frame: plain,
    actions: 'trunc(20),clone($3),$2',
    out2: [plain.slice(0, 20)],
    out3: [plain],
  },
  {
    name: 'as long as is asked for',
    frame: plain,
    actions: `check_pkt_len(size=${plain.length},gt($3),le(${TO_C},$2))`,
    out2: [toC],
  },
  {
    name: 'a byte longer than is asked for',
    frame: plain,
    actions: `check_pkt_len(size=${plain.length - 1},gt(${TO_C},$2),le($3))`,
    out2: [toC],
  },
  {
    name: 'a check between other actions',
    frame: plain,
    actions: `check_pkt_len(size=10,gt(${TO_C},$2),le($3)),check_pkt_len(size=2000,gt(drop),le($3)),$3`,
    out2: [toC],
    out3: [plain, plain],
  },
  {
    name: 'a tag counts',
    frame: plain,
    actions: `push_vlan(vid=1,pcp=0),check_pkt_len(size=${plain.length},gt(pop_vlan,$2),le($3))`,
    out2: [plain],
  },
];

export const ACTION_CASES: readonly ActionCase[] = [
  ...OUTPUT_CASES,
  ...VLAN_CASES,
  ...SET_CASES,
  ...NESTED_CASES,
];
