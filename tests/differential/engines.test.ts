/**
 * One random switch, of bridges joined by patch ports, on three engines: the eBPF datapath, the
 * userspace reference and Open vSwitch itself. The same bytes leave the same ports, whether a frame
 * misses or meets a megaflow, while addresses are learned. HEDDLE_SEED repeats one round;
 * HEDDLE_COUNT sets how many there are.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { enterNewNetns } from '@heddle/datapath/kernel/test-support';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { oracleInstalled } from '@heddle/datapath/oracle/reference-daemons';
import { toHex } from '@heddle/packet';
import { isolate } from '@heddle/testing';
import { randomPacket } from '@heddle/vswitch/oracle/random-packet';
import { randomSwitch } from '@heddle/vswitch/oracle/random-switch';
import { SwitchOracle } from '@heddle/vswitch/oracle/switch-oracle';
import { type Engine, ebpf, openVswitch, userspace } from './engines.ts';

isolate();
// Without IPv6, so that only the test's frames are about.
enterNewNetns();

const FRAMES = 20;
/** Shorter frames are padded by some devices and not by others. */
const LENGTH = 80;
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 10);
const SEEDS =
  process.env['HEDDLE_SEED'] === undefined
    ? Array.from({ length: COUNT }, (_, seed) => seed)
    : [Number(process.env['HEDDLE_SEED'])];

const oracle = oracleInstalled() ? new SwitchOracle() : undefined;
after(() => oracle?.[Symbol.dispose]());

/** Until an engine says what is expected, or has had all the time that it may take. */
async function says(engine: Engine, expected: readonly string[]): Promise<string[]> {
  const end = Date.now() + 3000;
  const lines: string[] = [];
  for (;;) {
    lines.push(...(await engine.transmitted()));
    lines.sort();
    if (JSON.stringify(lines) === JSON.stringify(expected) || Date.now() > end) return lines;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Frames that left a port, in all rounds. */
let left = 0;

for (const seed of SEEDS) {
  test(`random bridges, ports, tags and addresses, HEDDLE_SEED=${seed}`, async () => {
    const r = new Random(seed);
    const spec = randomSwitch(r);
    const reference = await userspace(spec);
    const others = [await ebpf(spec)];
    if (oracle !== undefined) others.push(await openVswitch(spec, oracle));
    try {
      for (let k = 0; k < FRAMES; k++) {
        const from = r.pick(spec.ports.filter((p) => p.peer === undefined)).name;
        const frame = Buffer.alloc(LENGTH);
        frame.set(randomPacket(r).subarray(0, LENGTH));
        for (const time of ['first', 'again']) {
          await reference.send(from, frame);
          const expected = (await reference.transmitted()).sort();
          left += expected.length;
          for (const engine of others) {
            await engine.send(from, frame);
            const where = `frame ${k} (${time}) into ${from} of ${engine.name}: ${toHex(frame)}`;
            assert.deepEqual(await says(engine, expected), expected, where);
          }
        }
      }
    } finally {
      for (const engine of [reference, ...others]) await engine.close();
    }
  });
}

test('frames did leave ports', () => {
  assert.ok(left > SEEDS.length, `${left} frames in ${SEEDS.length} rounds`);
});
