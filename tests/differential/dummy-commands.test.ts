/**
 * Commands that look into the userspace datapath or are there for tests: the same answers as Open
 * vSwitch's where it has no threads that poll.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isolate, Scope } from '@heddle/testing';
import { agree, DummySwitch } from './dummy-switch.ts';

isolate();

const NETDEV_COMMANDS = [
  'pmd-stats-clear',
  'pmd-stats-show',
  'pmd-stats-show nosuch',
  'pmd-stats-show -pmd 3',
  'pmd-stats-show -pmd',
  'pmd-stats-show -pmd x',
  'pmd-stats-show 1 2 3 4',
  'pmd-rxq-show',
  'pmd-rxq-show -secs 5',
  'pmd-rxq-show -secs 7',
  'pmd-rxq-show -secs 0',
  'pmd-rxq-show -secs 61',
  'pmd-rxq-show -secs x',
  'pmd-rxq-show -secs',
  'pmd-rxq-show -pmd 0 -secs 10',
  'pmd-rxq-rebalance',
  'pmd-rxq-rebalance 1 2',
  'pmd-perf-show',
  'pmd-perf-show -nh -it 5 -ms 3',
  'pmd-perf-log-set',
  'pmd-perf-log-set on -b 3 -a 4 -e -us 3 -q 5',
  'pmd-perf-log-set on -b',
  'pmd-perf-log-set what',
  'bond-show',
  'bond-show 1 2',
  'bond-show nosuch',
  'dpif-impl-get',
  'dpif-impl-set dpif_scalar',
  'dpif-impl-set other',
  'dpif-impl-set',
  'miniflow-parser-set scalar',
  'miniflow-parser-set scalar 3',
  'miniflow-parser-set other',
  'miniflow-parser-set -pmd',
  'miniflow-parser-set -pmd x scalar',
  'miniflow-parser-set -pmd 0 scalar',
  'miniflow-parser-set -pmd 0 other',
  'miniflow-parser-set -pmd 0',
  'subtable-lookup-prio-set generic 7x',
  'subtable-lookup-prio-set generic x',
  'subtable-lookup-prio-set generic 300',
  'subtable-lookup-prio-set generic -1',
  'subtable-lookup-prio-set other 1',
  'subtable-lookup-prio-set other 300',
  'subtable-lookup-prio-set generic',
].map((words) => `dpif-netdev/${words}`);

const OTHER_COMMANDS = [
  'dpif/dump-flows a b c d e f',
  'odp-execute/action-impl-set scalar',
  'odp-execute/action-impl-set other',
  'odp-execute/action-impl-set',
  'netdev-dummy/conn-state',
  'netdev-dummy/conn-state p1',
  'netdev-dummy/conn-state nosuch',
  'netdev-dummy/conn-state a b',
];

const OF_BRIDGES = [
  'ofproto/trace-packet-out',
  'ofproto/trace-packet-out br0',
  'ofproto/trace-packet-out br0 in_port=1 foo',
  'ofproto/trace-packet-out br0 in_port=1 goto_table:1',
  'ofproto/trace-packet-out br0 in_port=1 group:99',
  'ofproto/trace-packet-out br0 in_port=1 meter:99',
  'ofproto/trace-packet-out br0 in_port=1 mod_nw_src:1.2.3.4',
  'ofproto/trace-packet-out br0 in_port=1 mod_nw_src:1.2.3.4 -consistent',
  'ofproto/trace-packet-out -consistent br0 in_port=1 mod_nw_src:1.2.3.4',
  'ofproto/trace-packet-out --consistent br0 in_port=1,ip mod_nw_src:1.2.3.4,2',
  'ofproto/trace-packet-out br0 in_port=1 set_field:1.2.3.4->nw_src',
  'ofproto/trace-packet-out br0 in_port=1 conjunction(1,1/2)',
  'ofproto/trace br0 in_port=1 --ct-next new',
  'ofproto/trace br0 in_port=1,recirc_id=0xabc',
  'ofproto/trace recirc_id(0xabc),in_port(1),eth(),eth_type(0x1234)',
  'bridge/dump-flows --offload-stats br0',
  'fdb/add br0 p1 -1 00:00:00:00:00:01',
  'fdb/show br0',
  'bond/set-active-slave a b',
  'bond/enable-slave a',
  'bond/disable-slave a b',
  'ovs/route/lookup 9.9.9.9 pkt_mark=x',
  'ovs/route/del 1.2.3.4/24 x',
  'tnl/egress_port_range x y',
  'tnl/egress_port_range 1 70000',
];

const KEY = 'in_port(1),eth(),';
const TAGGED = `${KEY}eth_type(0x8100),vlan(vid=9,pcp=0),encap(eth_type(0x1234))`;
const NORMALIZATIONS: readonly (readonly string[])[] = [
  [`${KEY}eth_type(0x1234)`, '2,1'],
  [TAGGED, '3,pop_vlan,2,push_vlan(vid=5,pcp=7),1,push_vlan(tpid=0x88a8,vid=4,pcp=0),10,9'],
  [TAGGED, 'pop_vlan'],
  [TAGGED, ''],
  [TAGGED, 'drop'],
  ['', '1'],
  [TAGGED, '5,p9,p1', 'p1=1', 'p9=0x9'],
  [TAGGED, '5', 'p1=x'],
  [`${KEY}eth_type(0x8847),mpls(label=100,tc=0,ttl=64,bos=0,label=7,tc=1,ttl=6,bos=1)`, '1'],
  [`${KEY}eth_type(0x0800)`, '1'],
  [`${KEY}in_port(1)`, '1'],
  [`${KEY}ipv4(),udp()`, '1'],
  ['foo', '1'],
  [KEY, 'foo'],
  [KEY, '1x'],
  [KEY],
  ['-m', `tunnel(tun_id=5,ttl=1),ct_zone(3),${KEY}`, '2,set(skb_mark(1)),1'],
];

const FILTERS = [
  ...[
    'ip',
    'ip6',
    'tcp',
    'tcp6',
    'udp',
    'arp',
    'icmp',
    'dl_type=0x86dd',
    'in_port=p1',
    'in_port=2',
  ],
  ...['ip,nw_src=10.0.0.9', 'ip,nw_src=10.0.1.9', 'ip,nw_src=10.0.0.0/24', 'nw_src=10.0.0.1'],
  ...['tcp,tp_dst=80', 'tcp,tp_dst=81', 'tcp,tp_src=9', 'ipv6,ipv6_src=fe81::1', 'ct_mark=5'],
  ...['dl_vlan=5', 'dl_vlan=6', 'vlan_tci=0', 'recirc_id=1', 'packet_type=(1,0x800)', 'foo'],
  ...['', 'dl_src=50:54:00:00:00:09'],
].map((filter) => `filter=${filter}`);

const DUMPS = [
  ...['pmd=x', 'pmd=0', 'pmd=-1', 'type=', 'type=tc', 'type=foo', 'filter=tcp filter=udp'],
  ...FILTERS,
];

const FILTERED = [
  [
    1,
    'eth_type(0x0800),ipv4(src=10.0.0.0,dst=10.0.0.2,proto=6,tos=0,ttl=64,frag=no),tcp(src=8,dst=80)',
  ],
  [
    1,
    'eth_type(0x0800),ipv4(src=10.0.1.0,dst=10.0.0.2,proto=17,tos=0,ttl=64,frag=no),udp(src=8,dst=80)',
  ],
  [
    2,
    'eth_type(0x86dd),ipv6(src=fe80::,dst=::2,label=0,proto=6,tclass=0,hlimit=64,frag=no),tcp(src=8,dst=80)',
  ],
  [2, 'eth_type(0x8100),vlan(vid=5,pcp=0),encap(eth_type(0x1235))'],
  [2, 'eth_type(0x1234)'],
] as const;

const RENUMBERINGS = [
  'ovs-dummy p1',
  'nosuch p1 77',
  'dummy@ovs-dummy p1 77',
  'ovs-dummy nosuch 0',
  'ovs-dummy p1 0',
  'ovs-dummy p1 x',
  'ovs-dummy p1 2',
  'ovs-dummy p1 1',
  'ovs-dummy p1 77',
  'ovs-dummy p2 4294967295',
  'ovs-dummy p2 99999999999',
  'ovs-dummy p2 1x',
  'ovs-dummy br0 34',
  'ovs-dummy ovs-dummy 33',
].map((words) => `dpif-dummy/change-port-number ${words}`);

const UFID = 'ufid:12345678-1234-1234-1234-123456789abc';

const BY_HAND = [
  'add-dp netdev@nd p1 p2,type=dummy-internal p3,type=dummy p4,type=tap p5,type=bla p6,port_no=9 p7,port_no=9',
  'show netdev@nd',
  'show nd',
  'dump-dps',
  'add-dp netdev@nd',
  'add-dp dummy@nd',
  'add-dp bla@nd',
  'add-if netdev@nd p1',
  'add-if netdev@nd p11 p12,port_no=0 p16',
  'del-if netdev@nd p11 nope 9 0 nd',
  'set-if netdev@nd p2,type=dummy-internal nope p12,port_no=3 p1,port_no=4',
  'show netdev@nd',
  'add-flow netdev@nd in_port(1),packet_type(ns=0,id=0),eth(),eth_type(0x0800),ipv4(frag=no) 2',
  'dump-flows netdev@nd',
  'dump-flows',
  'show -s netdev@nd',
  'del-dp nd',
  'del-dp nosuch',
  'add-dp dummy@other',
  'del-dp netdev@nd',
  'dump-dps',
  'add-dp dummy@other p9',
  `add-flow ${UFID},in_port(1),packet_type(ns=0,id=0),eth(),eth_type(0x1234) 2`,
  `add-flow ${UFID} in_port(1),packet_type(ns=0,id=0),eth(),eth_type(0x1234) 2`,
  `mod-flow ${UFID},in_port(1),packet_type(ns=0,id=0),eth(),eth_type(0x1234) 1`,
  `del-flow ${UFID},in_port(1),packet_type(ns=0,id=0),eth(),eth_type(0x1234)`,
  `del-flow ${UFID},in_port(1),packet_type(ns=0,id=0),eth(),eth_type(0x1234)`,
  `mod-flow ${UFID},in_port(1),packet_type(ns=0,id=0),eth(),eth_type(0x1234) 1`,
  `del-flow ${UFID}`,
  `get-flow ${UFID}`,
  'get-flow ufid:0',
  'get-flow in_port(1),eth(),eth_type(0x1234)',
  'del-flow ufid:zz',
  'add-flow ufid:zz,in_port(1),eth(),eth_type(0x1234) 2',
].map((words) => `dpctl/${words}`);

/** Open vSwitch has a classifier of its own for each port. */
const MASKS_LOOKED_AT = /avg\. subtable lookups per megaflow hit: \d+\.\d+/;

async function pair(scope: Scope): Promise<[DummySwitch, DummySwitch]> {
  const both = await DummySwitch.pair(scope);
  for (const subject of both) await subject.setUp('br0', ['p1', 'p2']);
  return both;
}

const answers = (both: readonly DummySwitch[], words: string) =>
  agree(both, words, async (subject) => {
    const [command, ...args] = words.split(' ');
    return JSON.stringify(await subject.ask(command!, ...args)).replace(MASKS_LOOKED_AT, '');
  });

test('dpif-netdev: the same counts of the same packets, the same words for settings', async () => {
  await using scope = new Scope();
  const both = await pair(scope);
  for (const subject of both) {
    await subject.instance.exec('ovs-ofctl', 'add-flow', 'br0', 'in_port=2,ip,actions=ct(table=1)');
    await subject.instance.exec('ovs-ofctl', 'add-flow', 'br0', 'table=1,ip,actions=output:1');
    for (let i = 1; i <= 5; i++) {
      const frame = `in_port(1),eth(src=50:54:00:00:00:0${i},dst=50:54:00:00:00:02),eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=6,tos=0,ttl=64,frag=no),tcp(src=8,dst=9)`;
      await subject.receive('p1', frame);
      await subject.receive('p2', frame);
    }
  }
  const counts = await answers(both, 'dpif-netdev/pmd-stats-show ovs-dummy');
  assert.match(counts, /packets received: 10\\n {2}packet recirculations: 5/);
  for (const words of [...NETDEV_COMMANDS, ...OTHER_COMMANDS]) await answers(both, words);
});

test('bridges, ports and traces: the same words for what is wrong', async () => {
  await using scope = new Scope();
  const both = await pair(scope);
  await agree(both, 'trace of no flow', async (subject) =>
    JSON.stringify(await subject.ask('ofproto/trace', 'br0', '')),
  );
  for (const words of OF_BRIDGES) await answers(both, words);
});

test('dpctl/normalize-actions: what goes out, by tags', async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  for (const args of NORMALIZATIONS) {
    await agree(both, args.join('  '), async (subject) =>
      JSON.stringify(await subject.ask('dpctl/normalize-actions', ...args)),
    );
  }
});

test('megaflows that a filter lets pass', async () => {
  await using scope = new Scope();
  const both = await pair(scope);
  for (const subject of both) {
    for (const flow of [
      'priority=1,actions=1',
      'priority=5,tcp,tp_dst=80,nw_src=10.0.0.0/24,actions=2',
      'priority=6,tcp6,ipv6_src=fe80::/64,actions=1',
      'priority=7,dl_vlan=5,actions=1',
    ]) {
      await subject.instance.exec('ovs-ofctl', 'add-flow', 'br0', flow);
    }
    for (const [port, headers] of FILTERED) {
      const eth = 'eth(src=50:54:00:00:00:01,dst=50:54:00:00:00:02)';
      await subject.receive(`p${port}`, `in_port(${port}),${eth},${headers}`);
    }
  }
  for (const words of DUMPS) {
    await agree(both, words, async (subject) => {
      const args = ['dummy@ovs-dummy', ...words.split(' ')];
      const { result, error } = await subject.ask('dpctl/dump-flows', ...args);
      return JSON.stringify([(result ?? '').split('\n').sort(), error]);
    });
  }
});

test('dpif-dummy/change-port-number: packets go by the new number', async () => {
  await using scope = new Scope();
  const both = await pair(scope);
  for (const words of RENUMBERINGS) {
    await answers(both, words);
    await answers(both, 'dpif/show');
    await answers(both, 'dpctl/show dummy@ovs-dummy');
  }
  for (const subject of both)
    await subject.receive('p1', `${'5'.repeat(24)}0800${'00'.repeat(46)}`);
  const [a, b] = both.map((subject) => subject.transmitted('p2'));
  assert.deepEqual(a, b);
  assert.equal(a!.length, 1);
});

test('datapaths by hand: made, told of, changed and taken away', async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  for (const words of BY_HAND) await answers(both, words);
  // Where a bridge brings a type's own datapath, what was made by hand goes.
  for (const subject of both) await subject.setUp('br0', ['p1', 'p2']);
  await answers(both, 'dpctl/dump-dps');
  // Open vSwitch leaves packets lie that come to a datapath of no bridge.
  const [ours] = both;
  const flow = 'in_port(20),packet_type(ns=0,id=0),eth(),eth_type(0x1234)';
  await ours.appctl('dpctl/add-dp', 'netdev@more', 'p20', 'p21');
  await ours.appctl('dpctl/add-flow', 'netdev@more', flow, '21');
  for (const type of ['1234', '5678']) {
    await ours.receive('p20', `${'5'.repeat(24)}${type}${'00'.repeat(46)}`);
  }
  const shown = await ours.appctl('dpctl/show', '-s', 'netdev@more');
  assert.match(shown, /lookups: hit:1 missed:1 /);
  assert.match(shown, /p21\n.*\n {4}TX packets:1 /);
});

test('queues: a dummy port has one', async () => {
  await using scope = new Scope();
  const [ours, theirs] = await DummySwitch.pair(scope);
  const asked = async (subject: DummySwitch, ...words: string[]): Promise<string> => {
    const { instance } = subject;
    return JSON.stringify(await instance.exec('ovs-ofctl', ...words, 'queue-get-config', 'br0'));
  };
  for (const subject of [ours, theirs]) await subject.setUp('br0', ['p1', 'p2']);
  for (const version of ['OpenFlow10', 'OpenFlow13', 'OpenFlow14']) {
    const said = await asked(ours, `-O${version}`);
    assert.ok(said.includes('queue 0:'), said);
    assert.equal(said, await asked(theirs, `-O${version}`));
  }
});
