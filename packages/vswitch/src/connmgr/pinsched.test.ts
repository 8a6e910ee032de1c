/** The rate at which packet-ins go to controllers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PacketInScheduler } from './pinsched.ts';

/** Time that goes when it is told to. */
function manualClock() {
  let now = 0;
  const timers: { at: number; run: () => void }[] = [];
  return {
    nowMs: () => now,
    wallMs: () => now,
    after(ms: number, run: () => void) {
      const timer = { at: now + ms, run };
      timers.push(timer);
      const cancel = (): void => void timers.splice(timers.indexOf(timer), 1);
      return { cancel, [Symbol.dispose]: cancel };
    },
    advance(ms: number): void {
      const end = now + ms;
      for (;;) {
        timers.sort((a, b) => a.at - b.at);
        const next = timers[0];
        if (!next || next.at > end) break;
        timers.shift();
        now = next.at;
        next.run();
      }
      now = end;
    },
  };
}

test('a burst passes, what is beyond waits for its turn and the rest is lost', () => {
  const clock = manualClock();
  const sched = new PacketInScheduler(clock, 100, 25);
  const got: number[] = [];
  for (let i = 0; i < 1000; i++) sched.send(1, () => got.push(1));
  for (let i = 0; i < 5; i++) sched.send(2, () => got.push(2));
  assert.equal(got.length, 25);
  assert.equal(sched.backlog, 25);
  const { bypassed, queued, dropped } = sched.stats;
  assert.deepEqual([bypassed, queued, dropped], [25, 980, 955]);
  clock.advance(100);
  // A port of few packets does not wait for one of many.
  assert.deepEqual(got.slice(25, 35).filter((p) => p === 2).length, 5);
  clock.advance(10_000);
  assert.equal(got.length, 50);
  assert.equal(sched.backlog, 0);
  sched.send(1, () => got.push(1));
  assert.equal(got.length, 51);
});

test('the rate holds over a long time', () => {
  const clock = manualClock();
  const sched = new PacketInScheduler(clock, 1000, undefined);
  let got = 0;
  for (let ms = 0; ms < 5000; ms++) {
    for (let i = 0; i < 3; i++) sched.send(i, () => got++);
    clock.advance(1);
  }
  assert.ok(got > 4900 && got <= 5000 + 250 + 2, String(got));
  assert.ok(sched.backlog <= 250);
  sched.stop();
  clock.advance(1000);
  assert.equal(sched.backlog, 0);
});
