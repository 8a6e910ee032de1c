/** Devices of ports that come, go and move. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openOwnNetns } from '@heddle/linux/netns';
import { Rtnl } from '@heddle/linux/rtnetlink/rtnl';
import { extractFlow } from '@heddle/packet';
import { LEAVING_GROUP } from './devices.ts';
import { portMask, udpFrame } from './test-hosts.ts';
import { delay, enterNewNetns, Rig, until } from './test-support.ts';

enterNewNetns();

test('a port more does not look at all devices, whether or not there are tunnels', async (t) => {
  const rig = await Rig.open(1);
  const listed = t.mock.method(Rtnl.prototype, 'links').mock;
  for (const name of ['a0', 'a1', 'a2']) await rig.dpif.portAdd(name, 'internal');
  await rig.dpif.portAdd('vxlan_sys_4789', 'vxlan', undefined, { dstPort: 4789 });
  listed.resetCalls();
  for (const name of ['b0', 'b1', 'b2']) await rig.dpif.portAdd(name, 'internal');
  assert.equal(listed.callCount(), 0);
  assert.deepEqual(
    ['a0', 'b2'].map((name) => [...rig.dpif.ports()].find((p) => p.name === name)?.portNo),
    [2, 8],
  );
  await rig.dpif.portDel(3);
  assert.equal(await rig.dpif.portAdd('c0', 'internal'), 3);
  await rig.close();
});

test('devices of internal ports go together, and a name is free at once', async (t) => {
  const rig = await Rig.open(1);
  using rtnl = new Rtnl();
  const names = ['d0', 'd1', 'd2'];
  const ports = new Map<string, number>();
  for (const name of names) ports.set(name, await rig.dpif.portAdd(name, 'internal'));
  const deletions = t.mock.method(Rtnl.prototype, 'deleteGroup').mock;
  for (const name of names) await rig.dpif.portDel(ports.get(name)!);
  // As a port of another kind it is another device, which is not there.
  await assert.rejects(rig.dpif.portAdd('d1', 'system'), { code: 'ENODEV' });
  assert.deepEqual(
    names.map((name) => rtnl.link(name)),
    [undefined, undefined, undefined],
  );
  const again = await rig.dpif.portAdd('d2', 'internal');
  await delay(0);
  assert.equal(deletions.callCount(), 1);
  assert.notEqual(rtnl.link('d2'), undefined);
  await rig.dpif.portDel(again);
  assert.ok(await until(() => rtnl.link('d2') === undefined));
  await rig.close();
});

test('devices that a dead daemon was about to delete go when the next one starts', async () => {
  using rtnl = new Rtnl();
  rtnl.createVeth({ name: 'left0' }, { name: 'left1' });
  rtnl.createVeth({ name: 'kept0' }, { name: 'kept1' });
  rtnl.setLink('left1', { group: LEAVING_GROUP });
  const rig = await Rig.open(1);
  assert.deepEqual([rtnl.link('left0'), rtnl.link('left1')], [undefined, undefined]);
  assert.notEqual(rtnl.link('kept1'), undefined);
  rtnl.deleteLink('kept0');
  await rig.close();
});

test('an internal port works here and in another namespace', async () => {
  const rig = await Rig.open(1);
  const port = await rig.dpif.portAdd('int0', 'internal');
  using rtnl = new Rtnl();
  rtnl.setLink('int0', { up: true });
  const frame = udpFrame(60);
  const [out, key] = [{ type: 'output' as const, port }, extractFlow(frame, { inPort: 1 })];
  rig.dpif.flowPut({ key, mask: portMask(), actions: [out] });
  // A device that has just come up drops until the kernel has seen to it.
  const arrives = (device: Rtnl): Promise<boolean> => {
    const received = () => device.link('int0')!.stats.rx_packets;
    const before = received();
    return until(() => {
      rig.send(rig.ports[0]!, frame);
      return received() > before;
    });
  };
  assert.ok(await arrives(rtnl));
  rtnl.setLink('int0', { netns: rig.hosts });
  using there = new Rtnl(rig.hosts);
  there.setLink('int0', { up: true });
  assert.ok(await arrives(there));
  using home = openOwnNetns();
  there.setLink('int0', { netns: home });
  rtnl.setLink('int0', { up: true });
  assert.ok(await arrives(rtnl));
  await assert.rejects(rig.dpif.portAdd('nothing', 'system'), { code: 'ENODEV' });
  await rig.dpif.portDel(port);
  assert.ok(await until(() => rtnl.link('int0') === undefined));
  await rig.close();
});

test('a device that vanishes and comes back', async () => {
  const rig = await Rig.open(2);
  const two = rig.ports[1]!;
  const changed: number[] = [];
  rig.dpif.onPortChange((port) => changed.push(port));
  using rtnl = new Rtnl();
  rtnl.deleteLink('x2');
  assert.ok(await until(() => changed.includes(two)));
  rtnl.createVeth({ name: 'x2', up: true }, { name: 'y2', netns: rig.hosts, up: true });
  assert.equal(await rig.dpif.portAdd('x2', 'system'), two);
  const frame = udpFrame(60);
  const actions = [{ type: 'output' as const, port: two }];
  const key = extractFlow(frame, { inPort: rig.ports[0]! });
  rig.dpif.flowPut({ key, mask: portMask(), actions });
  using there = new Rtnl(rig.hosts);
  const arrives = () => {
    rig.send(rig.ports[0]!, frame);
    return there.link('y2')!.stats.rx_packets >= 1;
  };
  assert.ok(await until(arrives));
  await rig.close();
});
