/** The userspace datapath passes the suite of all engines, and keeps its own promises: clock, queues, ports. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flow } from '@heddle/packet';
import { FakeClock } from '@heddle/runtime/clock';
import { SystemError } from '@heddle/runtime/errors';
import { type ComplianceProvider, dpifCompliance } from '../compliance.ts';
import { dpifMeterCompliance } from '../compliance-meters.ts';
import { dpifRandomCompliance } from '../compliance-random.ts';
import type { OdpPort, Upcall } from '../dpif.ts';
import { formatFlowStats } from '../odp-format.ts';
import { parseOdpFlow } from '../odp-parse-flow.ts';
import { MemoryNetdev } from './netdev.ts';
import { UpcallQueue } from './upcall-queue.ts';
import { UserspaceDpif } from './userspace-dpif.ts';

async function open(count: number): Promise<ComplianceProvider> {
  const devices = new Map<OdpPort, MemoryNetdev>();
  let opened: MemoryNetdev | undefined;
  const dpif = new UserspaceDpif({
    openNetdev: (name) => {
      opened = new MemoryNetdev(name);
      return opened;
    },
  });
  for (let i = 1; i <= count; i++) {
    const port = await dpif.portAdd(`p${i}`, 'system');
    devices.set(port, opened!);
  }
  return {
    dpif,
    ports: [...devices.keys()],
    send: (port, frame) => devices.get(port)!.receive(frame),
    received: (port) => devices.get(port)!.transmitted.splice(0),
    // Upcalls are delivered in batches, one in each turn of the loop.
    settle: async () => {
      for (let turns = 0; turns < 12; turns++) await new Promise((done) => setImmediate(done));
    },
    close: () => dpif.destroy(),
  };
}

dpifCompliance('userspace', open);
dpifMeterCompliance('userspace', open);
dpifRandomCompliance('userspace', open);

test('idle time runs on the clock that was given', async () => {
  const clock = new FakeClock(5000);
  const device = new MemoryNetdev('p1');
  const dpif = new UserspaceDpif({ openNetdev: () => device, clock });
  await dpif.portAdd('p1', 'system', 1);
  const { key, mask } = parseOdpFlow('in_port(1)');
  dpif.flowPut({ key, mask: clearTags(mask), actions: [] });
  device.receive(new Uint8Array(60));
  clock.advance(1234);
  const [flow] = [...dpif.flows()];
  assert.equal(flow?.stats.usedMs, 5000);
  assert.equal(formatFlowStats(flow.stats, dpif.nowMs()), 'packets:1, bytes:60, used:1.234s');
});

function clearTags(mask: Flow): Flow {
  mask.vlanTci0 = 0;
  mask.vlanTci1 = 0;
  return mask;
}

test('upcalls that nobody takes wait in bounded queues', () => {
  const queue = new UpcallQueue();
  const upcall = (port: number): Upcall => {
    const flow = new Flow();
    flow.inPort = port;
    return { type: 'miss', flow, packet: { data: new Uint8Array() } };
  };
  for (let i = 0; i < 300; i++) queue.push(upcall(1));
  queue.push(upcall(2));
  queue.push(upcall(3));
  assert.deepEqual([queue.lost, queue.lostByPort.get(1)], [44, 44]);
  const first = queue.takeBatch().map((u) => u.flow.inPort);
  assert.deepEqual(first.slice(0, 4), [1, 2, 3, 1]);
  assert.equal(first.length, 64);
  let taken = first.length;
  while (!queue.empty) taken += queue.takeBatch().length;
  assert.equal(taken, 258);
});

test('a port that is gone loses its device and its upcalls', async () => {
  const device = new MemoryNetdev('p1');
  const dpif = new UserspaceDpif({ openNetdev: () => device });
  await assert.rejects(
    new UserspaceDpif({
      openNetdev: (name) => {
        throw new SystemError('ENODEV', name);
      },
    }).portAdd('nosuch', 'system'),
    { code: 'ENODEV' },
  );
  const port = await dpif.portAdd('p1', 'system');
  await assert.rejects(dpif.portAdd('p2', 'system', port), { code: 'EEXIST' });
  await dpif.portDel(port);
  device.receive(new Uint8Array(60));
  assert.equal(dpif.stats().missed, 0);
});
