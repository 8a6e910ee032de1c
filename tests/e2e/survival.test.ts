/** Daemons that are killed under load: established flows lose nothing, the database forgets nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  collect,
  delay,
  eventually,
  Host,
  Instance,
  isolate,
  parsePing,
  Scope,
} from '@heddle/testing';

isolate();

async function world(scope: Scope) {
  const instance = await Instance.ours(scope);
  await instance.vsctl('add-br', 'br0');
  const hosts: Host[] = [];
  for (const n of [1, 2, 3]) {
    const host = await Host.create(scope);
    await host.veth(scope, 'eth0', `p${n}`, instance.host);
    await host.address('eth0', `10.0.0.${n}/24`);
    await instance.vsctl('add-port', 'br0', `p${n}`);
    hosts.push(host);
  }
  const [a, b, c] = hosts as [Host, Host, Host];
  await b.iperfServer(scope);
  assert.equal(await a.reaches('10.0.0.2', 5), true, instance.log('ovs-vswitchd'));
  return { instance, a, b, c };
}

/** Runs `disturb` in the middle of a flood ping and of a TCP stream; returns what was lost. */
async function underLoad(
  a: Host,
  disturb: () => Promise<void>,
): Promise<{ lost: number; gbps: number }> {
  const flood = collect(
    a.start(['ping', '-n', '-q', '-i', '0.002', '-c', '1500', '-W', '1', '10.0.0.2']),
  );
  const stream = a.iperf('10.0.0.2', 3);
  await delay(700);
  await disturb();
  const ping = parsePing((await flood).stdout);
  assert.ok(ping.sent >= 1500, ping.text);
  return { lost: ping.sent - ping.received, gbps: await stream };
}

test('kill -9 of ovs-vswitchd: no packet lost, adopted, new flows work', async () => {
  await using scope = new Scope();
  const { instance, a, c } = await world(scope);
  const { lost, gbps } = await underLoad(a, async () => {
    await instance.kill('ovs-vswitchd');
    await delay(500);
    // Returns when ports and flows are adopted and new flows are served.
    await instance.startSwitch();
  });
  assert.equal(lost, 0);
  assert.ok(gbps > 0.1, `${gbps} Gbit/s`);
  assert.match(instance.log('ovs-vswitchd'), /ovs-system: adopted [1-9]\d* flows/);
  assert.equal(await c.reaches('10.0.0.1', 3), true);
  await instance.vsctl('set', 'port', 'p3', 'tag=9');
  assert.equal(await c.reaches('10.0.0.1'), false);
});

test('kill -9 of ovsdb-server: no packet lost, no acknowledged transaction lost', async () => {
  await using scope = new Scope();
  const { instance, a, c } = await world(scope);
  let acknowledged = 0;
  const { lost } = await underLoad(a, async () => {
    const end = Date.now() + 600;
    while (Date.now() < end) {
      await instance.vsctl(
        '--no-wait',
        'set',
        'bridge',
        'br0',
        `external_ids:n=${acknowledged + 1}`,
      );
      acknowledged++;
    }
    await instance.kill('ovsdb-server');
    await delay(300);
    await instance.startDatabase();
  });
  assert.equal(lost, 0);
  const stored = await instance.vsctl('--no-wait', 'get', 'bridge', 'br0', 'external_ids:n');
  assert.equal(stored.trim().replaceAll('"', ''), String(acknowledged));
  // The switch finds the new database by itself.
  await instance.vsctl('set', 'port', 'p3', 'tag=9');
  assert.equal(await c.reaches('10.0.0.1'), false);
});

test('ovs-appctl exit leaves the traffic, exit --cleanup removes everything', async () => {
  await using scope = new Scope();
  const { instance, a } = await world(scope);
  const { lost } = await underLoad(a, async () => {
    await instance.appctl('exit');
    await eventually('end', () => instance.pid('ovs-vswitchd') === undefined || undefined);
    await delay(300);
    await instance.startSwitch();
  });
  assert.equal(lost, 0);
  await instance.appctl('exit', '--cleanup');
  await eventually('end', () => instance.pid('ovs-vswitchd') === undefined || undefined);
  assert.equal(await a.reaches('10.0.0.2'), false);
  const links = JSON.parse(await instance.host.exec('ip', '-j', 'link')) as { ifname: string }[];
  assert.deepEqual(links.map(({ ifname }) => ifname).sort(), ['lo', 'p1', 'p2', 'p3']);
});
