/** Tunnels of the userspace datapath over real devices, to the kernel's VXLAN device and each other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, Host, Instance, isolate, Scope } from '@heddle/testing';

isolate();

/** A host whose bridge `phy` has eth0 and the address, and `br0` a container and the tunnel. */
async function createHost(
  scope: Scope,
  host: Host,
  n: number,
  type: string,
  bare = false,
  kind: 'ours' | 'oracle' = 'ours',
): Promise<Host> {
  const container = await Host.create(scope);
  await container.veth(scope, 'eth0', 'c', host);
  await container.exec('ip', 'link', 'set', 'eth0', 'mtu', '1400');
  await container.address('eth0', `10.2.0.${n}/24`);
  const instance = await Instance[kind](scope, { host });
  const netdev = 'datapath_type=netdev';
  const remote = `options:remote_ip=10.1.0.${3 - n}`;
  await instance.vsctl(
    ...['add-br', 'phy', '--', 'set', 'bridge', 'phy', netdev, '--', 'add-port', 'phy', 'eth0'],
    ...['--', 'add-br', 'br0', '--', 'set', 'bridge', 'br0', netdev, '--', 'add-port', 'br0', 'c'],
    ...['--', 'add-port', 'br0', 't', '--', 'set', 'interface', 't', `type=${type}`, remote],
    'options:key=42',
  );
  await host.exec('ip', 'link', 'set', 'phy', 'up');
  await host.address('phy', `10.1.0.${n}/24`);
  if (!bare) return container;
  // Packets without Ethernet headers find nobody by themselves.
  const mac = await container.mac('eth0');
  await container.neighbour('eth0', `10.2.0.${3 - n}`, '02:00:00:00:00:99');
  // What floods to such a port may end Open vSwitch.
  await instance.exec('ovs-ofctl', 'del-flows', 'br0');
  await instance.vsctl('set', 'interface', 't', 'options:packet_type=legacy_l3');
  for (const flow of ['in_port=c,actions=t', `in_port=t,actions=mod_dl_dst:${mac},output:c`]) {
    await instance.exec('ovs-ofctl', 'add-flow', 'br0', flow);
  }
  return container;
}

async function createPair(scope: Scope): Promise<readonly [Host, Host]> {
  const hosts = [await Host.create(scope), await Host.create(scope)] as const;
  await hosts[0].veth(scope, 'eth0', 'eth0', hosts[1]);
  return hosts;
}

for (const type of ['vxlan', 'gre']) {
  test(`${type} between two switches, and TCP through it`, async () => {
    await using scope = new Scope();
    const hosts = await createPair(scope);
    const a = await createHost(scope, hosts[0], 1, type);
    const b = await createHost(scope, hosts[1], 2, type);
    await eventually('the way', () => a.reaches('10.2.0.2', 1));
    await b.iperfServer(scope);
    assert.ok((await a.iperf('10.2.0.2', 1)) > 0);
  });
}

test("the kernel's VXLAN device at the other end", async () => {
  await using scope = new Scope();
  const [host, other] = await createPair(scope);
  await other.address('eth0', '10.1.0.2/24');
  const ends = ['local', '10.1.0.2', 'remote', '10.1.0.1', 'dev', 'eth0', 'dstport', '4789'];
  await other.exec('ip', 'link', 'add', 'vx', 'type', 'vxlan', 'id', '42', ...ends);
  await other.exec('ip', 'link', 'set', 'vx', 'up', 'mtu', '1400');
  await other.address('vx', '10.2.0.2/24');
  const a = await createHost(scope, host, 1, 'vxlan');
  await eventually('the way', () => a.reaches('10.2.0.2', 1));
  await other.iperfServer(scope);
  // Its segments come with outer checksums that hold once the inner ones are complete.
  assert.ok((await a.iperf('10.2.0.2', 1)) > 0, 'to it');
  assert.ok((await a.iperf('10.2.0.2', 1, ['-R'])) > 0, 'from it');
});

for (const kind of ['ours', 'oracle'] as const) {
  test(`GRE without Ethernet headers, to a switch of ${kind}`, async () => {
    await using scope = new Scope();
    const [host, other] = await createPair(scope);
    const a = await createHost(scope, host, 1, 'gre', true);
    const b = await createHost(scope, other, 2, 'gre', true, kind);
    // Open vSwitch does not complete checksums.
    for (const end of kind === 'oracle' ? [a, b] : []) {
      await end.exec('ethtool', '-K', 'eth0', 'tx', 'off');
    }
    await eventually('the way', () => a.reaches('10.2.0.2', 1));
    await b.iperfServer(scope);
    assert.ok((await a.iperf('10.2.0.2', 1)) > 0, 'TCP');
  });
}
