/** A rehearsal does only what a switch can do, and leaves nothing behind. */
import assert from 'node:assert/strict';
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type Dpif, type DpRehearsal, MemoryNetdev, UserspaceDpif } from '@heddle/datapath';
import { coverage, FakeClock, vlog } from '@heddle/runtime';
import { eventually } from '@heddle/testing';
import { rehearse } from './rehearsal.ts';
import { Stage } from './stage.ts';

type Handler = Parameters<Dpif['setUpcallHandler']>[0];

class Rehearsed extends UserspaceDpif {
  handler: Handler;

  override setUpcallHandler(handler: Handler): void {
    this.handler = handler;
  }
}

let closed = 0;

function open(): DpRehearsal {
  const dpif = new Rehearsed({
    clock: new FakeClock(1000),
    defer: (task) => task(),
    openNetdev: (name) => new MemoryNetdev(name),
  });
  return {
    dpif,
    arrive: (packets) => dpif.handler?.(packets.map((packet) => ({ type: 'miss', ...packet }))),
    [Symbol.dispose]: () => void closed++,
  };
}

test('every round of a rehearsal is what a switch can do', async () => {
  const stage = new Stage(open());
  await setImmediate();
  const before = coverage.counter('dpif_flow_put').total;
  for (let round = 0; round < 300; round++) stage.play(round);
  const put = coverage.counter('dpif_flow_put').total - before;
  stage.close();
  assert.ok(put > 300, `${put} megaflows in 300 rounds`);
});

test('what is asked over sockets is what a switch answers', async () => {
  const stage = new Stage(open());
  const received = coverage.counter('ofproto_recv_openflow').total;
  // Its sockets do not keep a process alive.
  const timer = setInterval(() => {}, 1000);
  const logged: string[] = [];
  vlog.setConsole((line) => logged.push(line));
  await stage.talk();
  await stage.talk();
  clearInterval(timer);
  stage.close();
  // A connection tells of its flow mods when it is gone.
  await setImmediate();
  vlog.setConsole(undefined);
  assert.deepEqual(logged, []);
  assert.equal(coverage.counter('ofproto_recv_openflow').total, received);
});

test('a rehearsal counts nothing, and ends when it has had its processor time', async () => {
  const counted = coverage.show();
  closed = 0;
  assert.ok((await rehearse(open, { afterMs: 0, cpuMs: 20 })) > 0);
  assert.ok(closed > 0);
  assert.equal(coverage.show(), counted);
  assert.equal(await rehearse(open, { afterMs: 0, cpuMs: 0 }), 0);
});

test('what others count meanwhile stays counted', async () => {
  const counter = coverage.counter('conntrack_evicted');
  const before = counter.total;
  let added = 0;
  const timer = setInterval(() => {
    counter.add();
    added++;
  }, 1);
  await rehearse(open, { afterMs: 0, cpuMs: 200 });
  clearInterval(timer);
  assert.ok(added > 10, `${added} times`);
  assert.equal(counter.total - before, added);
});

test('memory is collected while nobody waits, when most of it is over', async () => {
  let collected = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { detail } = entry as unknown as { detail: { flags: number } };
      if (detail.flags & constants.NODE_PERFORMANCE_GC_FLAGS_ALL_EXTERNAL_MEMORY) collected++;
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  await rehearse(open, { afterMs: 0, cpuMs: 100 });
  await eventually('a collection', () => collected > 0);
  observer.disconnect();
});

test('there is none without a datapath to rehearse with', async () => {
  assert.equal(await rehearse(() => undefined, { afterMs: 0 }), 0);
});
