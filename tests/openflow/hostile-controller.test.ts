/**
 * Controllers that mean no good: the switch answers all others meanwhile, and keeps for none of
 * them more than it has room for.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, isolate, Scope } from '@heddle/testing';
import { HostileWorld } from './hostile-world.ts';
import { bytes, hello, hex, message, u8, u16, u32, zeros } from './raw-peer.ts';
import {
  apply,
  barrier,
  bundleAdd,
  bundleControl,
  flowMod,
  isBarrierReply,
  match,
  output,
  stats,
} from './raw-requests.ts';

isolate();

const FLOWS = 20_000;
const scope = new Scope();
let world: HostileWorld;

before(async () => {
  world = await HostileWorld.create(scope, FLOWS);
});

after(() => scope[Symbol.asyncDispose]());

const allFlows = stats(5, 1, 1, u8(255), zeros(3), u32(-1, -1), zeros(20), match(5, {}));

test('garbage, lengths that cannot be, and hellos of nobody', async () => {
  const junk = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7919 + (i >> 3)) & 0xff));
  const ends = [junk, hex('0500 0003 00000001'), hex('0505 0008 00000001'), hello(1, 0x8000_0000)];
  for (const words of ends) {
    const conn = await world.dial();
    conn.send(words);
    await conn.ended();
  }
  const later = await world.peer();
  later.send(hex('0502 0000 00000001'));
  await later.ended();
  await world.isWell();
});

test('messages that are cut, and messages that come a byte at a time', async () => {
  const good = flowMod(5, 3, { match: match(5, { inPort: 1 }), actions: apply(5, output(5, 1)) });
  const conn = await world.peer();
  for (let length = 8; length < good.length; length++) {
    const cut = Buffer.from(good.subarray(0, length));
    cut.writeUInt16BE(length, 2);
    conn.send(cut);
  }
  conn.send(barrier(5, 9));
  assert.ok(await conn.next(isBarrierReply));
  const slow = await world.peer();
  for (const byte of bytes(good, barrier(5, 4))) {
    slow.send(u8(byte));
    await new Promise((done) => setImmediate(done));
  }
  assert.ok(await slow.next(isBarrierReply));
  for (let n = 0; n < 100; n++) (await world.dial()).send(hex('0500 ff'));
  await world.isWell();
});

test('who asks and never reads', async () => {
  const echo = message(5, 2, 1, zeros(60_000));
  const bad = message(5, 99, 1, zeros(60_000));
  for (const question of [allFlows, echo, bad, stats(5, 1, 3), stats(5, 1, 12, zeros(8))]) {
    const conn = await world.peer(true);
    for (let n = 0; n < 2000; n++) conn.socket.write(question);
    await world.isWell();
    await world.isWell();
  }
});

test('who reads slowly gets all of it, and others theirs meanwhile', async () => {
  const conn = await world.peer();
  conn.send(allFlows, barrier(5, 5));
  const first = await conn.next((m) => m[1] === 19);
  conn.socket.pause();
  await world.isWell();
  conn.socket.resume();
  const flows = new Set<number>();
  const take = (part: Buffer): void => {
    for (let at = 16; at < part.length; at += part.readUInt16BE(at)) flows.add(portOf(part, at));
  };
  take(first!);
  // What follows waits until the reply is complete.
  for (;;) {
    const part = await conn.next();
    if (isBarrierReply(part!)) break;
    if (part![1] === 19) take(part!);
  }
  assert.equal(flows.size, FLOWS + 1);
});

/** The value of tcp_src in a flow's OXM match, or -1. */
function portOf(part: Buffer, at: number): number {
  const entry = part.subarray(at, at + part.readUInt16BE(at)).indexOf(hex('80001a02'));
  return entry < 0 ? -1 : part.readUInt16BE(at + entry + 4);
}

test('bundles that are opened and never committed', async () => {
  await world.ours.vsctl('set', 'open', '.', 'other_config:bundle-idle-timeout=1');
  const conn = await world.peer();
  const filling = Array.from({ length: 200 }, () =>
    flowMod(5, 8, { actions: apply(5, ...Array.from({ length: 300 }, () => output(5, 1))) }),
  );
  for (let id = 0; id < 1500; id++) conn.send(bundleControl(5, 8, id, 0));
  for (const mod of filling) conn.send(bundleAdd(5, 8, 1, mod));
  const refused = await conn.next((m) => m[1] === 1);
  assert.equal(refused!.toString('hex', 8, 12), '00110005', 'OFPBFC_OUT_OF_BUNDLES');
  const late = await conn.next((m) => m[1] === 1 && m.readUInt16BE(10) === 14);
  assert.ok(late, 'OFPBFC_TIMEOUT');
  await world.isWell();
});

const NX_FLOW_MONITOR = u32(0x2320, 2, 0);
const isVendor = (subtype: number) => (m: Buffer) => m[1] === 4 && m.readUInt32BE(12) === subtype;

function countUpdates(messages: readonly Buffer[]): number {
  let updates = 0;
  for (const m of messages) {
    if (m[1] !== 17) continue;
    for (let at = 24; at < m.length; at += m.readUInt16BE(at)) updates++;
  }
  return updates;
}

test('a monitor that stops reading is told so, and of what it missed', async () => {
  const conn = await world.dial();
  // Additions, deletions and changes, with actions.
  const request = bytes(u32(1), u16(0x1e, 0xffff, 0), u8(0xff), zeros(5));
  conn.send(hello(1), stats(1, 2, 0xffff, NX_FLOW_MONITOR, request));
  await conn.next((m) => m[1] === 17);
  conn.socket.pause();
  const writer = await world.peer();
  const priorities = Array.from({ length: 3000 }, (_, i) => i);
  const mods = (command: number): Buffer =>
    bytes(
      ...priorities.map((priority) => {
        const actions = apply(5, ...Array.from({ length: 20 }, () => output(5, 1)));
        return flowMod(5, 1, { priority, command, actions, match: match(5, { inPort: 3 }) });
      }),
    );
  writer.send(mods(0), barrier(5, 11));
  assert.ok(await writer.next(isBarrierReply));
  await world.isWell();
  conn.socket.resume();
  assert.ok(await conn.next(isVendor(22)), 'NXT_FLOW_MONITOR_PAUSED');
  assert.ok(await conn.next(isVendor(23)), 'NXT_FLOW_MONITOR_RESUMED');
  // It may have been paused more than once.
  await eventually('each flow told of', () => countUpdates(conn.received) >= priorities.length);
  assert.equal(countUpdates(conn.received), priorities.length);
});

test('packets for who does not read are dropped', async () => {
  const conn = await world.peer(true);
  conn.send(message(5, 9, 1, u16(0, 0xffff)), barrier(5, 1));
  const other = await world.peer();
  const packet = bytes(hex('0200 0000 0001 0200 0000 0002 9999'), zeros(1400));
  const body = bytes(u32(-1, 1), u16(16), zeros(6), output(5, 0xfffd), packet);
  const many = bytes(...Array.from({ length: 4000 }, () => message(5, 13, 1, body)));
  other.send(many, barrier(5, 13));
  assert.ok(await other.next(isBarrierReply));
  await world.isWell();
});

test('nothing of it has hurt the flows', async () => {
  const count = await eventually('an aggregate', async () => {
    const text = await world.ours.exec('ovs-ofctl', 'dump-aggregate', 'br0', 'tcp');
    return /flow_count=(\d+)/.exec(text)?.[1];
  });
  assert.equal(Number(count), FLOWS);
});
