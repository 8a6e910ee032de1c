/** Spoilt schemas: both servers take the same, and refuse the others in the same words. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Json, type JsonObject, printJson } from '@heddle/ovsdb';
import { Random } from '@heddle/testing/random';
import { canonical, hasOracle, Pair } from '../differential/ovsdb/peer.ts';
import { randomSchema } from '../differential/ovsdb/random-schema.ts';

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 300);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);

const JUNK: readonly Json[] = [
  ...[null, true, false, 0, -1, 1, 2, 5, 1.5, 4294967295, 4294967296, 1e20, '', 'x', 'a b', '_x'],
  ...['integer', 'real', 'boolean', 'string', 'uuid', 'unlimited', 'weak', 'strong', 'A', 'c0'],
  ...['1.0.0', '1.0', '01.2.3', '1.2.3-4', 'D'],
  ...[[], {}, ['set', []], ['set', [1]], ['set', [1, 1]], ['set', ['x', 'y']], ['map', []]],
  ...[['uuid', 'x'], { key: 'integer' }, { key: 'string', min: 0 }, { key: 'x' }, { type: 'uuid' }],
  ...[{ key: { type: 'uuid', refTable: 'A' } }, { key: 'integer', value: 'string' }],
  ...[
    { type: 'integer', minInteger: 5, maxInteger: 1 },
    { type: 'string', minReal: 1 },
  ],
  ...[
    { type: 'string', enum: ['set', []] },
    { type: 'real', minReal: 2, maxReal: 1 },
  ],
];
const NAMES = [
  ...['name', 'version', 'tables', 'cksum', 'columns', 'indexes', 'isRoot', 'maxRows', 'type'],
  ...['mutable', 'ephemeral', 'key', 'value', 'min', 'max', 'enum', 'refTable', 'refType'],
  ...['minInteger', 'maxInteger', 'minReal', 'maxReal', 'minLength', 'maxLength', '_x', 'x y', 'A'],
];

type Mutable = Record<string, Json> | Json[];

/** Replaces, removes or adds something somewhere. */
function spoil(r: Random, json: Json): Json {
  const copy = structuredClone(json) as JsonObject;
  const places: [Mutable, string | number][] = [];
  const visit = (node: Json) => {
    if (node === null || typeof node !== 'object') return;
    for (const key of Object.keys(node)) {
      places.push([node as Mutable, key]);
      visit((node as Record<string, Json>)[key]!);
    }
  };
  visit(copy);
  const [parent, key] = r.pick(places);
  const node = parent as Record<string, Json>;
  const kind = r.below(10);
  if (kind < 5) node[key] = structuredClone(r.pick(JUNK));
  else if (kind < 7 && !Array.isArray(parent)) delete node[key];
  else if (!Array.isArray(parent)) node[r.pick(NAMES)] = structuredClone(r.pick(JUNK));
  return copy;
}

/** Of several strangers or references to one, upstream's hash order decides which one it names. */
function plain(error: Json): string {
  return canonical(error)
    .replace(/(column|table) \w+ failed: Object expected/, '$1 X failed: Object expected')
    .replace(/Member '[^']*' and/, "Member 'X' and")
    .replace(/column \w+ (key|value) refers to/, 'column X refers to');
}

test(`${COUNT} spoilt schemas are taken or refused alike`, {
  skip: hasOracle() ? false : 'no ovsdb-server of the distribution',
}, async () => {
  const r = new Random(SEED);
  const base = (schema: Json) => ({ ...(schema as JsonObject), name: 'D' });
  const pair = await Pair.start(base({ name: 'D', version: '1.0.0', tables: {} }));
  const [theirs, ours] = pair.peers();
  try {
    for (const peer of [theirs, ours]) await peer.call('set_db_change_aware', [true]);
    for (let i = 0; i < COUNT; i++) {
      let schema: Json = base(randomSchema(r).json);
      const wrongs = 1 + r.below(2);
      for (let n = 0; n < wrongs; n++) schema = spoil(r, schema);
      const [a, b] = await Promise.all([
        theirs.call('convert', ['D', schema]),
        ours.call('convert', ['D', schema]),
      ]);
      const where = `seed ${SEED}, schema ${i}: ${printJson(schema)}`;
      assert.ok(!theirs.closed, where);
      assert.equal(
        b.error === null,
        a.error === null,
        `${where}\n${printJson([a.error, b.error])}`,
      );
      // Of two wrongs, upstream's hash order decides which one it tells of.
      if (a.error !== null && wrongs === 1) assert.equal(plain(b.error), plain(a.error), where);
    }
  } finally {
    theirs.close();
    ours.close();
    pair.stop();
  }
});
