/** The table of things by a 64-bit hash, beside a `Map`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HashIndex } from './hash-index.ts';

test('a hash index does what a map by text does', () => {
  const half = fc.constantFrom(0, 1, 7, 0x8000_0000, 0xffff_ffff);
  const step = fc.record({ hi: half, lo: half, remove: fc.boolean(), tag: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const index = new HashIndex<{ hi: number; lo: number; tag: number }>();
      const model = new Map<string, number>();
      for (const { hi, lo, remove, tag } of steps) {
        if (remove) index.delete(hi, lo);
        else index.set({ hi, lo, tag });
        if (remove) model.delete(`${hi},${lo}`);
        else model.set(`${hi},${lo}`, tag);
        for (const x of [hi, lo])
          for (const y of [hi, lo]) assert.equal(index.get(x, y)?.tag, model.get(`${x},${y}`));
      }
    }),
  );
});
