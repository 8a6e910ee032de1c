/** Ports, bridges, tunnels and connections that come and go leave no devices, pins, filters or descriptors. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { Host, Instance, isolate, Scope } from '@heddle/testing';

isolate();

// A rehearsal has descriptors of its own while it lasts.
process.env['HEDDLE_REHEARSAL_MS'] = '0';

const PINS = '/sys/fs/bpf';
const PORTS = 125;
const ROUNDS = 8;

interface Inventory {
  readonly devices: string[];
  readonly pins: string[];
  readonly descriptors: number;
}

async function inventory(instance: Instance): Promise<Inventory> {
  const links = JSON.parse(await instance.host.exec('ip', '-j', 'link')) as { ifname: string }[];
  return {
    devices: links.map(({ ifname }) => ifname).sort(),
    pins: readdirSync(PINS, { recursive: true }).map(String).sort(),
    descriptors: readdirSync(`/proc/${instance.pid('ovs-vswitchd')}/fd`).length,
  };
}

test(`${PORTS * ROUNDS} ports and ${ROUNDS} bridges later everything is as before`, async () => {
  await using scope = new Scope();
  const instance = await Instance.ours(scope);
  await instance.vsctl('add-br', 'br0');
  const names = Array.from({ length: PORTS }, (_, n) => `i${n}`);
  const round = async (): Promise<void> => {
    const add = names.flatMap((name) => [
      '--',
      'add-port',
      'br1',
      name,
      '--',
      'set',
      'interface',
      name,
      'type=internal',
    ]);
    await instance.vsctl('add-br', 'br1', ...add);
    await instance.vsctl('del-br', 'br1');
  };
  await round();
  const before = await inventory(instance);
  for (let n = 1; n < ROUNDS; n++) await round();
  const after = await inventory(instance);
  assert.deepEqual(after.devices, before.devices);
  assert.deepEqual(after.pins, before.pins);
  // A connection that is being closed may be in the count.
  assert.ok(
    Math.abs(after.descriptors - before.descriptors) <= 3,
    JSON.stringify([before.descriptors, after.descriptors]),
  );
  await instance.stop();
  const links = JSON.parse(await instance.host.exec('ip', '-j', 'link')) as { ifname: string }[];
  assert.deepEqual(
    links.map(({ ifname }) => ifname),
    ['lo'],
  );
  assert.deepEqual(
    readdirSync(PINS, { recursive: true }).filter((name) => String(name).includes('/')),
    [],
  );
});

const DEVICES = ['eth0', 'c1', 'c2'];
const TUNNELS: readonly (readonly string[])[] = [
  ['type=vxlan'],
  ['type=geneve'],
  ['type=gre'],
  ['type=gre', 'options:packet_type=legacy_l3'],
  ['type=erspan', 'options:erspan_ver=1', 'options:erspan_idx=1'],
];
const TRACKED = [
  'table=0,priority=2,arp,actions=normal',
  'table=0,priority=1,ip,actions=ct(table=1)',
  'table=1,ct_state=+trk+new,ip,actions=ct(commit),normal',
  'table=1,ct_state=+trk+est,ip,actions=normal',
];

/** What is of the switch in the kernel; not descriptors, as daemons come and go. */
async function traces({ host }: Instance): Promise<readonly unknown[]> {
  const links = JSON.parse(await host.exec('ip', '-j', 'link')) as { ifname: string }[];
  const filters = DEVICES.map((dev) => host.exec('tc', 'filter', 'show', 'dev', dev, 'ingress'));
  return [
    links.map(({ ifname }) => ifname).sort(),
    readdirSync(PINS, { recursive: true }).map(String).sort(),
    await Promise.all(filters),
  ];
}

async function container(scope: Scope, host: Host, n: number): Promise<Host> {
  const inside = await Host.create(scope);
  await inside.veth(scope, 'eth0', `c${n}`, host);
  await inside.address('eth0', `10.2.0.${n}/24`);
  return inside;
}

// Where many ports come at once the kernel is given filters instead of links.
for (const more of [0, 20]) {
  test(`tunnels and connections leave nothing, ${more} ports beside them`, async () => {
    await using scope = new Scope();
    const [host, peer] = [await Host.create(scope), await Host.create(scope)];
    await host.veth(scope, 'eth0', 'eth0', peer);
    await host.address('eth0', '10.1.0.1/24');
    await peer.address('eth0', '10.1.0.2/24');
    const one = await container(scope, host, 1);
    await container(scope, host, 2);
    const instance = await Instance.ours(scope, { host });
    const none = await traces(instance);
    const names = ['c1', 'c2', ...Array.from({ length: more }, (_, n) => `i${n}`)];
    const add = names.flatMap((name) => ['--', 'add-port', 'br0', name]);
    const internal = names.slice(2).map((n) => ['--', 'set', 'interface', n, 'type=internal']);
    await instance.vsctl('add-br', 'br0', ...add, ...internal.flat());
    const before = await traces(instance);
    const open = async (): Promise<void> => {
      const ports = TUNNELS.flatMap((options, n) => [
        ...['--', 'add-port', 'br0', `t${n}`, '--', 'set', 'interface', `t${n}`],
        ...['options:remote_ip=10.1.0.2', `options:key=${n}`, ...options],
      ]);
      await instance.vsctl(...ports.slice(1));
      await instance.exec('ovs-ofctl', 'del-flows', 'br0');
      for (const flow of TRACKED) await instance.exec('ovs-ofctl', 'add-flow', 'br0', flow);
      assert.ok(await one.reaches('10.2.0.2', 5), 'through tracked flows');
      assert.match(await instance.appctl('dpctl/dump-conntrack'), /dst=10\.2\.0\.2/);
    };
    await open();
    assert.notDeepEqual(await traces(instance), before, 'tunnels have something in the kernel');
    await instance.vsctl(...TUNNELS.flatMap((_, n) => ['--', 'del-port', 'br0', `t${n}`]).slice(1));
    assert.deepEqual(await traces(instance), before);

    await open();
    const opened = await traces(instance);
    await instance.kill('ovs-vswitchd');
    assert.deepEqual(await traces(instance), opened, 'the dead daemon leaves all to the next');
    await instance.startSwitch();
    assert.deepEqual(await traces(instance), opened, 'which makes nothing twice');
    assert.ok(await one.reaches('10.2.0.2', 5), 'after another daemon came');
    await instance.stop();
    const [devices, pins, filters] = await traces(instance);
    assert.deepEqual(devices, none[0]);
    assert.deepEqual(
      (pins as string[]).filter((name) => name.includes('/')),
      [],
    );
    assert.deepEqual(filters, none[2]);
  });
}
