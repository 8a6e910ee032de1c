/**
 * Switches that mean no good, and programs that listen to them for long: ovs-testcontroller answers all
 * others and keeps no more than it has room for; `ovs-ofctl monitor` and `snoop` end when the switch
 * does, whatever it has said. HEDDLE_COUNT: how many damaged messages; HEDDLE_SEED: which.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, isolate, REPOSITORY, run, Scope } from '@heddle/testing';
import { Random } from '@heddle/testing/random';
import { damage } from '../differential/openflow/damage.ts';
import { bytes, hello, hex, listen, message, RawPeer, u8, u16, u32, zeros } from './raw-peer.ts';

isolate();

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 400);
const MEGABYTES = 1 << 20;
const file = new URL('../differential/openflow/messages.hex', import.meta.url);
const MESSAGES = readFileSync(file, 'utf8').trim().split('\n').map(hex);

const OFPT_PACKET_IN = 10;
const OFPT_PACKET_OUT = 13;

/** An OFPT_PACKET_IN of OpenFlow 1.0 that is not buffered, from an address of its own. */
function packetIn(n: number, size = 60): Buffer {
  const source = bytes(u16(0x0200), u32(n));
  const packet = bytes(hex('0200ffffffff'), source, u16(0x1234), zeros(size - 14));
  return message(1, OFPT_PACKET_IN, n, u32(-1), u16(size, 1), u8(0), zeros(1), packet);
}

/** ovs-testcontroller, listening. */
async function controller(scope: Scope): Promise<{ pid: number; path: string }> {
  const directory = scope.directory('testcontroller');
  const path = join(directory, 'sock');
  const argv = [`punix:${path}`, `--unixctl=${join(directory, 'ctl')}`, '-vconsole:off'];
  const program = spawn(join(REPOSITORY, 'bin/ovs-testcontroller'), argv, { stdio: 'ignore' });
  const ended = new Promise((done) => program.once('exit', done));
  scope.defer(async () => {
    program.kill('SIGKILL');
    await ended;
  });
  await eventually('the controller listens', async () => {
    const peer = await RawPeer.connect(scope, path).catch(() => undefined);
    peer?.socket.destroy();
    return peer !== undefined;
  });
  return { pid: program.pid!, path };
}

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s*(\d+) kB/.exec(status)![1]) * 1024;
}

/** A switch of OpenFlow 1.0 that says hello. */
async function dial(scope: Scope, path: string): Promise<RawPeer> {
  const peer = await RawPeer.connect(scope, path);
  peer.send(hello(1));
  return peer;
}

/** A packet to an unknown address comes back to be flooded. */
async function isServed(scope: Scope, path: string): Promise<void> {
  const peer = await dial(scope, path);
  peer.send(packetIn(1));
  const reply = await peer.next(([, type]) => type === OFPT_PACKET_OUT);
  assert.equal(reply?.readUInt16BE(14), 8);
  peer.socket.destroy();
}

test('a controller and switches that mean no good', async () => {
  await using scope = new Scope();
  const { pid, path } = await controller(scope);
  await isServed(scope, path);
  const before = residentBytes(pid);
  const isWell = async (): Promise<void> => {
    await isServed(scope, path);
    const grown = residentBytes(pid) - before;
    assert.ok(grown < 150 * MEGABYTES, `${Math.round(grown / MEGABYTES)} MB more`);
  };
  for (const words of [Buffer.alloc(70_000, 0xee), hex('0100 0003 00000001'), hello(1, 1 << 31)]) {
    const peer = await RawPeer.connect(scope, path);
    peer.send(words);
    await peer.ended();
  }
  await isWell();
  const random = new Random(SEED);
  for (let n = 0; n < COUNT; n += 100) {
    const peer = await dial(scope, path);
    for (let i = 0; i < 100; i++) peer.send(damage(random, random.pick(MESSAGES)));
    peer.send(message(1, 2, 0x7777_7777));
    await peer.next((reply) => reply.readUInt32BE(4) === 0x7777_7777);
    peer.socket.destroy();
  }
  await isWell();
  // Giant messages that never come, each on a connection of its own.
  const half = bytes(hello(1), hex('010a ffff 00000001'), zeros(30_000));
  for (let n = 0; n < 400; n++) (await RawPeer.connect(scope, path)).send(half);
  await isWell();
  // More addresses than there is room for, from one that reads and from one that does not.
  const many = bytes(...Array.from({ length: 2000 }, (_, n) => packetIn(n, 1500)));
  const deaf = await RawPeer.connect(scope, path);
  deaf.socket.pause();
  deaf.send(hello(1));
  for (let n = 0; n < 30; n++) deaf.socket.write(many);
  const peer = await dial(scope, path);
  for (let n = 0; n < 20_000; n += 1000) {
    peer.send(...Array.from({ length: 1000 }, (_, i) => packetIn(n + i)));
    const last = n + 999;
    await eventually('its packets come back', () => {
      const replies = peer.received.splice(0);
      return replies.some((m) => m[1] === OFPT_PACKET_OUT && m.includes(u32(last), 16));
    });
  }
  await isWell();
});

/** Damaged messages, half a message, the end. */
function rave(peer: RawPeer, version: number, random: Random): void {
  peer.send(hello(version));
  for (let n = 0; n < COUNT; n++) {
    const said = Buffer.from(damage(random, random.pick(MESSAGES)));
    if (random.chance(0.9)) said[0] = version;
    peer.send(said);
  }
  peer.send(hex('0412 ffff 00000001'));
  peer.socket.end();
}

test('ovs-ofctl that listens to a switch that means no good', async () => {
  await using scope = new Scope();
  const directory = scope.directory('listening');
  const random = new Random(SEED);
  for (const [i, command] of ['monitor SW', 'monitor SW 128 watch:', 'snoop SW'].entries()) {
    const path = join(directory, `sw${i}`);
    const server = await listen(scope, path);
    const version = random.pick([1, 4, 6]);
    const options = ['-O', `OpenFlow1${version - 1}`, `--unixctl=${path}.ctl`];
    const words = command.replace('SW', path).split(' ');
    const running = run([join(REPOSITORY, 'bin/ovs-ofctl'), ...options, ...words], {
      timeoutMs: 60_000,
    });
    void (async () => {
      for (;;) rave(await server.next(), version, random);
    })();
    const { code, signal, stderr } = await running;
    const where = `HEDDLE_SEED=${SEED}: OpenFlow 1.${version - 1} ${command}`;
    assert.equal(signal, null, where);
    assert.equal(code, 1, where);
    assert.match(stderr, /^ovs-ofctl: .*\n$/m, where);
    assert.doesNotMatch(stderr, /^\s+at .*\.[jt]s/m, where);
  }
});
