/** A rehearsal practises with maps of its own and leaves the datapath as it is. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { extractFlow, Flow } from '@heddle/packet';
import { ethernet, ipv4, pad, udp } from '@heddle/packet/build';
import type { DpFlow, Upcall } from '../dpif.ts';
import { enterNewNetns, Rig, until } from './test-support.ts';

enterNewNetns();

const COUNT = 100;

function packet(n: number, inPort: number): Pick<Upcall, 'flow' | 'packet'> {
  const macs = { src: 0x0200_0000_0000 + n, dst: 0x0200_0000_ffff };
  const ends = { src: '10.0.0.1', dst: '10.0.0.2' };
  const data = pad(ethernet(macs, ipv4(ends, udp({ src: n, dst: 9 }, new Uint8Array(18)))));
  return { flow: extractFlow(data, { inPort }), packet: { data, priority: n % 2 } };
}

function flowFor({ flow }: Pick<Upcall, 'flow'>, port: number): DpFlow {
  const mask = new Flow();
  mask.inPort = 0xffff_ffff;
  mask.dlSrc = 0xffff_ffff_ffff;
  return { key: flow, mask, actions: [{ type: 'output', port }] };
}

test('a rehearsal hears of misses and keeps flows, of which the datapath knows nothing', async () => {
  const rig = await Rig.open(2);
  const { dpif } = rig;
  const [one, two] = rig.ports as [number, number];
  const real: Upcall[] = [];
  dpif.setUpcallHandler((batch) => real.push(...batch));
  const files = readdirSync('/proc/self/fd').length;
  const rehearsal = dpif.rehearsal();
  const own = rehearsal.dpif;
  const heard: string[] = [];
  own.setUpcallHandler((batch) => {
    for (const upcall of batch) {
      heard.push(Buffer.from(upcall.packet.data).toString('hex'));
      const flow = flowFor(upcall, two);
      own.flowPut(flow);
      own.execute([{ ...upcall, actions: flow.actions }]);
    }
  });
  const packets = Array.from({ length: COUNT }, (_, n) => packet(n, one));
  for (let at = 0; at < COUNT; at += 10) rehearsal.arrive(packets.slice(at, at + 10));
  assert.deepEqual(
    heard,
    packets.map((p) => Buffer.from(p.packet.data).toString('hex')),
  );
  assert.equal([...own.flows()].length, COUNT);
  await rig.settle();
  assert.equal([...dpif.flows()].length, 0);
  assert.deepEqual(real, []);
  assert.deepEqual(rig.received(two), []);

  own.flowFlush();
  rehearsal[Symbol.dispose]();
  assert.equal(readdirSync('/proc/self/fd').length, files);
  // The datapath works on, and its misses come to its own handler.
  const next = packet(COUNT, one).packet.data;
  rig.send(one, next);
  assert.ok(await until(() => real.length > 0));
  dpif.flowPut(flowFor(real[0]!, two));
  rig.send(one, next);
  assert.ok(await until(() => rig.received(two).length > 0));
  assert.equal(real.length, 1);
  await rig.close();
});
