/** Flows and actions of datapaths as text, both ways. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extractFlow, Flow, flowAnd, flowEquals } from '@heddle/packet';
import fc from 'fast-check';
import type { OdpAction } from './odp-actions.ts';
import {
  formatFlowStats,
  formatInstalledFlow,
  formatOdpActions,
  formatOdpFlow,
} from './odp-format.ts';
import { parseOdpActions } from './odp-parse.ts';
import { OdpParseError } from './odp-parse-error.ts';
import { parseOdpFlow } from './odp-parse-flow.ts';
import { Ufid } from './odp-ufid.ts';
import { Random, randomFrame } from './oracle/random-frame.ts';
import { randomMask } from './oracle/random-mask.ts';

// Lines that `ovs-dpctl dump-flows` of a distribution printed.
const FLOWS = [
  'recirc_id(0),in_port(2),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02/01:00:00:00:00:00),eth_type(0x8100),vlan(vid=10,pcp=0),encap(eth_type(0x0800),ipv4(src=1.2.3.4/255.255.0.0,frag=no))',
  'recirc_id(0),in_port(1),eth(),eth_type(0x0800),ipv4(proto=6,frag=no),tcp(src=80/0xff00,dst=81),tcp_flags(+syn-ack)',
  'skb_mark(0x5/0xff),recirc_id(0x1f),in_port(1),eth(src=ff:ff:ff:ff:ff:ff),eth_type(0x1234)',
  'skb_mark(0x5),ct_state(+est-inv+trk),ct_zone(0x3),ct_mark(0x3/0xff),ct_label(0x3/0xff),recirc_id(0x1f),in_port(1),eth(),eth_type(0x0800),ipv4(frag=later)',
  'recirc_id(0),in_port(1),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x86dd),ipv6(src=fe80::1/ffff::,label=0x12345,proto=58,tclass=0x3/0x3,hlimit=255,frag=no),icmpv6(type=135,code=0),nd(target=fe80::1/ffff:ffff:ffff:ffff::,sll=02:00:00:00:00:05)',
  'recirc_id(0),in_port(1),eth(),eth_type(0x0806),arp(sip=1.2.3.4,tip=1.2.3.5/255.255.255.0,op=1,sha=02:00:00:00:00:05,tha=00:00:00:00:00:00/01:00:00:00:00:00)',
  'recirc_id(0),in_port(1),eth(),eth_type(0x88a8),vlan(vid=3/0xff,pcp=1/0x3),encap(eth_type(0x8100),vlan(vid=4,pcp=0),encap(eth_type(0x0800),ipv4(frag=first)))',
  'recirc_id(0),in_port(1),eth(),eth_type(0/0xffff)',
  'recirc_id(0),in_port(1),eth(),eth_type(0x8100),vlan(vid=12),encap()',
  'tunnel(tun_id=0x7b,src=1.1.2.92,dst=1.1.2.88,flags(-df-csum+key)),recirc_id(0),in_port(4789),eth(src=50:54:00:00:00:08,dst=50:54:00:00:00:09),eth_type(0x88b5)',
  'tunnel(src=1.1.2.92,dst=1.1.2.88,flags(-df-csum)),recirc_id(0),in_port(3),eth(),eth_type(0x88b5)',
  'tunnel(tun_id=0x7b,src=10.0.0.2,dst=10.0.0.1,tos=0x10,ttl=64,tp_src=5,tp_dst=4789,flags(df|csum|key)),recirc_id(0),in_port(2),eth(),eth_type(0x0800),ipv4(frag=no)',
];

test('flows are read and written back', () => {
  for (const text of FLOWS) {
    const { key, mask } = parseOdpFlow(text);
    assert.equal(formatOdpFlow(key, mask), text);
  }
});

const ACTIONS = [
  'drop',
  'push_vlan(vid=9,pcp=0),3,pop_vlan,2',
  'push_vlan(tpid=0x88a8,vid=9,pcp=3),1',
  'trunc(64),1,recirc(0xff)',
  'set(eth(src=02:00:00:00:00:05,dst=02:00:00:00:00:06)),1',
  'set(ipv4(src=1.2.3.4/255.0.0.0,ttl=64)),set(udp(dst=1/0xff)),1',
  'set(ipv6(dst=fe80::1,label=0x5,tclass=0x3,hlimit=3)),set(tcp(src=1,dst=2)),1',
  'set(arp(sip=1.2.3.4,op=2,sha=02:00:00:00:00:05)),set(skb_mark(0x5/0xff)),1',
  'set(nd(target=fe80::1,tll=02:00:00:00:00:05)),userspace(pid=0,userdata(0102ff)),1',
  'set(tunnel(tun_id=0x0,dst=1.2.3.4,ttl=64,tp_dst=5000,vxlan(gbp(id=7,flags=0x8)),flags(df|key))),5000',
  'set(tunnel(dst=1.1.2.92,tos=0x2,ttl=64,flags(0))),3,set(tunnel(tun_id=0x7,ipv6_dst=fd00::5,ttl=64,tp_dst=6081,flags(df|csum|key))),6081',
  'set(tunnel(tun_id=0x7,dst=1.2.3.4,ttl=64,tp_dst=6081,geneve({class=0x102,type=0x80,len=4,0x10002}),flags(df|key))),2',
  'ct,ct_clear,ct(commit),recirc(0x5)',
  'ct(force_commit,zone=5,mark=0x3/0xff,label=0x5/0xff,helper=ftp,timeout=3,nat(src))',
  'ct(mark=0x5/0xffffffff,label=0x123456789abcdef0123456789abcdef,nat)',
  'ct(commit,nat(src=10.0.0.1-10.0.0.9:5-99,random)),1',
  'ct(commit,nat(dst=[fd00::1]-[fd00::9]:80,persistent,hash)),ct(nat(dst=fd00::1)),1',
];

test('actions are read and written back', () => {
  for (const text of ACTIONS) assert.equal(formatOdpActions(parseOdpActions(text)), text);
});

test('what is wrong is refused', () => {
  const actions = ['foo', '1,foo', 'set(nosuch(1))', 'push_vlan(vid=5000,pcp=0)', 'drop(3)'];
  for (const text of [
    ...actions,
    'set(eth(src=1))',
    'pop_vlan,)',
    'set(udp(src=7))x',
    'set(tunnel(foo=1))',
    ...[
      'bla',
      'commit=1',
      'commit(1)',
      'zone=x',
      'mark=',
      'nat(src,dst)',
      'nat(src=)',
      'commit,',
    ].map((ct) => `ct(${ct})`),
    ...['10.0.0.9-10.0.0.1', '10.0.0.1:9-5', 'fd00::1:', ':80'].map(
      (range) => `ct(commit,nat(src=${range}))`,
    ),
  ]) {
    assert.throws(() => parseOdpActions(text), OdpParseError, text);
  }
  const flows = [
    'in_port',
    'in_port(x)',
    'eth(src=zz)',
    'ipv4(frag=no',
    'vlan(vid=1)',
    'nosuch(1)',
  ];
  for (const text of flows) assert.throws(() => parseOdpFlow(text), OdpParseError, text);
});

test('parse of format is the identity for flows', () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const r = new Random(seed);
      const flow = extractFlow(randomFrame(r, seed), { inPort: r.below(1000) });
      const mask = randomMask(r, flow);
      const parsed = parseOdpFlow(formatOdpFlow(flow, mask));
      const shown = formatOdpFlow(flow, mask);
      assert.equal(formatOdpFlow(parsed.key, parsed.mask), shown);
      // Fields of broken headers have no text; they are zero in such a flow.
      const lost = flowAnd(flow, mask);
      assert.ok(flowEquals(flowAnd(parsed.key, parsed.mask), lost), shown);
    }),
    { numRuns: 300 },
  );
});

const action: fc.Arbitrary<OdpAction> = fc.oneof(
  fc.record({ type: fc.constant('output' as const), port: fc.nat(65535) }),
  fc.record({
    type: fc.constant('push_vlan' as const),
    tpid: fc.constantFrom(0x8100, 0x88a8),
    tci: fc.nat(0xffff),
  }),
  fc.constant({ type: 'pop_vlan' as const }),
  fc.record({ type: fc.constant('recirc' as const), id: fc.nat(0xffffffff) }),
  fc.record({ type: fc.constant('trunc' as const), maxLen: fc.nat(0xffffffff) }),
  fc.record({
    type: fc.constant('userspace' as const),
    userdata: fc.uint8Array({ maxLength: 40 }),
  }),
);

test('parse of format is the identity for actions', () => {
  fc.assert(
    fc.property(fc.array(action), (actions) => {
      const plain = actions.map((a) => ({ ...a }));
      assert.deepEqual(parseOdpActions(formatOdpActions(plain)), plain);
    }),
  );
});

test('stats and lines', () => {
  const stats = { packets: 3, bytes: 200, usedMs: 1000, tcpFlags: 0x1b };
  assert.equal(formatFlowStats(stats, 1123), 'packets:3, bytes:200, used:0.123s, flags:SFP.');
  const never = { packets: 0, bytes: 0, usedMs: undefined, tcpFlags: 0 };
  assert.equal(formatFlowStats(never, 0), 'packets:0, bytes:0, used:never');
  const { key, mask } = parseOdpFlow('recirc_id(0),in_port(1),eth(),eth_type(0x1234)');
  const flow = {
    key,
    mask,
    actions: parseOdpActions('2'),
    ufid: Ufid.fromString('0123456789abcdef'.repeat(2)),
    stats,
  };
  const line = 'recirc_id(0),in_port(1),eth(),eth_type(0x1234), packets:3, bytes:200, used:0.123s';
  assert.equal(formatInstalledFlow(flow, 1123), `${line}, flags:SFP., actions:2`);
  const verbose = formatInstalledFlow(flow, 1123, { verbose: true, portName: (n) => `p${n}` });
  assert.match(verbose, /^ufid:01234567-89ab-cdef-0123-456789abcdef, skb_priority\(0\/0\),/);
  assert.match(verbose, /in_port\(p1\),.*, dp:ovs, actions:p2$/);
});

test('a cookie has the text that its owner gives it', () => {
  const options = {
    userdata: (d: Uint8Array) => (d[0] === 7 ? 'slow_path(controller)' : undefined),
  };
  const actions: OdpAction[] = [{ type: 'userspace', userdata: Uint8Array.of(7) }];
  const half = 'sample(sample=50.0%,actions(userspace(pid=0,userdata(01)),2))';
  assert.equal(formatOdpActions(parseOdpActions(half)), half);
  assert.throws(() => parseOdpActions('sample(sample=101%,actions(2))'), OdpParseError);
  const text = formatOdpActions(actions, { ...options, upcallPid: 5 });
  assert.equal(text, 'userspace(pid=5,slow_path(controller))');
  const back = (t: string) => (t === 'slow_path(controller)' ? Uint8Array.of(7) : undefined);
  assert.deepEqual(parseOdpActions(text, { userdata: back }), actions);
});

test('an empty flow matches what has no tag', () => {
  const { key, mask } = parseOdpFlow('');
  const untagged = new Flow();
  untagged.vlanTci0 = 0xffff;
  untagged.vlanTci1 = 0xffff;
  assert.ok(flowEquals(mask, untagged));
  assert.equal(key.vlanTci0, 0);
});
