/** Token buckets: what passes them in which time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bucketsOf, policingBuckets } from '../meter.ts';
import { TokenBuckets } from './meters.ts';

const passed = (buckets: TokenBuckets, n: number, bytes: number, ms: number): number => {
  let count = 0;
  for (let i = 0; i < n; i++) if (buckets.admits(bytes, ms)) count++;
  return count;
};

test('a bucket gives its burst at once and its rate in time', () => {
  const config = { unit: 'packets', bands: [{ rate: 20, burst: 5 }] } as const;
  const buckets = new TokenBuckets(bucketsOf(config), 1000);
  assert.equal(passed(buckets, 9, 100, 1000), 5);
  assert.equal(passed(buckets, 9, 100, 1049), 0);
  assert.equal(passed(buckets, 9, 100, 1050), 1);
  // Never more than the burst, however long it was idle; a clock that goes back gives nothing.
  assert.equal(passed(buckets, 9, 100, 99_000), 5);
  assert.equal(passed(buckets, 9, 100, 5), 0);
});

test('the band of the highest rate that is exceeded counts the drop', () => {
  const bands = [
    { rate: 8, burst: 8 },
    { rate: 16, burst: 8 },
    { rate: 99, burst: 80 },
  ];
  const buckets = new TokenBuckets(bucketsOf({ unit: 'kilobits', bands }), 0);
  assert.equal(passed(buckets, 3, 1000, 0), 1);
  const counts = buckets.stats.bands.map((band) => band.packets);
  assert.deepEqual(counts, [0, 2, 0]);
});

test('policing by bytes and by packets takes effect together', () => {
  const policing = { bits: { rate: 8, burst: 80 }, kpkts: { rate: 1, burst: 1 } };
  const small = new TokenBuckets(policingBuckets(policing)!, 0);
  assert.equal(passed(small, 2000, 1, 0), 1000);
  const large = new TokenBuckets(policingBuckets(policing)!, 0);
  assert.equal(passed(large, 2000, 1000, 0), 10);
  const none = { rate: 0, burst: 1 };
  assert.equal(policingBuckets({ bits: none, kpkts: none }), undefined);
});

test('a super-packet that no bucket could pay for is paid for later', () => {
  const none = { rate: 0, burst: 1 };
  const policing = { bits: { rate: 8, burst: 80 }, kpkts: none };
  const buckets = new TokenBuckets(policingBuckets(policing)!, 0);
  assert.equal(buckets.admits(30_000, 0, true), true);
  assert.equal(buckets.admits(30_000, 0, true), false);
  // 20,000 bytes are owed: 20 seconds' worth, and 10 more until the bucket is full.
  assert.equal(buckets.admits(1000, 20_999), false);
  assert.equal(buckets.admits(1000, 21_000), true);
  assert.equal(buckets.admits(30_000, 30_999, true), false);
  assert.equal(buckets.admits(30_000, 31_000, true), true);
  // One packet of that length is just too long.
  assert.equal(buckets.admits(30_000, 90_000), false);
});
