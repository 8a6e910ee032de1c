/** Targets and records of NetFlow and IPFIX. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Flow } from '@heddle/packet';
import { FakeClock } from '@heddle/runtime';
import { parseTarget } from './collectors.ts';
import { Ipfix } from './ipfix.ts';
import { NetFlow } from './netflow.ts';

test('targets', () => {
  const port = (text: string, fallback?: number) => parseTarget(text, fallback);
  assert.deepEqual(port('1.2.3.4:5'), { address: '1.2.3.4', port: 5 });
  assert.deepEqual(port('[fe80::1]:5'), { address: 'fe80::1', port: 5 });
  assert.deepEqual(port('1.2.3.4', 6343), { address: '1.2.3.4', port: 6343 });
  for (const bad of ['', '1.2.3.4', '1.2.3.4:0', '1.2.3.4:65536', 'host:1', 'fe80::1:5', ':7']) {
    assert.equal(port(bad), undefined, bad);
  }
});

async function collector(): Promise<{
  target: { address: string; port: number };
  got: Buffer[];
  close: () => void;
}> {
  const socket = createSocket('udp4');
  const got: Buffer[] = [];
  socket.on('message', (data) => got.push(data));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const target = { address: '127.0.0.1', port: socket.address().port };
  return { target, got, close: () => socket.close() };
}

async function heard(got: readonly Buffer[], n: number): Promise<void> {
  for (let i = 0; got.length < n && i < 1000; i++) await setTimeout(10);
  assert.equal(got.length, n);
}

function flow(n: number): Flow {
  const out = new Flow();
  out.dlType = 0x0800;
  out.nwSrc = n;
  out.nwProto = 17;
  return out;
}

test('NetFlow: sequence numbers count records, as RFC 3954 has them, and nothing is told twice', async () => {
  const { target, got, close } = await collector();
  const clock = new FakeClock(1000);
  const settings = { targets: [target], engineType: 1, engineId: 2 };
  const netflow = new NetFlow({ ...settings, activeTimeoutMs: -1, addIdToInterface: false }, clock);
  const packets = (usedMs: number) => ({ packets: 2, bytes: 100, tcpFlags: 0, usedMs });
  for (let n = 0; n < 70; n++) netflow.count(flow(n), 3, packets(clock.nowMs()));
  clock.advance(5000);
  netflow.count(flow(0), 3, packets(clock.nowMs()));
  clock.advance(5001);
  netflow.run();
  await heard(got, 3);
  const header = (d: Buffer) => [d.readUInt16BE(2), d.readUInt32BE(16)];
  assert.deepEqual(got.map(header), [
    [30, 0],
    [30, 30],
    [9, 60],
  ]);
  assert.equal(netflow.flowCount, 1);
  netflow.close();
  await heard(got, 4);
  assert.deepEqual(header(got[3]!), [1, 69]);
  assert.equal(got[3]!.readUInt32BE(24 + 16), 4, 'packets');
  close();
});

test('IPFIX: a cache holds as many records as it may', () => {
  const clock = new FakeClock();
  const times = { templateIntervalMs: 600_000, statsIntervalMs: 600_000 };
  const ipfix = new Ipfix(
    { targets: [], activeTimeoutMs: 1000, maxFlows: 10, ...times, virtualObsId: undefined },
    clock,
  );
  const device = { ifindex: 1, name: 'p1' };
  const where = { obsPointId: 1, isEgress: false, input: device, output: undefined };
  const packet = { length: 60, isDropped: false, tcpFlags: 0 };
  for (let n = 0; n < 1000; n++) {
    const sample = { ...where, flow: flow(n % 25), tunnel: undefined, virtualObsId: undefined };
    ipfix.sample(n % 2, sample, packet);
  }
  assert.equal(ipfix.counters[1], 10n);
  assert.equal(ipfix.counters[2], 1000n);
  clock.advance(1000);
  ipfix.run();
  assert.equal(ipfix.counters[1], 0n);
  ipfix.close();
});
