/** GRE without Ethernet headers (`packet_type=legacy_l3`), to Open vSwitch's userspace datapath and to ours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Host, isolate, Scope } from '@heddle/testing';
import { addTunnel, createNetwork, createSite, ethtool, type Site } from './tunnel-world.ts';

isolate();

const NO_ONE = '02:00:00:00:00:99';

/** What comes by the tunnel goes to the container, which has to be named as its receiver; and back. */
async function route(site: Site, peer: Site, tunnel: string, out = ''): Promise<void> {
  const { container, instance, number: n } = site;
  await container.neighbour('eth0', `10.2.0.${peer.number}`, NO_ONE);
  await container.neighbour('eth0', `fd02::${peer.number}`, NO_ONE);
  const mac = await container.mac('eth0');
  await instance.exec('ovs-ofctl', 'del-flows', 'br0');
  for (const flow of [
    `in_port=c${n},actions=${out}output:${tunnel}`,
    // As upstream has it the frame's addresses are 0.
    `in_port=${tunnel},dl_src=0:0:0:0:0:0,dl_dst=0:0:0:0:0:0,vlan_tci=0,actions=mod_dl_dst:${mac},output:c${n}`,
  ]) {
    await instance.exec('ovs-ofctl', 'add-flow', 'br0', flow);
  }
}

test("Open vSwitch's userspace datapath at the other end", async () => {
  await using scope = new Scope();
  const network = await createNetwork(scope);
  const a = await createSite(scope, network, 1);
  const host = await Host.create(scope);
  await host.veth(scope, 'eth0', 'to2', network);
  await network.exec('ip', 'link', 'set', 'to2', 'master', 'lan');
  await ethtool(host, 'eth0', 'tx', 'off', 'gro', 'off');
  const b = await createSite(scope, network, 2, { kind: 'oracle', host });
  const underlay = ['add-br', 'under', '--', 'set', 'bridge', 'under', 'datapath_type=netdev'];
  await b.instance.vsctl(...underlay, '--', 'add-port', 'under', 'eth0');
  await host.exec('ip', 'link', 'set', 'under', 'up');
  await host.address('under', '10.1.0.2/24');
  const l3 = 'packet_type=legacy_l3';
  await addTunnel(a, 't2', 'gre', 'remote_ip=10.1.0.2', 'key=9', l3);
  await addTunnel(b, 't1', 'gre', 'remote_ip=10.1.0.1', 'key=9', l3);
  await route(a, b, 't2');
  await route(b, a, 't1');
  assert.ok(await a.container.reaches('10.2.0.2', 8), 'IPv4');
  assert.ok(await b.container.reaches('fd02::1', 8), 'IPv6');
  // Tags have no place in such a packet.
  await route(a, b, 't2', 'mod_vlan_vid:5,');
  assert.ok(await b.container.reaches('10.2.0.1', 8), 'tagged');
  const line = /::->10\.1\.0\.\d, key=0x9, legacy_l3, /;
  for (const { instance } of [a, b]) {
    assert.match(await instance.appctl('ofproto/list-tunnels'), line);
    assert.match(await instance.appctl('dpif/show'), /key=9, packet_type=legacy_l3, remote_ip/);
  }
});

test('TCP, checksums, IPv6 below, and one with Ethernet headers beside it', async () => {
  await using scope = new Scope();
  const network = await createNetwork(scope);
  const a = await createSite(scope, network, 1);
  const b = await createSite(scope, network, 2);
  await b.container.iperfServer(scope);
  for (const [ends, ...extra] of [
    [['10.1.0.1', '10.1.0.2']],
    [['fd01::1', 'fd01::2'], 'csum=true'],
  ] as const) {
    const options = ['key=9', ...extra];
    const l3 = 'packet_type=legacy_l3';
    const remote = (i: 0 | 1) => `remote_ip="${ends[i]}"`;
    for (const [site, i] of [[a, 1] as const, [b, 0] as const]) {
      await addTunnel(site, 't', 'gre', remote(i), ...options, l3);
      await addTunnel(site, 'frames', 'gre', remote(i), ...options);
    }
    await route(a, b, 't');
    await route(b, a, 't');
    assert.ok(await a.container.reaches('10.2.0.2', 8), `${ends}: IPv4`);
    assert.ok(await a.container.reaches('fd02::2', 8), `${ends}: IPv6`);
    assert.ok((await a.container.iperf('10.2.0.2', 1)) > 0, `${ends}: TCP`);
    assert.ok((await a.container.iperf('fd02::2', 1)) > 0, `${ends}: TCP over IPv6`);
    for (const site of [a, b]) {
      const [c, n] = [site.container, site.number];
      await site.instance.exec('ovs-ofctl', 'del-flows', 'br0');
      const flow = `in_port=c${n},actions=output:frames`;
      await site.instance.exec('ovs-ofctl', 'add-flow', 'br0', flow);
      await site.instance.exec('ovs-ofctl', 'add-flow', 'br0', `in_port=frames,actions=c${n}`);
      for (const address of [`10.2.0.${3 - n}`, `fd02::${3 - n}`]) {
        await c.exec('ip', 'neigh', 'del', address, 'dev', 'eth0');
      }
    }
    assert.ok(await a.container.reaches('10.2.0.2', 8), `${ends}: frames`);
    for (const { instance } of [a, b]) {
      await instance.vsctl('del-port', 'br0', 't', '--', 'del-port', 'br0', 'frames');
    }
  }
});
