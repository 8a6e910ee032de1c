/** Tunnels between hosts that have no tunnel devices: what containers at both ends can do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Host, isolate, Scope } from '@heddle/testing';
import {
  addTunnel,
  connect,
  createNetwork,
  createSite,
  ethtool,
  type Site,
} from './tunnel-world.ts';

isolate();

async function disconnect(a: Site, b: Site): Promise<void> {
  await a.instance.vsctl('del-port', 'br0', `t${b.number}`);
  await b.instance.vsctl('del-port', 'br0', `t${a.number}`);
}

test('every type over IPv4 and IPv6 carries both, large and small', async () => {
  await using scope = new Scope();
  const network = await createNetwork(scope);
  const a = await createSite(scope, network, 1);
  const b = await createSite(scope, network, 2);
  await b.container.iperfServer(scope);
  for (const type of ['vxlan', 'geneve', 'gre']) {
    for (const v6 of [false, true]) {
      const what = `${type} over IPv${v6 ? 6 : 4}`;
      await connect(a, b, type, { v6 });
      assert.ok(await a.container.reaches('10.2.0.2', 3), `${what}: IPv4`);
      assert.ok(await a.container.reaches('fd02::2', 3), `${what}: IPv6`);
      const large = await a.container.ping('10.2.0.2', { size: 1372, mtuDiscovery: 'do' });
      assert.equal(large.received, 1, `${what}: 1400 bytes`);
      assert.ok((await a.container.iperf('10.2.0.2', 1)) > 0.05, `${what}: TCP`);
      assert.ok((await a.container.iperf('fd02::2', 1)) > 0.05, `${what}: TCP over IPv6`);
      await disconnect(a, b);
    }
  }
  // Each packet crosses by itself.
  await connect(a, b, 'vxlan');
  for (const { host } of [a, b]) await ethtool(host, 'eth0', 'tso', 'off', 'gso', 'off');
  assert.ok((await a.container.iperf('10.2.0.2', 1)) > 0.05, 'TCP without GSO');
  assert.match(
    await a.instance.appctl('dpctl/show'),
    /port \d+: vxlan_sys_4789 \(vxlan: packet_type=ptap\)/,
  );
});

test('a container that sends too much hears how much fits', async () => {
  await using scope = new Scope();
  const network = await createNetwork(scope);
  const a = await createSite(scope, network, 1, { mtu: 1500 });
  const b = await createSite(scope, network, 2, { mtu: 1500 });
  await connect(a, b, 'vxlan');
  assert.ok(await a.container.reaches('10.2.0.2', 3));
  assert.ok(await a.container.reaches('fd02::2', 3));
  const tooLong = { count: 2, size: 1450, mtuDiscovery: 'do', intervalSeconds: 0.2 } as const;
  const lost = await a.container.ping('10.2.0.2', tooLong);
  assert.equal(lost.received, 0);
  assert.match(await a.container.exec('ip', 'route', 'get', '10.2.0.2'), /mtu 1450/);
  await a.container.ping('fd02::2', tooLong);
  assert.match(await a.container.exec('ip', '-6', 'route', 'get', 'fd02::2'), /mtu 1450/);
  // Fragmented by the sender, it arrives; the first answer teaches the other side.
  const fragmented = await a.container.ping('10.2.0.2', {
    size: 3000,
    count: 4,
    intervalSeconds: 0.2,
  });
  assert.ok(fragmented.received > 0, fragmented.text);
});

test('keys keep tunnels apart, tags cross, and none answers for what nobody asked', async () => {
  await using scope = new Scope();
  const network = await createNetwork(scope);
  const a = await createSite(scope, network, 1);
  const b = await createSite(scope, network, 2);
  await addTunnel(a, 't2', 'vxlan', 'remote_ip=10.1.0.2', 'key=7');
  await addTunnel(b, 't1', 'vxlan', 'remote_ip=10.1.0.1', 'key=8');
  assert.equal(await a.container.reaches('10.2.0.2'), false);
  await b.instance.vsctl('set', 'interface', 't1', 'options:key=7');
  assert.ok(await a.container.reaches('10.2.0.2', 3));
  // Containers in different VLANs of their bridges, which the tunnel carries as tags.
  await a.instance.vsctl('set', 'port', 'c1', 'tag=5');
  await b.instance.vsctl('set', 'port', 'c2', 'tag=6');
  assert.equal(await a.container.reaches('10.2.0.2'), false);
  await b.instance.vsctl('set', 'port', 'c2', 'tag=5');
  assert.ok(await a.container.reaches('10.2.0.2', 3));
  const other = await Host.create(scope);
  await other.veth(scope, 'eth0', 'to9', network);
  await network.exec('ip', 'link', 'set', 'to9', 'master', 'lan');
  await other.address('eth0', '10.1.0.9/24');
  assert.ok(await other.reaches('10.1.0.1'), 'the host itself is reached');
  const status = async () => (await a.instance.vsctl('get', 'interface', 't2', 'status')).trim();
  assert.equal(await status(), '{tunnel_egress_iface=eth0, tunnel_egress_iface_carrier=up}');
  const lookup = await a.instance.appctl('ovs/route/lookup', '10.1.0.2');
  assert.equal(lookup, 'src 10.1.0.1\ngateway ::\ndev eth0\n');
  const routes = await a.instance.appctl('ovs/route/show');
  assert.match(routes, /^Cached: 10\.1\.0\.0\/24 dev eth0 SRC 10\.1\.0\.1$/m);
  assert.match(routes, /^Cached: 10\.1\.0\.1\/32 dev eth0 SRC 10\.1\.0\.1 local$/m);
  assert.match(await a.instance.appctl('tnl/arp/show'), /^10\.1\.0\.2 +([0-9a-f:]{17}) +eth0$/m);
  assert.match(await a.instance.appctl('tnl/ports/show'), /^vxlan_sys_4789 \(\d+\) ref_cnt=1$/m);
});
