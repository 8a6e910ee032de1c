/**
 * Whole switches on dummy devices, Open vSwitch's and ours: the same ovs-vsctl words, flows and
 * frames by netdev-dummy/receive; the same bytes in every port's pcap file, the same counters.
 * HEDDLE_SEED repeats one round; HEDDLE_COUNT sets how many there are.
 */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { toHex } from '@heddle/packet';
import { isolate, Scope } from '@heddle/testing';
import { randomPacket } from '@heddle/vswitch/oracle/random-packet';
import { randomSwitch, type SwitchSpec, vsctlWords } from '@heddle/vswitch/oracle/random-switch';
import { DummySwitch } from './dummy-switch.ts';

isolate();

const FRAMES = 40;
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 2);
const SEEDS =
  process.env['HEDDLE_SEED'] === undefined
    ? Array.from({ length: COUNT }, (_, seed) => seed)
    : [Number(process.env['HEDDLE_SEED'])];

const ACTIONS = [
  'NORMAL',
  'FLOOD',
  'ALL',
  'IN_PORT',
  'drop',
  'check_pkt_larger(70)->NXM_NX_REG0[0],resubmit(,1)',
  'check_pkt_larger(70)->NXM_NX_REG0[0],resubmit(,1),resubmit(,2)',
  'clone(mod_dl_src:00:00:00:00:00:07,resubmit(,2)),NORMAL',
  'clone(push_mpls:0x8847,resubmit(,2)),FLOOD',
  'encap(nsh(md_type=1)),set_field:0x1234->nsh_spi,set_field:7->nsh_c2,encap(ethernet),set_field:50:54:00:00:00:09->eth_dst,FLOOD',
  'encap(nsh(md_type=2,tlv(0x1000,10,0x12345678))),dec_nsh_ttl,encap(ethernet),FLOOD',
  'encap(nsh(md_type=1)),decap(),resubmit(,2)',
  'encap(nsh(md_type=1)),encap(ethernet),decap(),decap(),FLOOD',
  'push_mpls:0x8847,set_field:77->mpls_label,FLOOD',
  'push_vlan:0x8100,set_field:4103->vlan_vid,NORMAL',
  'mod_nw_src:1.2.3.4,mod_tp_dst:4242,resubmit(,2)',
  'output(port=1,max_len=20),resubmit(,2)',
  'strip_vlan,resubmit(,1)',
  'move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],resubmit(,1)',
  'dec_ttl,resubmit(,2)',
];
const MATCHES = [
  '',
  'ip,',
  'tcp,',
  'udp,',
  'arp,',
  'ipv6,',
  'dl_vlan=5,',
  'dl_dst=50:54:00:00:00:01,',
];
/** Actions whose match must say so. */
const NEEDS: readonly (readonly [RegExp, string])[] = [
  [/mod_tp_dst/, 'udp,'],
  [/dec_ttl/, 'ip,'],
  [/strip_vlan/, 'dl_vlan=5,'],
];

function flowLines(r: Random): string[] {
  const lines = [
    'table=1,reg0=1 actions=FLOOD',
    'table=1,reg0=0 actions=NORMAL',
    'table=2 actions=ALL',
  ];
  for (let i = 0; i < 4; i++) {
    const actions = r.pick(ACTIONS);
    const needed = NEEDS.find(([pattern]) => pattern.test(actions))?.[1];
    lines.push(`priority=${i + 1},${needed ?? r.pick(MATCHES)} actions=${actions}`);
  }
  return [...lines, 'priority=0 actions=NORMAL'].map((line) =>
    line.replace(', actions', ' actions'),
  );
}

/** A switch anew: what the last round left is gone. */
async function setUp(
  subject: DummySwitch,
  spec: SwitchSpec,
  ports: readonly string[],
  flows: readonly string[],
): Promise<void> {
  const { instance } = subject;
  const old = (await subject.vsctl('list-br')).split('\n').filter((name) => name !== '');
  await subject.vsctl('show', ...old.flatMap((name) => ['--', 'del-br', name]));
  for (const port of ports) rmSync(subject.pcap(port), { force: true });
  await subject.vsctl(...vsctlWords(spec));
  await subject.vsctl(
    ...ports.flatMap((port, i) => [
      ...['--', 'set', 'Interface', port, `options:tx_pcap=${subject.pcap(port)}`],
      `ofport_request=${i + 1}`,
    ]),
  );
  if (flows.length === 0) return;
  const file = join(instance.directory, 'flows');
  writeFileSync(file, `${flows.join('\n')}\n`);
  const bridge = spec.bridges[0]!.name;
  await instance.exec('ovs-ofctl', '-O', 'OpenFlow13', 'del-flows', bridge);
  await instance.exec('ovs-ofctl', '-O', 'OpenFlow13', 'add-flows', bridge, file);
}

test('a random switch does the same to random frames', async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  const [ours, theirs] = both;
  // Open vSwitch's megaflows may leave an inner tag open that decides.
  await theirs.appctl('upcall/disable-megaflows');
  let sent = 0;
  for (const seed of SEEDS) {
    const r = new Random(seed);
    const spec = randomSwitch(r);
    const ports = spec.ports.filter((p) => p.peer === undefined).map((p) => p.name);
    const flows = r.chance(60) ? flowLines(r) : [];
    for (const subject of both) await setUp(subject, spec, ports, flows);
    await ours.appctl(r.chance(70) ? 'upcall/enable-megaflows' : 'upcall/disable-megaflows');
    const told = `seed ${seed}\n${flows.join('\n')}`;
    for (let i = 0; i < FRAMES; i++) {
      // Threads of its own bring flows in line with learned addresses, some time later.
      await theirs.appctl('revalidator/purge');
      const frames = Array.from({ length: 1 + r.below(3) }, () => toHex(randomPacket(r)));
      const port = r.pick(ports);
      const words = frames.filter((frame) => frame.length >= 28);
      for (const subject of both) {
        if (words.length > 0) await subject.receive(port, ...words);
        await subject.warp(10);
      }
    }
    for (const port of ports) {
      const [a, b] = both.map((subject) => subject.transmitted(port));
      assert.deepEqual(a, b, `${port}, ${told}`);
      sent += a!.length;
    }
    assert.deepEqual(await ours.counters(), await theirs.counters(), told);
  }
  assert.ok(sent > 0, 'frames came out');
});
