/**
 * Controllers that are too many, change their roles without end, ask in parts that never end, and send packets round
 * in circles: the switch answers all others meanwhile, and keeps no more than it has room for.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { eventually, isolate, Scope } from '@heddle/testing';
import { HostileWorld } from './hostile-world.ts';
import { bytes, hello, hex, type RawPeer, u16, u32, zeros } from './raw-peer.ts';
import { barrier, isBarrierReply, output, packetOut, part, roleRequest } from './raw-requests.ts';

isolate();

const scope = new Scope();
let world: HostileWorld;

before(async () => {
  world = await HostileWorld.create(scope, 100);
});

after(() => scope[Symbol.asyncDispose]());

function openFiles(): number {
  return readdirSync(`/proc/${world.ours.pid('ovs-vswitchd')}/fd`).length;
}

test('two thousand connections, half of which say nothing', async () => {
  const before = openFiles();
  const peers: RawPeer[] = [];
  for (let n = 0; n < 2000; n++) {
    const conn = await (n % 2 === 0 ? world.dial() : world.peer());
    // Its hello: the switch has taken it up.
    await conn.next();
    peers.push(conn);
  }
  await world.isWell();
  for (const { socket } of peers) socket.destroy();
  await eventually('the connections to be gone', () => openFiles() <= before);
  await world.isWell();
});

test('requests in parts of which the last never comes', async () => {
  const TABLE_FEATURES = 12;
  for (const [count, size] of [
    [20_000, 0],
    [400, 60_000],
  ] as const) {
    const conn = await world.peer();
    for (let xid = 1; xid < count; xid += 200) {
      const xids = Array.from({ length: 200 }, (_, n) => xid + n);
      conn.send(bytes(...xids.map((n) => part(5, n, TABLE_FEATURES, true, zeros(size)))));
    }
    conn.send(barrier(5, 0));
    await conn.next(isBarrierReply);
    await world.isWell();
    const errors = conn.received.map((m) => m.toString('hex', 8, 12));
    assert.ok(errors.includes('0001000d'), 'OFPBRC_MULTIPART_BUFFER_OVERFLOW');
    conn.socket.destroy();
  }
});

test('roles that change without end, before others that do not read of it', async () => {
  const deaf = await Promise.all(Array.from({ length: 20 }, () => world.peer(true)));
  for (const conn of deaf) conn.send(roleRequest(5, 1, 2, 1));
  const rivals = await Promise.all([world.peer(), world.peer(), world.peer()]);
  let generation = 2;
  for (let round = 0; round < 30; round++) {
    for (const conn of rivals) {
      const changes = Array.from({ length: 100 }, () => roleRequest(5, 3, 2, generation++));
      conn.send(...changes, barrier(5, round));
      assert.ok(await conn.next(isBarrierReply));
      conn.received.length = 0;
    }
  }
  await world.isWell();
  for (const { socket } of [...deaf, ...rivals]) socket.destroy();
});

test('packets that go round in circles', async () => {
  const { ours } = world;
  const ends = (name: string, peer: string) => [
    ...['--', 'set', 'interface', name, 'type=patch', `options:peer=${peer}`],
  ];
  await ours.vsctl(
    ...['add-br', 'br1', '--', 'add-port', 'br0', 'a0', ...ends('a0', 'a1')],
    ...['--', 'add-port', 'br1', 'a1', ...ends('a1', 'a0')],
    ...['--', 'add-port', 'br0', 'b0', ...ends('b0', 'b1')],
    ...['--', 'add-port', 'br1', 'b1', ...ends('b1', 'b0')],
  );
  for (const [bridge, flow] of [
    ['br0', 'priority=1,actions=ALL,IN_PORT,resubmit(,0),resubmit(,0)'],
    ['br1', 'priority=1,actions=ALL,resubmit(,0),resubmit(,0)'],
  ] as const) {
    await ours.exec('ovs-ofctl', 'add-flow', bridge, flow);
  }
  const conn = await world.peer();
  const packet = (n: number) => bytes(hex('0200 0000 0001 0200'), u32(n), hex('9999'), zeros(46));
  const TABLE = 0xfff9;
  const out = (n: number) => packetOut(5, 1, 1, output(5, TABLE), packet(n));
  for (let n = 0; n < 200; n += 20) {
    conn.send(...Array.from({ length: 20 }, (_, i) => out(n + i)));
    await world.isWell();
  }
  conn.send(barrier(5, 1));
  assert.ok(await conn.next(isBarrierReply));
  await ours.vsctl('del-br', 'br1');
  await world.isWell();
});

test('hellos of every version on one connection, one after the other', async () => {
  const conn = await world.peer();
  for (let n = 0; n < 5000; n++) conn.send(hello(1 + (n % 6)), hex('0502000800000001'));
  conn.send(barrier(5, 2));
  const end = await Promise.race([conn.next(isBarrierReply), conn.ended()]);
  assert.ok(end || conn.isClosed);
  await world.isWell();
});

test('a length that a property of a table says of itself', async () => {
  const conn = await world.peer();
  const feature = (inner: number) =>
    bytes(u16(64), zeros(62), u16(0xfffe, inner), zeros(4)).fill(inner & 0xff, 8, 64);
  for (const inner of [0, 1, 3, 4, 7, 8, 0x7fff, 0xffff]) {
    conn.send(part(5, inner, 12, false, feature(inner)));
  }
  conn.send(barrier(5, 3));
  assert.ok(await conn.next(isBarrierReply));
  await world.isWell();
});
