/** The fake interface of a bond, ours and Open vSwitch's: a port that NORMAL does not know. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isolate, Scope } from '@heddle/testing';
import { agree, DummySwitch } from './dummy-switch.ts';

isolate();

const FLOWS = [
  'ip,nw_dst=10.0.0.1 actions=9',
  'ip,nw_dst=10.0.0.2 actions=ALL',
  'ip,nw_dst=10.0.0.3 actions=1',
];
const TRACES = [
  'in_port=fake,dl_src=50:54:00:00:00:01,dl_dst=50:54:00:00:00:02',
  'in_port=9,dl_src=50:54:00:00:00:03,dl_dst=50:54:00:00:00:02',
  'in_port=fake,dl_type=0x0800,nw_dst=10.0.0.1',
  'in_port=9,dl_type=0x0800,nw_dst=10.0.0.2',
  'in_port=9,dl_type=0x0800,nw_dst=10.0.0.3',
];

test('a bond has its fake interface as long as it is asked for and several are its members', async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  for (const subject of both) {
    await subject.vsctl(
      ...['add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=dummy'],
      ...['--', '--fake-iface', 'add-bond', 'br0', 'fake', 'p3', 'p4', 'bond_mode=active-backup'],
      ...['--', '--fake-iface', 'add-bond', 'br0', 'p5', 'p5', 'p6', 'bond_mode=active-backup'],
      ...['--', 'add-port', 'br0', 'p9', '--', 'set', 'port', 'p9', 'bond_fake_iface=true'],
      ...[3, 4, 5, 6, 9].flatMap((n) => [
        ...['--', 'set', 'interface', `p${n}`, 'type=dummy', `ofport_request=${n}`],
      ]),
    );
    await subject.appctl('bond/set-active-member', 'fake', 'p3');
    await subject.appctl('bond/set-active-member', 'p5', 'p5');
    for (const flow of FLOWS) await subject.instance.exec('ovs-ofctl', 'add-flow', 'br0', flow);
  }
  // The distribution's calls its type in a dummy datapath by another name than other internal ones.
  const ports = async (subject: DummySwitch) =>
    (await subject.appctl('dpif/show')).replaceAll('dummy-internal', 'internal');
  assert.match(await agree(both, 'with the bond', ports), /^ {4}fake 1\/1: \(internal\)$/m);
  for (const flow of TRACES) {
    await agree(both, flow, async (subject) =>
      inOrder(await subject.appctl('ofproto/trace', 'br0', flow)),
    );
  }
  await agree(both, 'learned', (subject) => subject.appctl('fdb/show', 'br0'));
  for (const subject of both) await subject.vsctl('del-bond-iface', 'fake', 'p4');
  assert.doesNotMatch(await agree(both, 'a single interface', ports), /fake/);
  const [ours] = both;
  await ours.vsctl('add-bond-iface', 'fake', 'p4', '--', 'set', 'interface', 'p4', 'type=dummy');
  assert.match(await ours.appctl('dpif/show'), /fake/);
  await ours.vsctl('set', 'port', 'fake', 'bond_fake_iface=false');
  assert.doesNotMatch(await ours.appctl('dpif/show'), /fake/);
});

/** Ports that a packet is flooded to come in any order. */
function inOrder(trace: string): string {
  return trace.replace(/(?<=actions: )[\d,]+$/m, (ports) => ports.split(',').sort().join());
}
