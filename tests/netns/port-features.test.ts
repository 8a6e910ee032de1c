/** What OpenFlow tells of the links behind ports: as Open vSwitch tells it of the same devices. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, Host, Instance, isolate, Scope } from '@heddle/testing';

isolate();

async function start(kind: 'ours' | 'oracle', scope: Scope): Promise<Instance> {
  const instance = await Instance[kind](scope);
  const far = await Host.create(scope);
  await far.veth(scope, 'eth0', 'p1', instance.host);
  await instance.host.exec('ip', 'tuntap', 'add', 'tap1', 'mode', 'tap');
  await instance.host.exec('ip', 'link', 'set', 'tap1', 'up');
  const port = (name: string, n: number, ...options: string[]) => [
    ...['--', 'add-port', 'br0', name, '--', 'set', 'Interface', name],
    ...[`ofport_request=${n}`, ...options],
  ];
  await instance.vsctl(
    ...['add-br', 'br0', '--', 'set', 'Bridge', 'br0', 'datapath_type=netdev'],
    ...[...port('p1', 1), ...port('tap1', 2), ...port('int0', 3, 'type=internal')],
    ...port('vx0', 4, 'type=vxlan', 'options:remote_ip=192.0.2.1'),
    ...port('pa', 5, 'type=patch', 'options:peer=pb'),
  );
  return instance;
}

/** By port, without addresses, in OpenFlow 1.0 and 1.4. */
async function links(instance: Instance): Promise<string> {
  const texts: string[] = [];
  for (const version of ['OpenFlow10', 'OpenFlow14']) {
    const text = await instance.exec('ovs-ofctl', '-O', version, 'dump-ports-desc', 'br0');
    const ports = text.replace(/addr:\S+/g, '').split(/^ (?=\S)/m);
    texts.push(...ports.slice(1).sort());
  }
  return texts.join('');
}

test('speed and medium are what ethtool tells, of links that are down, too', async () => {
  await using scope = new Scope();
  const [ours, theirs] = [await start('ours', scope), await start('oracle', scope)];
  const alike = (what: string) =>
    eventually(what, async () => (await links(ours)) === (await links(theirs)), 20_000).catch(
      async (error) => {
        assert.equal(await links(ours), await links(theirs), what);
        throw error;
      },
    );
  await alike('as they were added');
  assert.match(await links(ours), /p1\)[^(]*10GB-FD COPPER/);
  for (const { host } of [ours, theirs]) {
    await host.exec('ip', 'link', 'set', 'p1', 'down');
    await host.exec('ip', 'link', 'set', 'int0', 'up');
  }
  await alike('a device down, an internal port up');
  assert.match(await links(ours), /p1\)[^(]*PORT_DOWN[^(]*10GB-FD COPPER/);
});
