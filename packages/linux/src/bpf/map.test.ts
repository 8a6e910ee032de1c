/** BPF maps: elements one by one, in batches and listed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BpfMap, createMap } from './map.ts';

const BPF_MAP_TYPE_HASH = 1;

function hashMap(valueSize: number, maxEntries: number): BpfMap {
  return createMap({ type: BPF_MAP_TYPE_HASH, keySize: 4, valueSize, maxEntries, flags: 0 });
}

test('elements are written one by one, and those read are copies to keep or to write back', () => {
  using map = hashMap(8, 4);
  map.update(1, Buffer.from('one     '));
  map.update(2, map.lookup(1)!);
  assert.equal(map.lookup(2)?.toString(), 'one     ');
  assert.deepEqual([...map.keys()].map((k) => k.readUInt32LE()).sort(), [1, 2]);
  assert.ok(map.delete(1));
  assert.ok(!map.delete(1));
  assert.equal(map.lookup(1), undefined);
  assert.throws(() => map.update(1, Buffer.alloc(7)), RangeError);
});

test('all elements are listed, however many there are', () => {
  for (const count of [0, 1, 7, 2000]) {
    using map = hashMap(8, 4096);
    for (let n = 0; n < count; n++) map.update(n, Buffer.alloc(8, n & 0xff));
    const seen = new Map<number, number>();
    for (const { key, value } of map.entries()) seen.set(key.readUInt32LE(), value[7]!);
    assert.equal(seen.size, count);
    for (const [key, value] of seen) assert.equal(value, key & 0xff);
  }
});

test('a batch is written in order, from where it is told to, until an element does not fit', () => {
  using map = hashMap(8, 3);
  const batch = map.batch(8);
  for (let n = 0; n < 8; n++) {
    batch.keys[n] = n % 4;
    batch.values[2 * n] = 100 + n;
  }
  assert.deepEqual(batch.update(0, 3), { done: 3, code: undefined });
  assert.deepEqual(batch.update(1, 5), { done: 2, code: 'E2BIG' });
  assert.deepEqual(batch.update(4, 7), { done: 3, code: undefined });
  assert.deepEqual(
    [0, 1, 2].map((n) => map.lookup(n)?.readUInt32LE()),
    [104, 105, 106],
  );
});

test('elements are listed some at a time, and may be deleted meanwhile', () => {
  using map = hashMap(8, 4096);
  for (let n = 0; n < 2000; n++) map.update(n, Buffer.alloc(8, n & 0xff));
  const scan = map.scan();
  const seen = new Set<number>();
  for (let n = scan.next(); n > 0; n = scan.next()) {
    for (let i = 0; i < n; i++) {
      seen.add(scan.keys.readUInt32LE(4 * i));
      assert.ok(map.delete(scan.keys.subarray(4 * i, 4 * i + 4)));
    }
  }
  assert.equal(seen.size, 2000);
  assert.equal(scan.next(), 0);
  assert.equal([...map.keys()].length, 0);
});
