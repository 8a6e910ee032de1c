/** What columns of Controller rows do to connections, beside Open vSwitch's (ovs-vswitchd.conf.db(5)). */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, Instance, isolate, Scope } from '@heddle/testing';
import { hello, listen, message, RawPeer } from './raw-peer.ts';

isolate();

const SWITCH = { switchArgs: ['--enable-dummy=override', '--disable-system'] };
const OFPT_PACKET_IN = 10;
const OFPT_PORT_STATUS = 12;
const OFPT_BARRIER_REQUEST = 18;
const BRIDGE = [
  ...['add-br', 'br0', '--', 'set', 'bridge', 'br0', 'fail_mode=secure', 'protocols=OpenFlow10'],
  ...['--', 'add-port', 'br0', 'p1', '--', 'set', 'interface', 'p1', 'type=dummy'],
];

type Create = typeof Instance.ours;

async function both<T>(of: (create: Create) => Promise<T>): Promise<void> {
  const [ours, theirs] = await Promise.all([of(Instance.ours), of(Instance.oracle)]);
  assert.deepEqual(ours, theirs);
}

/** A controller that the switch connects to; what the row has besides. */
async function controlled(
  instance: Instance,
  scope: Scope,
  ...columns: string[]
): Promise<RawPeer> {
  const path = join(instance.directory, 'controller');
  const server = await listen(scope, path);
  const set = ['--id=@c', 'create', 'controller', `target="unix:${path}"`, ...columns];
  await instance.vsctl(...BRIDGE, '--', ...set, '--', 'set', 'bridge', 'br0', 'controller=@c');
  const peer = await server.next();
  peer.send(hello(1), message(1, OFPT_BARRIER_REQUEST, 7));
  await peer.next((m) => m[1] === OFPT_BARRIER_REQUEST + 1);
  return peer;
}

test('who connects and falls silent is asked, and hung up on', async () => {
  await both(async (create) => {
    await using scope = new Scope();
    const instance = await create(scope, SWITCH);
    const path = join(instance.directory, 'br0.passive');
    const row = [
      '--id=@c',
      'create',
      'controller',
      `target="punix:${path}"`,
      'inactivity_probe=1000',
    ];
    await instance.vsctl(...BRIDGE, '--', ...row, '--', 'set', 'bridge', 'br0', 'controller=@c');
    const [silent, alive] = [
      await RawPeer.connect(scope, path),
      await RawPeer.connect(scope, path),
    ];
    const management = await RawPeer.connect(scope, join(instance.directory, 'br0.mgmt'));
    for (const peer of [silent, alive, management]) peer.send(hello(1));
    silent.answersEchos = false;
    await silent.ended();
    const types = silent.received.map((m) => m[1]);
    return { types, alive: alive.isClosed, asked: management.received.length };
  });
});

/** Marks of the two ends of a connection between bridges: who listens, who connects. */
async function marks(instance: Instance, tos: string): Promise<string[]> {
  return await eventually(`ends with ${tos}`, async () => {
    const { stdout } = await instance.host.run(['ss', '-Hnt', '--tos', 'state', 'established']);
    const ends = stdout.split('\n').filter((line) => line.includes(':6701'));
    const told = ends.map((line) => /tos:(\w+)/.exec(line)?.[1] ?? 'none');
    return told.length === 2 && told.includes(tos) ? told : undefined;
  });
}

test('packets of connections are marked', async () => {
  const connected = async (create: Create, scope: Scope) => {
    const instance = await create(scope, SWITCH);
    await instance.host.exec('ip', 'link', 'set', 'lo', 'up');
    await instance.vsctl(...BRIDGE, '--', 'set-controller', 'br0', 'ptcp:6701:127.0.0.1');
    await instance.vsctl('add-br', 'br1', '--', 'set-controller', 'br1', 'tcp:127.0.0.1:6701');
    return instance;
  };
  await both(async (create) => {
    await using scope = new Scope();
    return await marks(await connected(create, scope), '0xc0');
  });
  await using scope = new Scope();
  const ours = await connected(Instance.ours, scope);
  const rows = (await ours.vsctl('--bare', '--columns=_uuid', 'list', 'controller')).split(/\s+/);
  for (const row of rows.filter(Boolean)) {
    await ours.vsctl('set', 'controller', row, 'other_config:dscp=10');
  }
  assert.deepEqual(await marks(ours, '0x28'), ['0x28', '0x28']);
});

test('enable_async_messages=false: nothing is said to who has not asked', async () => {
  for (const enabled of ['true', 'false']) {
    await both(async (create) => {
      await using scope = new Scope();
      const instance = await create(scope, SWITCH);
      const peer = await controlled(instance, scope, `enable_async_messages=${enabled}`);
      await instance.exec('ovs-ofctl', 'add-flow', 'br0', 'in_port=p1,actions=controller');
      await instance.appctl('netdev-dummy/receive', 'p1', `${'50'.repeat(12)}1234`);
      await instance.exec('ovs-ofctl', 'mod-port', 'br0', 'p1', 'no-flood');
      peer.send(message(1, OFPT_BARRIER_REQUEST, 8));
      await peer.next((m) => m[1] === OFPT_BARRIER_REQUEST + 1);
      const heard = peer.received.map((m) => m[1]);
      return [OFPT_PACKET_IN, OFPT_PORT_STATUS].map((type) => heard.includes(type));
    });
  }
});

test('controller_queue_size: so many packets wait for a peer that does not read', async () => {
  const waited = async (create: Create, ...size: string[]): Promise<number> => {
    await using scope = new Scope();
    const instance = await create(scope, SWITCH);
    const peer = await controlled(instance, scope, ...size, 'inactivity_probe=0');
    await instance.exec('ovs-ofctl', 'add-flow', 'br0', 'in_port=p1,actions=controller');
    peer.socket.pause();
    const packets = Array.from({ length: 100 }, () => `${'50'.repeat(12)}1234${'00'.repeat(1400)}`);
    for (let i = 0; i < 12; i++) await instance.appctl('netdev-dummy/receive', 'p1', ...packets);
    peer.socket.resume();
    peer.send(message(1, OFPT_BARRIER_REQUEST, 8));
    await peer.next((m) => m[1] === OFPT_BARRIER_REQUEST + 1);
    return peer.received.filter((m) => m[1] === OFPT_PACKET_IN).length;
  };
  // The rest waits in the kernel, for either about alike.
  const sizes = [[], ['controller_queue_size=1'], ['controller_queue_size=300']];
  const counts = async (create: Create) => {
    const all: number[] = [];
    for (const size of sizes) all.push(await waited(create, ...size));
    return all;
  };
  const [ours, theirs] = [await counts(Instance.ours), await counts(Instance.oracle)];
  for (const [i, n] of ours.entries()) {
    assert.ok(Math.abs(n - theirs[i]!) < 100, `${sizes[i]}: ${n}, not ${theirs[i]}`);
  }
  assert.ok(ours[2]! - ours[1]! > 200, String(ours));
});

/** What the switch says of sockets that it does not connect to or listen on. */
async function refused(create: Create, targets: readonly string[]): Promise<string[]> {
  await using scope = new Scope();
  const instance = await create(scope, SWITCH);
  const { directory } = instance;
  await instance.vsctl(...BRIDGE);
  for (const target of targets) {
    await instance.vsctl('set-controller', 'br0', target.replace('RUNDIR', directory));
  }
  const lines = instance.log('ovs-vswitchd').split('\n');
  const told = lines.flatMap((line) => /\|ERR\|(bridge br0: Not .*)/.exec(line)?.[1] ?? []);
  return told.map((line) => line.replaceAll(directory, 'RUNDIR'));
}

test('sockets of the host are out of reach', async () => {
  const targets = [
    ...['punix:/tmp/x', 'punix:RUNDIR/x', 'punix:RUNDIR/br0.a/x', 'unix:/tmp/x', 'punix:x'],
    ...['unix:x', 'unix:RUNDIR/x', 'punix:RUNDIR/br0.x', 'punix:br0.y'],
  ];
  await both((create) => refused(create, targets));
  // Which Open vSwitch takes for sockets of the directory.
  assert.equal((await refused(Instance.ours, ['unix:RUNDIR/../x', 'unix:a/../../x'])).length, 2);
});
