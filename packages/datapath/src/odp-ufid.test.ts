/** Ids of flows and the table by id, beside a `Map`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Ufid, UfidTable } from './odp-ufid.ts';

const word = fc.constantFrom(0, 1, -1, 0x7fff_ffff, -0x8000_0000);
/** Few, so that steps meet. */
const ufid = fc.tuple(word, word, word, word).map((words) => new Ufid(...words));

test('an id is what its text is', () => {
  const text = '0123456789abcdef0123456789abcdef';
  assert.equal(Ufid.fromString(text).toString(), text);
  fc.assert(fc.property(ufid, (id) => assert.ok(Ufid.fromString(id.toString()).equals(id))));
});

test('a table by id does what a map by text does', () => {
  const step = fc.record({ ufid, remove: fc.boolean(), tag: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { size: 'large', maxLength: 400 }), (steps) => {
      const table = new UfidTable<{ readonly ufid: Ufid; readonly tag: number }>();
      const model = new Map<string, number>();
      for (const { ufid, remove, tag } of steps) {
        const text = ufid.toString();
        if (remove) assert.equal(table.delete(ufid), model.delete(text));
        else table.set({ ufid, tag });
        if (!remove) model.set(text, tag);
        assert.equal(table.get(ufid)?.tag, model.get(text));
      }
      assert.equal(table.size, model.size);
      for (const [text, tag] of model) assert.equal(table.get(Ufid.fromString(text))?.tag, tag);
      const listed = [...table.values()].map((item) => [item.ufid.toString(), item.tag]);
      assert.deepEqual(new Map(listed as [string, number][]), model);
      assert.equal(listed.length, model.size);
    }),
  );
});

test('items are found while a table grows to thousands, shrinks, and grows again', () => {
  const table = new UfidTable<{ readonly ufid: Ufid; readonly n: number }>();
  const items = Array.from({ length: 20_000 }, (_, n) => {
    return { ufid: new Ufid(n, n % 7, n >> 3, 5), n };
  });
  for (const keep of [1, 2]) {
    for (const item of items) table.set(item);
    assert.equal(table.size, items.length);
    assert.ok(items.every((item) => table.get(item.ufid) === item));
    // Some go while others are looked at.
    for (const item of table.values()) if (item.n % 100 >= keep) table.delete(item.ufid);
    assert.equal(table.size, (keep * items.length) / 100);
    assert.ok(items.every(({ ufid, n }) => (table.get(ufid) !== undefined) === n % 100 < keep));
  }
  for (const { ufid } of items) table.delete(ufid);
  assert.equal(table.size, 0);
  assert.deepEqual([...table.values()], []);
});
