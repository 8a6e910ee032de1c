/** Meters and policing of a datapath. HEDDLE_SEED picks other random meters. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as b from '@heddle/packet/build';
import { type ComplianceFactory, flowFor } from './compliance.ts';
import { bucketsOf, MAX_BANDS, type MeterConfig } from './meter.ts';
import { asMeteredUpcall } from './metered-upcall.ts';
import type { OdpAction } from './odp-actions.ts';
import { Random } from './oracle/random-frame.ts';
import { TokenBuckets } from './userspace/meters.ts';

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 20);
const SENT = 40;
/** What may pass of them at a packet a second, however slow the machine is. */
const MANY = 25;

const frame = b.ethernet(
  { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' },
  b.ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, b.udp({ src: 1, dst: 2 }, new Uint8Array(58))),
);

/** Of 100 bytes. */
const FRAME_KILOBITS = 0.8;

const packets = (rate: number, burst: number): MeterConfig => ({
  unit: 'packets',
  bands: [{ rate, burst }],
});

export function dpifMeterCompliance(name: string, factory: ComplianceFactory): void {
  describe(`${name}: meters (HEDDLE_SEED=${SEED})`, () => {
    test('what is too much is dropped and counted', async () => {
      const { received, dpif } = await through(factory, (meters) => {
        meters.set(5, packets(1, 3));
        return [{ type: 'meter', id: 5 }];
      });
      const dropped = SENT - received;
      assert.ok(received >= 3 && received < MANY, `${received} of ${SENT}`);
      assert.deepEqual(dpif.stats, {
        packets: SENT,
        bytes: SENT * frame.length,
        bands: [{ packets: dropped, bytes: dropped * frame.length }],
      });
      assert.equal(dpif.drops.get('meter'), dropped);
    });

    test('a metered upcall leaves the packet be', async () => {
      const { received, upcalls, dpif } = await through(factory, (meters) => {
        meters.set(5, packets(1, 3));
        return [asMeteredUpcall(5, [{ type: 'userspace', userdata: Uint8Array.of(7) }])];
      });
      assert.equal(received, SENT);
      assert.equal(upcalls, SENT - dpif.stats!.bands[0]!.packets);
      assert.ok(upcalls >= 3 && upcalls < MANY, `${upcalls} of ${SENT}`);
    });

    test('a meter that is gone drops nothing', async () => {
      const { received, dpif } = await through(factory, (meters) => {
        meters.set(5, packets(1, 1));
        meters.delete(5);
        return [{ type: 'meter', id: 5 }];
      });
      assert.equal(received, SENT);
      assert.equal(dpif.stats, undefined);
    });

    test('any bands decide as the reference does', async () => {
      const p = await factory(2);
      const { meters } = p.dpif;
      const r = new Random(SEED);
      try {
        for (let id = 1; id <= COUNT; id++) {
          const config = randomMeter(r);
          meters.set(id, config);
          const reference = new TokenBuckets(bucketsOf(config), 0);
          for (let i = 0; i < 40; i++) {
            const bytes = 10_000 * (1 + r.below(9));
            const what = `${JSON.stringify(config)}, packet ${i} of ${bytes} bytes`;
            assert.equal(meters.admits(id, bytes), reference.admits(bytes, 0), what);
          }
          assert.deepEqual(meters.stats(id), reference.stats);
          meters.delete(id);
        }
      } finally {
        await p.close();
      }
    });

    test('a port takes what it may', async () => {
      const p = await factory(2);
      const [one, two] = p.ports as [number, number];
      const send = async (): Promise<number> => {
        for (let i = 0; i < SENT; i++) await p.send(one, frame);
        await p.settle();
        return (await p.received(two)).length;
      };
      const none = { rate: 0, burst: 8000 };
      try {
        p.dpif.flowPut({ ...flowFor(frame, one, ''), actions: [{ type: 'output', port: two }] });
        p.dpif.setPolicing(one, { bits: { rate: 1, burst: 4 }, kpkts: none });
        const passed = await send();
        assert.ok(passed >= 4 / FRAME_KILOBITS && passed < MANY, `${passed} of ${SENT}`);
        assert.equal(p.dpif.portStats(one).rxPackets, SENT);
        assert.equal(p.dpif.portStats(one).rxDropped, SENT - passed);
        assert.equal(p.dpif.stats().drops.get('ingress policing'), SENT - passed);
        p.dpif.setPolicing(one, { bits: none, kpkts: { rate: 1, burst: 1 } });
        assert.equal(await send(), SENT);
        p.dpif.setPolicing(one, { bits: none, kpkts: none });
        assert.equal(await send(), SENT);
        assert.throws(() => p.dpif.setPolicing(4000, { bits: none, kpkts: none }), {
          code: 'ENODEV',
        });
      } finally {
        await p.close();
      }
    });
  });
}

/** Sends frames through actions of meter 5 and on to the second port. */
async function through(
  factory: ComplianceFactory,
  prepare: (meters: Awaited<ReturnType<ComplianceFactory>>['dpif']['meters']) => OdpAction[],
) {
  const p = await factory(2);
  const [one, two] = p.ports as [number, number];
  let upcalls = 0;
  p.dpif.setUpcallHandler((batch) => {
    upcalls += batch.length;
  });
  try {
    const actions: OdpAction[] = [...prepare(p.dpif.meters), { type: 'output', port: two }];
    const flow = { ...flowFor(frame, one, ''), actions };
    p.dpif.flowPut(flow);
    assert.deepEqual([...p.dpif.flows()][0]!.actions, actions);
    for (let i = 0; i < SENT; i++) await p.send(one, frame);
    await p.settle();
    const received = (await p.received(two)).length;
    const { drops } = p.dpif.stats();
    return { received, upcalls, dpif: { stats: p.dpif.meters.stats(5), drops } };
  } finally {
    await p.close();
  }
}

/**
 * Everything is a multiple of 10,000 bytes, and a kilobit a second fills so slowly that the time
 * between packets does not matter.
 */
function randomMeter(r: Random): MeterConfig {
  const bands = Array.from({ length: r.below(MAX_BANDS + 1) }, () => ({
    rate: 1,
    burst: 80 * (1 + r.below(40)),
  }));
  return { unit: 'kilobits', bands };
}
