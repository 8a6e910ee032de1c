/** Mirrors on real packets: a host beside two others sees what they say, whole or cut, by port or VLAN. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, Host, Instance, isolate, Scope } from '@heddle/testing';

isolate();

interface Received {
  readonly packets: number;
  readonly bytes: number;
}

async function received(host: Host): Promise<Received> {
  const [link] = JSON.parse(await host.exec('ip', '-s', '-j', 'link', 'show', 'eth0')) as {
    stats64: { rx: Received };
  }[];
  return link!.stats64.rx;
}

const PINGS = 20;

/** What the third host hears while the first pings the second with frames of 1,042 bytes. */
async function overheard(hosts: readonly Host[]): Promise<Received> {
  const before = await received(hosts[2]!);
  await hosts[0]!.exec(
    ...['ping', '-q', '-n', '-i', '0.01', '-s', '1000', '-c', String(PINGS), '10.0.0.2'],
  );
  const after = await received(hosts[2]!);
  return { packets: after.packets - before.packets, bytes: after.bytes - before.bytes };
}

test('a mirror copies what passes a port to another, or to a VLAN, whole or cut', async () => {
  await using scope = new Scope();
  const instance = await Instance.ours(scope);
  const vsctl = (...args: string[]) => instance.vsctl(...args);
  await vsctl('add-br', 'br0');
  const hosts: Host[] = [];
  for (let i = 1; i <= 3; i++) {
    const host = await Host.create(scope);
    await host.veth(scope, 'eth0', `p${i}`, instance.host);
    await host.address('eth0', `10.0.0.${i}/24`);
    await vsctl('add-port', 'br0', `p${i}`);
    hosts.push(host);
  }
  await eventually('the first reaches the second', () => hosts[0]!.reaches('10.0.0.2', 4));
  assert.ok((await overheard(hosts)).packets < PINGS);

  const ids = ['--', '--id=@p1', 'get', 'port', 'p1', '--', '--id=@p3', 'get', 'port', 'p3'];
  const mirror = ['--', '--id=@m', 'create', 'mirror', 'name=m', 'select-src-port=@p1'];
  const set = ['--', 'set', 'bridge', 'br0', 'mirrors=@m'];
  await vsctl(...ids, ...mirror, 'select-dst-port=@p1', 'output-port=@p3', ...set);
  const both = await overheard(hosts);
  assert.ok(both.packets >= 2 * PINGS, `${both.packets} packets`);
  assert.ok(both.bytes >= 2 * PINGS * 1000, `${both.bytes} bytes`);
  assert.equal(await hosts[0]!.reaches('10.0.0.3', 1), false);

  await vsctl('clear', 'mirror', 'm', 'select-dst-port', '--', 'set', 'mirror', 'm', 'snaplen=100');
  const cut = await overheard(hosts);
  assert.ok(cut.packets >= PINGS, `${cut.packets} packets`);
  assert.ok(cut.bytes <= cut.packets * 100, `${cut.bytes} bytes in ${cut.packets} packets`);
  await eventually('statistics of the mirror', async () => {
    const packets = await vsctl('get', 'mirror', 'm', 'statistics:tx_packets');
    return Number(packets) >= 3 * PINGS;
  });

  await vsctl('set', 'port', 'p3', 'tag=7', '--', 'clear', 'mirror', 'm', 'output-port', 'snaplen');
  await vsctl('set', 'mirror', 'm', 'output-vlan=7');
  const remote = await overheard(hosts);
  assert.ok(remote.packets >= PINGS, `${remote.packets} packets`);

  await vsctl('clear', 'bridge', 'br0', 'mirrors', '--', 'clear', 'port', 'p3', 'tag');
  await eventually('the third is a host again', () => hosts[0]!.reaches('10.0.0.3', 4));
});
