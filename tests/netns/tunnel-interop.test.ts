/** Tunnels to others: the kernel's VXLAN device and Open vSwitch's userspace datapath. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Host, isolate, Scope } from '@heddle/testing';
import { addTunnel, createNetwork, createSite, plugIn } from './tunnel-world.ts';

isolate();

/** A host whose container hangs on the kernel's own VXLAN device and a Linux bridge. */
async function createKernelSite(
  scope: Scope,
  network: Host,
  n: number,
  vxlan: readonly string[],
): Promise<Host> {
  const host = await Host.create(scope);
  await plugIn(scope, network, host, n);
  const container = await Host.create(scope);
  await container.veth(scope, 'eth0', 'c', host);
  await container.exec('ip', 'link', 'set', 'eth0', 'mtu', '1400');
  await container.address('eth0', `10.2.0.${n}/24`);
  await container.address('eth0', `fd02::${n}/64`);
  await host.exec(
    'ip',
    'link',
    'add',
    'vx',
    'type',
    'vxlan',
    'id',
    '42',
    'dstport',
    '4789',
    ...vxlan,
  );
  await host.exec('ip', 'link', 'add', 'br9', 'type', 'bridge');
  for (const device of ['vx', 'c']) await host.exec('ip', 'link', 'set', device, 'master', 'br9');
  for (const device of ['vx', 'br9']) await host.exec('ip', 'link', 'set', device, 'up');
  return container;
}

test("the kernel's VXLAN device: point to point, in a group, over IPv6", async () => {
  await using scope = new Scope();
  const network = await createNetwork(scope);
  const a = await createSite(scope, network, 1);
  const direct = await createKernelSite(scope, network, 2, ['remote', '10.1.0.1', 'dev', 'eth0']);
  await addTunnel(a, 't2', 'vxlan', 'remote_ip=10.1.0.2', 'key=42');
  assert.ok(await a.container.reaches('10.2.0.2', 3), 'IPv4');
  assert.ok(await direct.reaches('fd02::1', 3), 'IPv6');
  await direct.iperfServer(scope);
  assert.ok((await a.container.iperf('10.2.0.2', 1)) > 0.05, 'TCP to it');
  assert.ok((await a.container.iperf('10.2.0.2', 1, ['-R'])) > 0.05, 'TCP from it');
  // What a group is sent, a host takes that has joined it.
  const group = ['group', '239.0.0.1', 'dev', 'eth0'];
  const member = await createKernelSite(scope, network, 3, group);
  await a.host.exec('ip', 'addr', 'add', '239.0.0.1/32', 'dev', 'eth0', 'autojoin');
  await addTunnel(a, 't3', 'vxlan', 'remote_ip=10.1.0.3', 'key=42');
  assert.ok(await member.reaches('10.2.0.1', 3), 'asked by multicast');
  const v6 = ['remote', 'fd01::1', 'dev', 'eth0', 'udp6zerocsumrx', 'udp6zerocsumtx'];
  const far = await createKernelSite(scope, network, 4, v6);
  await addTunnel(a, 't4', 'vxlan', 'remote_ip=fd01::4', 'key=42');
  assert.ok(await far.reaches('10.2.0.1', 3), 'IPv4 in IPv6');
  assert.ok(await far.reaches('fd02::1', 3), 'IPv6 in IPv6');
});

test("the kernel's VXLAN device as a port of a bridge", async () => {
  await using scope = new Scope();
  const network = await createNetwork(scope);
  const a = await createSite(scope, network, 1);
  const b = await createKernelSite(scope, network, 2, ['remote', '10.1.0.1', 'dev', 'eth0']);
  const vxlan = ['type', 'vxlan', 'id', '42', 'dstport', '4789'];
  await a.host.exec('ip', 'link', 'add', 'vx', ...vxlan, 'remote', '10.1.0.2', 'dev', 'eth0');
  await a.host.exec('ip', 'link', 'set', 'vx', 'up');
  await a.instance.vsctl('add-port', 'br0', 'vx');
  assert.ok(await a.container.reaches('10.2.0.2', 3), 'IPv4');
  assert.ok(await b.reaches('fd02::1', 3), 'IPv6');
  await b.iperfServer(scope);
  assert.ok((await a.container.iperf('10.2.0.2', 1)) > 0, 'TCP to it');
  assert.ok((await a.container.iperf('10.2.0.2', 1, ['-R'])) > 0, 'TCP from it');
});

test("Open vSwitch's userspace tunnels, of each type", async () => {
  await using scope = new Scope();
  const network = await createNetwork(scope);
  const a = await createSite(scope, network, 1);
  // Native tunnels leave by a bridge that has the device and its address.
  const host = await Host.create(scope);
  await host.veth(scope, 'eth0', 'to2', network);
  await network.exec('ip', 'link', 'set', 'to2', 'master', 'lan');
  await host.exec('ethtool', '-K', 'eth0', 'tx', 'off', 'gro', 'off');
  const b = await createSite(scope, network, 2, { kind: 'oracle', host });
  const underlay = ['add-br', 'under', '--', 'set', 'bridge', 'under', 'datapath_type=netdev'];
  await b.instance.vsctl(...underlay, '--', 'add-port', 'under', 'eth0');
  await host.exec('ip', 'link', 'set', 'under', 'up');
  await host.address('under', '10.1.0.2/24');
  for (const [type, ...options] of [
    ['vxlan', 'key=7'],
    ['geneve', 'key=8'],
    ['gre', 'key=9'],
    ['gre'],
  ]) {
    await addTunnel(a, 't2', type!, 'remote_ip=10.1.0.2', ...options);
    await addTunnel(b, 't1', type!, 'remote_ip=10.1.0.1', ...options);
    assert.ok(await a.container.reaches('10.2.0.2', 8), `${type} ${options}`);
    assert.ok(await b.container.reaches('fd02::1', 4), `${type} ${options}: IPv6`);
    for (const [site, port] of [
      [a, 't2'],
      [b, 't1'],
    ] as const) {
      await site.instance.vsctl('del-port', 'br0', port);
    }
  }
});
