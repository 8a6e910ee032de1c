/** Real packets through real veths: floods, fairness, flows that come and go. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { PacketSocket } from '@heddle/linux/packet-socket';
import { Rtnl } from '@heddle/linux/rtnetlink/rtnl';
import { extractFlow, Flow, toHex } from '@heddle/packet';
import { keptUpcall } from '../compliance.ts';
import type { Upcall } from '../dpif.ts';
import { openKernelDpif } from './open.ts';
import { portMask, udpFrame } from './test-hosts.ts';
import { enterNewNetns, Rig, TEST_PIN_ROOT, testOptions, until } from './test-support.ts';

enterNewNetns();

for (const count of [500]) {
  test(`a flood to ${count} ports reaches all`, async () => {
    const rig = await Rig.open(1);
    await rig.addPorts(count, { listen: false });
    const frame = udpFrame(100);
    const key = extractFlow(frame, { inPort: rig.ports[0]! });
    const actions = rig.ports.slice(1).map((port) => ({ type: 'output' as const, port }));
    rig.dpif.flowPut({ key, mask: portMask(), actions });
    rig.send(rig.ports[0]!, frame);
    using there = new Rtnl(rig.hosts);
    const reached = () => {
      const others = there.links().filter((l) => l.name.startsWith('y') && l.name !== 'y1');
      return others.filter((l) => l.stats.rx_packets >= 1).length;
    };
    await until(() => reached() === count, 3000);
    assert.equal(reached(), count);
    assert.deepEqual(rig.dpif.flowGet([...rig.dpif.flows()][0]!.ufid)!.actions, actions);
    const [flow, packet] = [key, { data: frame }];
    rig.dpif.execute([{ flow, packet, actions }]);
    const twice = () => rig.ports.slice(1).every((p) => rig.dpif.portStats(p).txPackets === 2);
    assert.ok(await until(twice), 'execute floods, too');
    await rig.close();
  });
}

test('frames longer than the MTU of the port are dropped and counted', async () => {
  const rig = await Rig.open(1, {});
  await rig.addPorts(1, { mtu: 1500 });
  const [one, two] = rig.ports;
  const long = udpFrame(1600);
  const actions = [{ type: 'output' as const, port: two! }];
  const flow = extractFlow(long, { inPort: one! });
  rig.dpif.execute([
    { flow, packet: { data: long }, actions },
    { flow, packet: { data: udpFrame(1472) }, actions },
  ]);
  await rig.settle();
  assert.deepEqual(
    rig.received(two!).map((f) => f.length),
    [14 + 20 + 8 + 1472],
  );
  assert.equal(rig.dpif.stats().drops.get('longer than MTU'), 1);
  assert.equal(rig.dpif.portStats(two!).txDropped, 1);
  await rig.close();
});

test('a port that floods misses does not starve another', async () => {
  const rig = await Rig.open(2, { sizes: { flows: 64, ports: 16, chunks: 16, ringBytes: 65536 } });
  const [one, two] = rig.ports;
  const seen = new Map<number, number>();
  rig.dpif.setUpcallHandler((batch) => {
    for (const u of batch) seen.set(u.flow.inPort, (seen.get(u.flow.inPort) ?? 0) + 1);
  });
  // All of this is sent before the daemon reads anything.
  for (let i = 0; i < 2000; i++) rig.send(one!, udpFrame(100, i));
  for (let i = 0; i < 10; i++) rig.send(two!, udpFrame(100, i));
  assert.ok(await until(() => seen.get(two!) === 10));
  await rig.settle();
  const { lost, lostByPort } = rig.dpif.stats();
  assert.equal(lost + seen.get(one!)!, 2000);
  assert.ok(seen.get(one!)! > 30);
  assert.deepEqual([...lostByPort], [[one, lost]]);
  await rig.close();
});

test('misses that nobody read before the daemon ended are served, and count against no port', async () => {
  const options = testOptions();
  const first = await openKernelDpif(options);
  using rtnl = new Rtnl();
  rtnl.createVeth({ name: 'q1', up: true }, { name: 'q2', up: true });
  const port = await first.portAdd('q1', 'system');
  const send = () => {
    using socket = new PacketSocket({ ifindex: rtnl.link('q2')!.index, sendOnly: true });
    socket.send(udpFrame(64));
  };
  first[Symbol.dispose]();
  for (let n = 0; n < 5; n++) send();
  const next = await openKernelDpif(options);
  try {
    let seen = 0;
    next.setUpcallHandler((batch) => {
      seen += batch.length;
    });
    assert.ok(await until(() => seen === 5), `${seen} of 5`);
    for (let n = 6; n <= 10; n++) {
      send();
      assert.ok(await until(() => seen === n), `${seen} of ${n}`);
    }
    assert.equal(next.stats().lostByPort.get(port) ?? 0, 0);
    assert.ok(await until(() => !next.upcallsPending()));
  } finally {
    await next.destroy();
    rtnl.deleteLink('q1');
  }
});

test('upcalls keep the order of a port and take turns between ports', async () => {
  const rig = await Rig.open(2);
  const [one, two] = rig.ports;
  const got: Upcall[] = [];
  for (let i = 0; i < 50; i++) rig.send(one!, udpFrame(100, i));
  for (let i = 0; i < 50; i++) rig.send(two!, udpFrame(100, i));
  rig.dpif.setUpcallHandler((batch) => void got.push(...batch.map(keptUpcall)));
  assert.ok(await until(() => got.length === 100));
  for (const port of [one, two]) {
    const order = got.filter((u) => u.flow.inPort === port).map((u) => u.flow.tpSrc);
    assert.deepEqual(order, [...Array(50).keys()]);
  }
  assert.equal(got.findIndex((u) => u.flow.inPort === two) < 5, true);
  await rig.close();
});

test('beyond the masks that there are, flows are narrower but right', async () => {
  const rig = await Rig.open(2);
  const [one, two] = rig.ports;
  const actions = [{ type: 'output' as const, port: two! }];
  const again = portMask();
  again.recircId = 0xffff_ffff;
  again.tpSrc = 0xffff;
  const known = new Flow();
  known.inPort = one!;
  known.tpSrc = 99;
  rig.dpif.flowPut({ key: known, mask: again, actions: [{ type: 'recirc', id: 5 }] });
  for (let i = 1; i <= 1022; i++) {
    const mask = portMask();
    mask.nwDst = i;
    mask.tpDst = 0xffff;
    const key = new Flow();
    key.tpDst = 9999;
    rig.dpif.flowPut({ key, mask, actions: [] });
  }
  assert.equal(rig.dpif.stats().masks, 1023);
  const mask = portMask();
  mask.tpSrc = 0xfff0;
  assert.throws(() => rig.dpif.flowPut({ key: new Flow(), mask, actions }), { code: 'ENOSPC' });
  rig.dpif.setUpcallHandler((batch) => {
    for (const { flow } of batch) rig.dpif.flowPut({ key: flow, mask, actions });
  });
  rig.send(one!, udpFrame(50, 17));
  await rig.settle();
  assert.equal(rig.dpif.stats().masks, 1024);
  rig.send(one!, udpFrame(50, 17));
  await rig.settle();
  assert.deepEqual(rig.received(two!).map(toHex), [toHex(udpFrame(50, 17))]);
  // What has been tracked is told apart by more than a narrow flow would look at.
  const refused: number[] = [];
  rig.dpif.setUpcallHandler((batch) => {
    for (const { flow } of batch) {
      mask.ctMark = 1;
      assert.throws(() => rig.dpif.flowPut({ key: flow, mask, actions }), { code: 'ENOSPC' });
      refused.push(flow.recircId);
    }
  });
  rig.send(one!, udpFrame(50, 99));
  assert.ok(await until(() => refused.length > 0));
  assert.deepEqual(refused, [5]);
  rig.dpif.flowFlush();
  assert.equal(rig.dpif.stats().masks, 0);
  await rig.close();
});

test('ports and flows come and go without a trace', async () => {
  const options = testOptions();
  const dpif = await openKernelDpif(options);
  using rtnl = new Rtnl();
  const traces = () => [
    readdirSync('/proc/self/fd').length,
    rtnl.links({ stats: false }).length,
    readdirSync(`${TEST_PIN_ROOT}/${options.instance}/links`).length,
    dpif.stats().flows + dpif.stats().masks,
  ];
  const round = async (n: number) => {
    const port = await dpif.portAdd(`i${n % 5}`, 'internal');
    const key = new Flow();
    key.inPort = port;
    const actions = Array.from({ length: 400 }, (_, p) => ({ type: 'output' as const, port: p }));
    dpif.flowPut({ key, mask: portMask(), actions });
    dpif.flowFlush();
    await dpif.portDel(port);
  };
  await round(0);
  const before = traces();
  for (let n = 0; n < 30; n++) await round(n);
  assert.deepEqual(traces(), before);
  await dpif.destroy();
  assert.ok(!existsSync(`${TEST_PIN_ROOT}/${options.instance}`));
});
