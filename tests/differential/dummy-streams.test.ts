/** Dummy ports that sockets join with another switch (`stream`, `pstream`): ours with Open vSwitch's, either way round. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { parsePcap, toHex } from '@heddle/packet';
import { eventually, Instance, isolate, Scope } from '@heddle/testing';

isolate();

const switchArgs = ['--enable-dummy=override', '--disable-system'];
const FRAMES = ['02', '04', '06'].map(
  (host) => `ffffffffffff0200000000${host}9000${'5a'.repeat(46)}`,
);

async function setUp(instance: Instance, ...options: string[]): Promise<void> {
  const port = (name: string, ofport: number) => [
    ...['--', 'add-port', 'br0', name, '--', 'set', 'interface', name],
    ...['type=dummy', `ofport_request=${ofport}`],
  ];
  await instance.vsctl(
    ...['add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=dummy'],
    ...[...port('p1', 1), ...options.map((o) => `options:${o}`)],
    ...[...port('p2', 2), `options:tx_pcap=${pcap(instance)}`],
  );
}

const pcap = (instance: Instance) => join(instance.directory, 'p2.pcap');

function sent(instance: Instance): string[] {
  return parsePcap(readFileSync(pcap(instance))).map((record) => toHex(record.data));
}

const arrive = (instance: Instance, frames: number) =>
  eventually(`${frames} frames`, () => sent(instance).length >= frames);

/** What a switch says of its ports, with the socket's name left out. */
async function told(instance: Instance): Promise<string> {
  const shown = await instance.appctl('dpctl/show', 'dummy@ovs-dummy');
  const states = await instance.appctl('netdev-dummy/conn-state');
  const each = await Promise.all(
    ['p1', 'p2', 'none'].map((name) => instance.appctl('netdev-dummy/conn-state', name)),
  );
  const ports = shown.split('\n').filter((line) => line.startsWith('  port'));
  return [...ports, states, ...each].join('\n').replaceAll(/\S+\.sock/g, 'SOCKET');
}

test('two switches hear each other, and a peer that comes back is found again', async () => {
  const views: string[][] = [];
  for (const [listens, connects] of [
    [Instance.ours, Instance.oracle],
    [Instance.oracle, Instance.ours],
  ] as const) {
    await using scope = new Scope();
    const a = await listens(scope, { switchArgs });
    const b = await connects(scope, { switchArgs });
    const path = join(a.directory, 'p1.sock');
    await setUp(b, `stream=unix:${path}`);
    const before = await told(b);
    await setUp(a, `pstream=punix:${path}`, 'ifindex=7');
    const becomes = (state: string) =>
      eventually(
        state,
        async () => (await b.appctl('netdev-dummy/conn-state', 'p1')) === `p1: ${state}\n`,
      );
    const hears = async () => {
      await becomes('connected');
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        const known = sent(to).length;
        await from.appctl('netdev-dummy/receive', 'p2', ...FRAMES);
        await arrive(to, known + FRAMES.length);
        assert.deepEqual(sent(to).slice(known), FRAMES);
      }
    };
    await hears();
    views.push([await told(a), before, await told(b)]);
    await a.kill('ovs-vswitchd');
    await becomes('disconnected');
    await a.startSwitch();
    await hears();
    await a.vsctl('remove', 'interface', 'p1', 'options', 'pstream');
    await becomes('disconnected');
  }
  const [[ourListener, theirWaiting, theirConnected], [theirListener, ourWaiting, ourConnected]] =
    views as [string[], string[]];
  assert.equal(ourListener, theirListener);
  // Open vSwitch 3.1 has "(null)" for the name of a peer that is not there.
  assert.equal(ourWaiting, theirWaiting!.replace('stream=(null)', 'SOCKET'));
  assert.equal(ourConnected, theirConnected);
});

test('frames come in pieces, and who sends none is closed', async () => {
  await using scope = new Scope();
  const ours = await Instance.ours(scope, { switchArgs });
  const path = join(ours.directory, 'p1.sock');
  await setUp(ours, `pstream=punix:${path}`);
  const peer = async (): Promise<Socket> => {
    const socket = connect(path);
    scope.defer(() => void socket.destroy());
    await once(socket, 'connect');
    return socket;
  };
  const whole = Buffer.concat(
    FRAMES.map((hex) =>
      Buffer.from(`${(hex.length / 2).toString(16).padStart(4, '0')}${hex}`, 'hex'),
    ),
  );
  const good = await peer();
  for (const byte of whole) {
    good.write(Uint8Array.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await arrive(ours, FRAMES.length);
  assert.deepEqual(sent(ours), FRAMES);
  for (const length of [1, 13]) {
    const bad = await peer();
    bad.on('error', () => {});
    bad.write(Uint8Array.of(0, length, ...new Uint8Array(length)));
    await once(bad, 'close');
  }
  good.write(whole);
  await arrive(ours, 2 * FRAMES.length);

  // One that does not read costs what it may have waiting, and no more.
  const deaf = await peer();
  deaf.pause();
  const frame = `ffffffffffff0200000000089000${'00'.repeat(1400)}`;
  for (let i = 0; i < 6; i++) {
    await ours.appctl('netdev-dummy/receive', 'p2', ...Array.from({ length: 100 }, () => frame));
  }
  good.write(whole);
  await arrive(ours, 3 * FRAMES.length);
  assert.deepEqual(sent(ours), [...FRAMES, ...FRAMES, ...FRAMES]);
});
