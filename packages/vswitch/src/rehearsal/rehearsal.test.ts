import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryNetdev, UserspaceDpif } from '@heddle/datapath';
import { coverage, FakeClock } from '@heddle/runtime';
import { rehearse } from './rehearsal.ts';
import { Stage } from './stage.ts';

const dpif = new UserspaceDpif({
  clock: new FakeClock(1000),
  defer: (task) => task(),
  openNetdev: (name) => new MemoryNetdev(name),
});
const { actions, meters } = dpif;
const kernel = { actions, meters, nowMs: () => dpif.nowMs(), engine: 'kernel' } as const;

test('every round of a rehearsal is what a switch can do', () => {
  const stage = new Stage(kernel);
  const before = coverage.counter('dpif_flow_put').total;
  for (let round = 0; round < 300; round++) stage.play(round);
  const put = coverage.counter('dpif_flow_put').total - before;
  assert.ok(put > 300, `${put} of 600 packets leave a megaflow of their own`);
});

test('a rehearsal counts nothing, and ends when it has had its processor time', async () => {
  const counted = coverage.show();
  assert.ok((await rehearse(() => kernel, { afterMs: 0, cpuMs: 20 })) > 0);
  assert.equal(coverage.show(), counted);
  assert.equal(await rehearse(() => kernel, { afterMs: 0, cpuMs: 0 }), 0);
});

test('there is none without a bridge, and with datapaths that are for tests', async () => {
  assert.equal(await rehearse(() => undefined, { afterMs: 0 }), 0);
  assert.equal(await rehearse(() => dpif, { afterMs: 0 }), 0);
});
