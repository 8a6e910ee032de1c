/** Sets and maps with elements added and removed, small and large. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Atom,
  applyDiff,
  type ColumnType,
  type Datum,
  datumEquals,
  datumSize,
  diffDatum,
  findKey,
  forEachDifference,
  insertElements,
  makeDatum,
  removeElements,
} from './index.ts';

const SET: ColumnType = { key: { type: 'integer' }, min: 0, max: Infinity };
const MAP: ColumnType = { ...SET, value: { type: 'string' } };

type Elements = ReadonlyMap<Atom, Atom>;

/** Small ones, where everything collides, and large ones, which are handled otherwise. */
const elements: fc.Arbitrary<Elements> = fc
  .oneof(
    fc.array(fc.tuple(fc.nat(12), fc.constantFrom('a', 'b')), { maxLength: 12 }),
    fc.array(fc.tuple(fc.nat(3000), fc.constantFrom('a', 'b')), { minLength: 400, maxLength: 900 }),
  )
  .map((pairs) => new Map<Atom, Atom>(pairs));

const map = (e: Elements): Datum => makeDatum([...e.keys()], [...e.values()]);
const set = (e: Elements): Datum => makeDatum([...e.keys()]);
const ascending = (atoms: Iterable<Atom>) => [...atoms].sort((a, b) => Number(a) - Number(b));
const content = ({ keys, values }: Datum) => keys.map((k, i) => [k, values?.[i]]);

test('elements are added, but for those that are there', () => {
  fc.assert(
    fc.property(elements, elements, (a, b) => {
      assert.deepEqual(
        content(insertElements(map(a), map(b))),
        content(map(new Map([...b, ...a]))),
      );
      assert.deepEqual(
        content(insertElements(set(a), set(b))),
        content(set(new Map([...b, ...a]))),
      );
    }),
  );
});

test('elements are removed: by key, or with their values', () => {
  const left = (a: Elements, gone: (key: Atom, value: Atom) => boolean) =>
    new Map([...a].filter(([k, v]) => !gone(k, v)));
  fc.assert(
    fc.property(elements, elements, (a, b) => {
      const byKey = left(a, (k) => b.has(k));
      const whole = left(a, (k, v) => b.get(k) === v);
      assert.deepEqual(content(removeElements(map(a), set(b), true)), content(map(byKey)));
      assert.deepEqual(content(removeElements(map(a), map(b), false)), content(map(whole)));
      assert.deepEqual(content(removeElements(set(a), set(b), false)), content(set(byKey)));
    }),
  );
});

test('a difference makes one of the other, after edits and from scratch', () => {
  fc.assert(
    fc.property(elements, elements, (a, b) => {
      for (const [type, make] of [
        [SET, set],
        [MAP, map],
      ] as const) {
        const [from, other] = [make(a), make(b)];
        for (const to of [other, insertElements(from, other), removeElements(from, other, false)]) {
          const diff = diffDatum(type, from, to);
          assert.deepEqual(content(applyDiff(type, from, diff)), content(to));
          assert.deepEqual(content(applyDiff(type, to, diffDatum(type, to, from))), content(from));
        }
      }
    }),
  );
});

test('a large set stays one through any edits, down to nothing and up again', () => {
  const numbers = fc.array(fc.nat(5000), { maxLength: 700 });
  const steps = fc.array(fc.tuple(fc.boolean(), numbers), { minLength: 5, maxLength: 15 });
  fc.assert(
    fc.property(steps, fc.nat(300), (edits, few) => {
      const model = new Set<Atom>();
      let datum = makeDatum([]);
      const range = Array.from({ length: few * 10 }, (_, i) => i);
      for (const [isGone, given] of [[false, range], ...edits, [true, range]] as const) {
        const change = makeDatum([...new Set(given)]);
        const before = datum;
        datum = isGone ? removeElements(datum, change, false) : insertElements(datum, change);
        for (const n of given) isGone ? model.delete(n) : model.add(n);
        const keys = ascending(model);
        assert.deepEqual(datum.keys, keys);
        assert.equal(datumSize(datum), keys.length);
        assert.ok(datumEquals(datum, makeDatum(keys)));
        assert.ok(datumEquals(applyDiff(SET, before, diffDatum(SET, before, datum)), datum));
        assert.equal(datumEquals(before, datum), diffDatum(SET, before, datum).keys.length === 0);
        for (const n of given.slice(0, 9)) assert.equal(findKey(datum, n), keys.indexOf(n));
      }
    }),
    { numRuns: 20 },
  );
});

test('a large set takes atoms one at a time, wherever they belong', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(4000), { minLength: 600, maxLength: 900 }), (numbers) => {
      let datum = makeDatum(Array.from({ length: 300 }, (_, i) => i * 10));
      const model = new Set<Atom>(datum.keys);
      for (const [i, n] of numbers.entries()) {
        const before = datum;
        datum = insertElements(datum, makeDatum([n]));
        assert.equal(datum === before, model.has(n));
        const { size } = model.add(n);
        assert.equal(datumSize(datum), size);
        assert.equal(diffDatum(SET, before, datum).keys.length, datum === before ? 0 : 1);
        if (i % 100 !== 0) continue;
        assert.deepEqual(datum.keys, ascending(model));
      }
      assert.deepEqual(datum.keys, ascending(model));
    }),
    { numRuns: 20 },
  );
});

test('the keys that only one of two sets has', () => {
  fc.assert(
    fc.property(elements, elements, (a, b) => {
      const [removed, added]: [Atom[], Atom[]] = [[], []];
      forEachDifference(
        set(a),
        set(b),
        (k) => removed.push(k),
        (k) => added.push(k),
      );
      assert.deepEqual(
        removed,
        set(a).keys.filter((k) => !b.has(k)),
      );
      assert.deepEqual(
        added,
        set(b).keys.filter((k) => !a.has(k)),
      );
    }),
  );
});
