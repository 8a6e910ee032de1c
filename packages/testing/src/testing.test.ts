/** What tests stand on: hosts, containers, the distribution's Open vSwitch. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Docker, Host, Instance, isolate, parsePing, Scope } from './index.ts';

isolate();

test('two hosts on the oracle reach each other until their tags differ', async () => {
  await using scope = new Scope();
  const oracle = await Instance.oracle(scope);
  await oracle.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev');
  const hosts: Host[] = [];
  for (const n of [1, 2]) {
    const host = await Host.create(scope);
    await host.veth(scope, 'eth0', `v${n}`, oracle.host);
    await host.address('eth0', `10.0.0.${n}/24`);
    await oracle.vsctl('add-port', 'br0', `v${n}`);
    hosts.push(host);
  }
  assert.equal(await hosts[0]!.reaches('10.0.0.2'), true);
  await oracle.vsctl('set', 'port', 'v1', 'tag=100');
  assert.equal(await hosts[0]!.reaches('10.0.0.2'), false);
});

test('a container of a Docker daemon is a host', async () => {
  await using scope = new Scope();
  const docker = await Docker.open(scope);
  assert.ok(docker instanceof Docker, String(docker));
  const container = await docker.container('heddle-test-1');
  assert.match(await container.host.exec('ip', '-br', 'link'), /^lo /);
});

test('the summary of ping is read', () => {
  const text =
    '5 packets transmitted, 4 received, 20% packet loss\nrtt min/avg/max/mdev = 0.1/0.25/0.3/0.1 ms';
  assert.deepEqual(parsePing(text), { sent: 5, received: 4, averageMs: 0.25, text });
});
