/** Counters and their rates as `coverage/show` prints them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from './clock.ts';
import { coverage } from './coverage.ts';

test('rates over 5 seconds, a minute and an hour, in upstream columns', () => {
  const clock = new FakeClock(1_000_000);
  const counter = coverage.counter('test_event');
  coverage.counter('never_hit');
  for (let i = 0; i < 24; i++) {
    counter.add(10);
    coverage.sample(clock);
    coverage.sample(clock);
    clock.advance(5000);
  }
  const text = coverage.show();
  assert.match(
    text,
    /^Event coverage, avg rate over last: 5 seconds, last minute, last hour, {2}hash=[0-9a-f]{8}:$/m,
  );
  assert.match(text, /^test_event {17}2\.0\/sec {5}2\.000\/sec {8}0\.0667\/sec {3}total: 240$/m);
  assert.match(text, /^1 events never hit\n$/m);
});
