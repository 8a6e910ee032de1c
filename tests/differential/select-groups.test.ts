/**
 * Select groups of a datapath that hashes: packets come back hashed, to megaflows of the hash's bits. The
 * hash itself is each datapath's own.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isolate, Scope } from '@heddle/testing';
import { agree, DummySwitch } from './dummy-switch.ts';

isolate();

const BUCKETS =
  'bucket=bucket_id:1,weight:2,actions=output:2,bucket=bucket_id:2,weight:1,actions=output:3';
const GROUPS = [
  `group_id=1,type=select,${BUCKETS}`,
  `group_id=2,type=select,selection_method=dp_hash,selection_method_param=7,${BUCKETS}`,
  `group_id=3,type=select,selection_method=dp_hash,selection_method_param=0x100000007,${BUCKETS}`,
  'group_id=4,type=select,bucket=bucket_id:1,weight:200,actions=output:2,bucket=bucket_id:2,weight:1,actions=group:2',
];
const PORTS = ['p1', 'p2', 'p3', 'p4'];

async function ofctl({ instance }: DummySwitch, command: string, words: string): Promise<void> {
  await instance.exec('ovs-ofctl', '-OOpenFlow15', command, 'br0', words);
}

function tcp(source: number): string {
  const eth = `eth(src=50:54:00:00:00:0${source},dst=50:54:00:00:00:09),eth_type(0x0800)`;
  const ip = `ipv4(src=10.0.0.${source},dst=10.0.0.9,proto=6,tos=0,ttl=64,frag=no)`;
  return `in_port(1),${eth},${ip},tcp(src=${source},dst=9)`;
}

async function withGroup(subject: DummySwitch, group: number): Promise<string> {
  await ofctl(subject, 'add-flow', `table=0,in_port=1,actions=group:${group},output:4`);
  return subject.appctl('ofproto/trace', 'br0', 'in_port=1,tcp,tcp_src=1');
}

test('packets of select groups are hashed and come back', async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  const [ours] = both;
  for (const subject of both) {
    await subject.setUp('br0', PORTS);
    for (const group of GROUPS) await ofctl(subject, 'add-group', group);
  }
  for (const algorithm of ['1', '0']) {
    await agree(both, `max_hash_alg ${algorithm}`, (subject) =>
      subject.appctl('dpif/set-dp-features', 'br0', 'max_hash_alg', algorithm),
    );
    for (const group of GROUPS.keys()) {
      const told = await agree(both, GROUPS[group]!, async (subject) =>
        (await withGroup(subject, group + 1)).replace(/recirc\(0x[0-9a-f]+\)/, 'recirc'),
      );
      assert.match(told, /Datapath actions: hash\((sym_)?l4\([07]\)\),recirc\n/);
    }
  }
  await ofctl(ours, 'add-flow', 'table=0,in_port=1,actions=group:1,output:4');
  await ours.appctl('dpctl/del-flows');
  for (let source = 1; source <= 9; source++) {
    await ours.receive('p1', tcp(source), tcp(source));
  }
  const [sent2, sent3, sent4] = [2, 3, 4].map((n) => ours.transmitted(`p${n}`)) as [
    string[],
    string[],
    string[],
  ];
  assert.equal(sent4.length, 18);
  assert.deepEqual([...sent2, ...sent3].sort(), [...sent4].sort());
  // Packets of a connection go one way.
  assert.equal(new Set(sent2).size * 2, sent2.length);
  assert.ok(sent2.length > 0 && sent3.length > 0, `${sent2.length}, ${sent3.length}`);
  const flows = await ours.appctl('dpctl/dump-flows');
  assert.match(flows, /recirc_id\(0\),.*actions:hash\(l4\(0\)\),recirc\(0x/);
  assert.match(flows, /dp_hash\(0x[0-9a-f]+\/0xf\),.*actions:\d+,\d+\n/);
});
