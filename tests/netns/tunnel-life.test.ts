/** What happens to tunnels when daemons and hosts come and go, and what strangers can do to them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex } from '@heddle/packet';
import { ethernet, ipv4, raw, udp } from '@heddle/packet/build';
import { delay, Host, isolate, Scope, Wire } from '@heddle/testing';
import { generator } from '@heddle/testing/random';
import { connect, createNetwork, createSite, plugIn, type Site } from './tunnel-world.ts';

isolate();

async function pair(scope: Scope): Promise<{ network: Host; a: Site; b: Site }> {
  const network = await createNetwork(scope);
  const a = await createSite(scope, network, 1);
  const b = await createSite(scope, network, 2);
  await connect(a, b, 'vxlan');
  assert.ok(await a.container.reaches('10.2.0.2', 3));
  return { network, a, b };
}

test('kill -9 of the daemon: traffic goes on, the next one adopts it', async () => {
  await using scope = new Scope();
  const { a, b } = await pair(scope);
  await a.instance.kill('ovs-vswitchd');
  const orphaned = await a.container.ping('10.2.0.2', { count: 100, intervalSeconds: 0.01 });
  assert.equal(orphaned.received, 100, orphaned.text);
  await a.instance.startSwitch();
  const adopted = await b.container.ping('10.2.0.1', { count: 20, intervalSeconds: 0.01 });
  assert.equal(adopted.received, 20, adopted.text);
  assert.match(a.instance.log('ovs-vswitchd'), /adopted [1-9]\d* flows/);
  // What is new to both works, too.
  assert.ok(await a.container.reaches('fd02::2', 3));
  await a.instance.vsctl('del-port', 'br0', 't2');
  assert.equal(await a.container.reaches('10.2.0.2'), false);
});

test('a host that goes and comes back under another address of its device', async () => {
  await using scope = new Scope();
  const { network, a, b } = await pair(scope);
  await b.host.exec('ip', 'link', 'del', 'eth0');
  assert.equal(await a.container.reaches('10.2.0.2'), false);
  await plugIn(scope, network, b.host, 2);
  assert.ok(await a.container.reaches('10.2.0.2', 20));
  // Routes are followed: the way is another network now.
  for (const [site, to] of [
    [a, b],
    [b, a],
  ] as const) {
    await site.host.exec('ip', 'addr', 'flush', 'dev', 'eth0');
    await site.host.exec('ip', 'addr', 'add', `10.9.0.${site.number}/24`, 'dev', 'eth0');
    await site.host.exec('ip', 'addr', 'add', `10.1.0.${site.number}/32`, 'dev', 'eth0');
    const via = ['via', `10.9.0.${to.number}`, 'src', `10.1.0.${site.number}`];
    await site.host.exec('ip', 'route', 'add', `10.1.0.${to.number}/32`, ...via);
  }
  assert.ok(await a.container.reaches('10.2.0.2', 20));
});

test('the device below is a port of a bridge that has the address', async () => {
  await using scope = new Scope();
  const { a, b } = await pair(scope);
  await a.instance.vsctl('add-br', 'phy', '--', 'add-port', 'phy', 'eth0');
  await a.host.exec('ip', 'addr', 'flush', 'dev', 'eth0');
  await a.host.exec('ip', 'link', 'set', 'phy', 'up');
  await a.host.address('phy', '10.1.0.1/24');
  assert.ok(await a.container.reaches('10.2.0.2', 20));
  assert.ok(await b.container.reaches('fd02::1', 3));
});

test('garbage at tunnel ports harms nobody', async () => {
  await using scope = new Scope();
  const { network, a } = await pair(scope);
  const stranger = await Host.create(scope);
  await stranger.veth(scope, 'eth0', 'to9', network);
  await network.exec('ip', 'link', 'set', 'to9', 'master', 'lan');
  const wire = Wire.open(scope, stranger, 'eth0');
  const dst = await a.host.mac('eth0');
  const src = '02:00:00:00:00:99';
  const seed = Number(process.env['HEDDLE_SEED'] ?? Date.now() % 100_000);
  const next = generator(seed);
  const bytes = (n: number) => Uint8Array.from({ length: n }, () => next(256));
  const inner = '020000000001020000000002';
  const vxlan = `0800000000000000${inner}`;
  const starts = [
    ...['', '88', '0000655800000000', '3f00655800000700', '8800000700000000', '0080655800000700'],
    // Frames of IP that end anywhere.
    ...[vxlan, `${vxlan}08004500`, `${vxlan}86dd60000000`, `${vxlan}8100000708004500`],
    `03006558000007000102800a${inner}0800`,
  ].map(fromHex);
  const traffic = a.container.ping('10.2.0.2', { count: 100, intervalSeconds: 0.01 });
  for (let i = 0; i < Number(process.env['HEDDLE_COUNT'] ?? 2000); i++) {
    const body = Buffer.concat([
      starts[next(starts.length)]!,
      bytes(next(2) ? next(40) : next(200)),
    ]);
    const addresses = { src: next(2) ? '10.1.0.2' : '10.1.0.9', dst: '10.1.0.1' };
    const port = [4789, 4789, 6081, 47][next(4)]!;
    const l4 = next(5)
      ? udp({ src: next(65536), dst: port }, body)
      : raw(47, Buffer.from(bytes(next(60))));
    wire.send(ethernet({ dst, src }, ipv4(addresses, l4)));
    if (i % 200 === 0) await delay(5);
  }
  const { received, text } = await traffic;
  assert.equal(received, 100, `seed ${seed}: ${text}`);
  assert.notEqual(a.instance.pid('ovs-vswitchd'), undefined);
  assert.ok(await a.container.reaches('fd02::2', 3), `seed ${seed}`);
});

test('three hosts, each with tunnels to the others', async () => {
  await using scope = new Scope();
  const network = await createNetwork(scope);
  const a = await createSite(scope, network, 1);
  const b = await createSite(scope, network, 2);
  const c = await createSite(scope, network, 3);
  // A ring of bridges would pass broadcasts on for ever: ports of the mesh do not speak to each other.
  const mesh = { isProtected: true };
  await connect(a, b, 'vxlan', mesh);
  await connect(a, c, 'geneve', mesh);
  await connect(b, c, 'gre', mesh);
  for (const from of [a, b, c]) {
    for (const to of [a, b, c]) {
      if (from === to) continue;
      assert.ok(
        await from.container.reaches(`10.2.0.${to.number}`, 4),
        `${from.number} to ${to.number}`,
      );
    }
  }
});
