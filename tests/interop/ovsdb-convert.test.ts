/** Conversion while clients of all kinds look on: the same happens to them on both servers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Json, type JsonObject, printJson } from '@heddle/ovsdb';
import { Random } from '@heddle/testing/random';
import { canonical, hasOracle, Pair, type Peer } from '../differential/ovsdb/peer.ts';
import { randomSchema } from '../differential/ovsdb/random-schema.ts';
import { TransactionMaker } from '../differential/ovsdb/random-transaction.ts';

const SEEDS = Number(process.env['HEDDLE_COUNT'] ?? 6);
const FIRST = Number(process.env['HEDDLE_SEED'] ?? 1);
const options = { skip: hasOracle() ? false : 'no ovsdb-server of the distribution' };

const SCHEMA: Json = {
  name: 'D',
  version: '1.0.0',
  tables: {
    T: { isRoot: true, columns: { n: { type: 'integer' }, s: { type: 'string' } } },
  },
};
const NEXT: Json = {
  name: 'D',
  version: '2.0.0',
  tables: {
    T: { isRoot: true, columns: { n: { type: 'integer' }, b: { type: 'boolean' } } },
    U: { isRoot: true, columns: { x: { type: 'real' } } },
  },
};

/** Both servers' clients do the same; the results are theirs and ours. */
class Both {
  readonly theirs: Peer;
  readonly ours: Peer;

  constructor(pair: Pair) {
    [this.theirs, this.ours] = pair.peers();
  }

  async same(method: string, params: Json): Promise<Json> {
    const [a, b] = await Promise.all([
      this.theirs.call(method, params),
      this.ours.call(method, params),
    ]);
    assert.equal(hide(b as JsonObject), hide(a as JsonObject), `${method} ${printJson(params)}`);
    return a.result;
  }

  /** The same notifications have come, sooner or later, and the same connections are open. */
  async sameFate(what: string): Promise<void> {
    const [theirs, ours]: [string[], string[]] = [[], []];
    for (let i = 0; i < 60; i++) {
      theirs.push(...(await this.theirs.notifications()).map(hide));
      ours.push(...(await this.ours.notifications()).map(hide));
      const even = this.ours.closed === this.theirs.closed && ours.length === theirs.length;
      if (even && i > 1) break;
      await new Promise((done) => setTimeout(done, 50));
    }
    assert.deepEqual(ours.sort(), theirs.sort(), what);
    assert.equal(this.ours.closed, this.theirs.closed, `${what}: closed`);
  }

  close(): void {
    this.theirs.close();
    this.ours.close();
  }
}

/** Without what is each server's own: uuids, and the order of a schema's members. */
function hide(json: Json): string {
  const text = canonical(json).replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UUID');
  return text.replace(/"schema":"((?:[^"\\]|\\.)*)"/g, (_all, inner: string) => {
    const schema = JSON.parse(JSON.parse(`"${inner}"`) as string) as JsonObject;
    return `"schema":${canonical({ ...schema, cksum: '' })}`;
  });
}

test('monitors, locks and waiting transactions at a conversion', options, async () => {
  const pair = await Pair.start(SCHEMA);
  const clients = Object.fromEntries(
    ['v1', 'v2', 'v3', 'aware1', 'aware2', 'aware3', 'waits', 'awareWaits', 'meta', 'idle'].map(
      (name) => [name, new Both(pair)],
    ),
  ) as Record<string, Both>;
  const { v1, v2, v3, aware1, aware2, aware3, waits, awareWaits, meta, idle } = clients;
  const who = new Both(pair);
  try {
    await who.same('transact', ['D', { op: 'insert', table: 'T', row: { n: 1, s: 'x' } }]);
    for (const c of [aware1, aware2, aware3, awareWaits, meta]) {
      await c!.same('set_db_change_aware', [true]);
    }
    for (const c of [v1, aware1]) await c!.same('monitor', ['D', 'm', { T: {} }]);
    for (const c of [v2, aware2]) await c!.same('monitor_cond', ['D', ['m', 2], { T: {} }]);
    for (const c of [v3, aware3]) {
      const zero = '00000000-0000-0000-0000-000000000000';
      await c!.same('monitor_cond_since', ['D', null, { T: [{ where: [['n', '>', 0]] }] }, zero]);
    }
    await meta!.same('monitor_cond', [
      '_Server',
      'server',
      { Database: [{ where: [['name', '==', 'D']] }] },
    ]);
    await idle!.same('lock', ['l']);
    await aware1!.same('lock', ['k']);
    const wait = {
      op: 'wait',
      table: 'T',
      where: [],
      columns: ['n'],
      until: '==',
      rows: [{ n: 99 }],
      timeout: 5000,
    };
    const waiting = [waits!, awareWaits!].map((c) => c.same('transact', ['D', wait]));
    await who.same('convert', ['D', NEXT]);
    await Promise.all(waiting);
    // Upstream's _Server database keeps the old schema.
    const told = await meta!.ours.notifications();
    assert.match(canonical(told), /"modify":\{"schema":".*2\.0\.0/);
    for (const [name, c] of Object.entries(clients)) if (c !== meta) await c.sameFate(name);
    await who.sameFate('who converts');
    const after = new Both(pair);
    await after.same('get_schema', ['D']);
    await after.same('transact', [
      'D',
      { op: 'select', table: 'T', where: [], columns: ['n', 'b'] },
      { op: 'insert', table: 'U', row: { x: 1.5 } },
    ]);
    await aware1!.same('transact', ['D', { op: 'assert', lock: 'k' }]);
    await aware1!.same('monitor_cancel', ['m']);
    await aware1!.same('monitor', ['D', 'm', { U: {} }]);
    after.close();
  } finally {
    for (const c of [who, ...Object.values(clients)]) c.close();
    pair.stop();
  }
});

test('conversions that cannot be are refused alike', options, async () => {
  const pair = await Pair.start(SCHEMA);
  const c = new Both(pair);
  const table = (columns: Json, more: JsonObject = {}): Json => ({
    name: 'D',
    version: '3.0.0',
    tables: { T: { isRoot: true, columns, ...more } },
  });
  try {
    await c.same('set_db_change_aware', [true]);
    await c.same('transact', [
      'D',
      { op: 'insert', table: 'T', row: { n: 1, s: 'x' } },
      { op: 'insert', table: 'T', row: { n: 1, s: 'x' } },
    ]);
    const bad: Json[] = [
      5,
      {},
      { name: 'E', tables: {} },
      table({ n: { type: 'string' } }),
      table({ n: { type: { key: { type: 'integer', maxInteger: 0 } } } }),
      table({ n: { type: { key: { type: 'integer', enum: ['set', [2, 3]] } } } }),
      table({ n: { type: 'integer' } }, { indexes: [['n']] }),
      table({ n: { type: 'integer' } }, { maxRows: 1 }),
      table({ s: { type: { key: { type: 'uuid', refTable: 'T' } } } }),
      table({ s: { type: { key: { type: 'string', minLength: 2 } } } }),
      table({ u: { type: { key: { type: 'uuid', refTable: 'T' } } } }),
    ];
    for (const schema of bad) await c.same('convert', ['D', schema]);
    for (const params of [[], ['D'], ['X', NEXT], ['D', NEXT, 1], [5, NEXT]] as Json[]) {
      await c.same('convert', params);
    }
    const good = [
      table({ n: { type: 'integer' }, s: { type: { key: 'string', min: 0, max: 5 } } }),
      table({ n: { type: { key: 'integer', value: 'string', min: 0, max: 2 } } }),
      table({ n: { type: 'integer', ephemeral: true } }),
      table({ n: { type: 'integer' } }, { isRoot: false }),
    ];
    for (const schema of good) {
      await c.same('convert', ['D', schema]);
      const select = { op: 'select', table: 'T', where: [] };
      await c.same('transact', ['D', select]);
    }
  } finally {
    c.close();
    pair.stop();
  }
});

test(`${SEEDS} random databases are converted alike`, options, async () => {
  for (let i = 0; i < SEEDS; i++) {
    const r = new Random(FIRST + i);
    const schema = randomSchema(r);
    const pair = await Pair.start(schema.json);
    const c = new Both(pair);
    try {
      await c.same('set_db_change_aware', [true]);
      const maker = new TransactionMaker(r, schema, true);
      for (let t = 0; t < 30; t++) {
        const ops = maker.transaction();
        await Promise.all([
          c.theirs.call('transact', ['R', ...ops]),
          c.ours.call('transact', ['R', ...ops]),
        ]);
      }
      const next = changed(r, schema.json as JsonObject);
      const [a, b] = await Promise.all([
        c.theirs.call('convert', ['R', next]),
        c.ours.call('convert', ['R', next]),
      ]);
      if (c.theirs.closed) continue;
      const where = `seed ${FIRST + i}: ${printJson(next)}`;
      assert.equal(
        b.error === null,
        a.error === null,
        `${where}: ${printJson([a.error, b.error])}`,
      );
      const tables = Object.keys(next['tables'] as JsonObject);
      const selects = tables.map((table) => ({ op: 'select', table, where: [] }));
      const [theirs, ours] = await Promise.all([
        c.theirs.call('transact', ['R', ...selects]),
        c.ours.call('transact', ['R', ...selects]),
      ]);
      assert.equal(canonical(ours.result), canonical(theirs.result), where);
    } finally {
      c.close();
      pair.stop();
    }
  }
});

/** The schema with columns that have come, gone or changed their type. */
function changed(r: Random, json: JsonObject): JsonObject {
  const other = randomSchema(r).json as JsonObject;
  const tables = structuredClone(json['tables']) as Record<string, JsonObject>;
  const others = other['tables'] as Record<string, JsonObject>;
  for (const [name, table] of Object.entries(tables)) {
    const columns = table['columns'] as Record<string, Json>;
    for (const column of Object.keys(columns)) {
      const replacement = (others[name]!['columns'] as Record<string, Json>)[column];
      const fate = r.below(5);
      if (fate === 0) delete columns[column];
      else if (fate === 1 && replacement !== undefined) columns[column] = replacement;
    }
    columns['fresh'] = { type: r.pick(['integer', 'string', 'boolean']) };
    const { indexes: _gone, ...rest } = table;
    tables[name] = r.chance(0.5) ? rest : { ...rest, isRoot: r.chance(0.5) };
  }
  return { ...json, version: '2.0.0', tables };
}

test('what is not set has no place in a column that needs a value', options, async () => {
  const schema = (version: string, type: Json): Json => ({
    name: 'D',
    version,
    tables: { T: { isRoot: true, columns: { c: { type } } } },
  });
  const several: Json = { key: 'string', min: 0, max: 4 };
  const pairs: Json = { ...several, value: 'string' };
  for (const old of [{ key: 'integer', min: 0, max: 1 }, several, pairs]) {
    const pair = await Pair.start(schema('1.0.0', old));
    const c = new Both(pair);
    try {
      await c.same('set_db_change_aware', [true]);
      await c.same('transact', ['D', { op: 'insert', table: 'T', row: {} }]);
      for (const next of ['integer', 'string', { ...several, min: 1 }, { ...pairs, min: 1 }]) {
        await c.same('convert', ['D', schema('2.0.0', next)]);
      }
    } finally {
      c.close();
      pair.stop();
    }
  }
});
