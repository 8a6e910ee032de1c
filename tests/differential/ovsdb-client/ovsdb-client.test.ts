/**
 * Our ovsdb-client beside the distribution's: the same output, errors and exit status, on the
 * distribution's server and on ours. HEDDLE_SEED and HEDDLE_SEEDS choose the random databases.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { type Json, parseJson } from '@heddle/ovsdb';
import { eventually, run } from '@heddle/testing';
import { Random } from '@heddle/testing/random';
import type { Output } from '../capture.ts';
import { Pair, type Peer } from '../ovsdb/peer.ts';
import { randomSchema } from '../ovsdb/random-schema.ts';
import { TransactionMaker } from '../ovsdb/random-transaction.ts';
import { Lasting, ours, oursApart, output, THEIRS, theirs } from './clients.ts';

const SEEDS = Number(process.env['HEDDLE_SEEDS'] ?? 6);
const FIRST = Number(process.env['HEDDLE_SEED'] ?? 1);

const column = (type: Json, more: object = {}) => ({ type, ...more }) as Json;
const SCHEMA = {
  name: 'T',
  version: '1.2.3',
  cksum: '123 45',
  tables: {
    A: {
      isRoot: true,
      columns: {
        name: column('string'),
        n: column('integer'),
        r: column('real'),
        b: column('boolean'),
        o: column({ key: 'string', min: 0, max: 1 }),
        s: column({ key: 'integer', min: 0, max: 'unlimited' }),
        m: column({ key: 'string', value: 'string', min: 0, max: 'unlimited' }),
        u: column({
          key: { type: 'uuid', refTable: 'B', refType: 'weak' },
          min: 0,
          max: 'unlimited',
        }),
        e: column('string', { ephemeral: true }),
        en: column({ key: { type: 'string', enum: ['set', ['x', 'y']] }, min: 0 }),
      },
      indexes: [['name']],
    },
    B: {
      isRoot: true,
      columns: { v: column({ key: { type: 'integer', minInteger: 0, maxInteger: 9 } }) },
    },
  },
};

const FILL = [
  {
    op: 'insert',
    table: 'A',
    row: {
      name: 'a "b" ü',
      n: 9007199254740993n,
      r: 1.5,
      b: true,
      o: 'x',
      s: ['set', [3, 1]],
      m: ['map', [['k<', 'v, w']]],
      u: ['set', [['named-uuid', 'q']]],
      e: 'eph',
    },
  },
  { op: 'insert', table: 'A', row: { name: 'true', m: ['map', [['\n', '']]] } },
  { op: 'insert', table: 'B', row: { v: 5 }, 'uuid-name': 'q' },
];

const TABLE_STYLES = [
  ...['table', 'list', 'html', 'csv', 'json'].map((format) => ['-f', format]),
  ['--data=bare'],
  ['--data=json'],
  ['--bare'],
  ['--no-headings'],
  ['--max-column-width=5'],
  ['-f', 'json', '--pretty'],
  ['-f', 'csv', '-d', 'bare', '--no-headings'],
];

/** SERVER stands for the server. */
const LINES: readonly (readonly string[])[] = [
  [],
  ['frobnicate'],
  ['--frobnicate'],
  ['-Z'],
  ['-f', 'foo', 'list-dbs'],
  ['-d', 'foo', 'list-dbs'],
  ['-t', 'x', 'list-dbs'],
  ['--timeout=0', 'list-dbs'],
  ['list-dbs', 'SERVER'],
  ['list-dbs', 'SERVER', 'extra'],
  ['list-dbs', 'unix:/nowhere'],
  ['list-dbs', 'tcp:127.0.0.1:1'],
  ['-vreconnect:off', 'list-dbs', 'unix:/nowhere,unix:/nobody'],
  ['-vreconnect:off', 'list-dbs', 'unix:/nowhere,SERVER'],
  ['get-schema', 'SERVER', 'T'],
  ['get-schema', 'SERVER'],
  ['--pretty', 'get-schema', 'SERVER'],
  ['get-schema', 'SERVER', 'nope'],
  ['get-schema', 'SERVER', 'T', 'extra'],
  ['get-schema-version', 'SERVER', 'T'],
  ['get-schema-cksum', 'SERVER'],
  ['list-columns', 'SERVER', 'T', 'nope'],
  ['transact', 'SERVER', '["T",{"op":"select","table":"A","where":[["n",">",5]]}]'],
  [
    '--pretty',
    'transact',
    'SERVER',
    '["T",{"op":"select","table":"B","where":[],"columns":["v"]}]',
  ],
  ['transact', 'SERVER', '["T",{"op":"nonsense"}]'],
  ['transact', 'SERVER', '["nope"]'],
  ['transact', 'SERVER', '{}'],
  ['transact', 'SERVER', '[1]'],
  ['transact'],
  ['query', 'SERVER', '["T",{"op":"delete","table":"A","where":[]}]'],
  ['query', 'SERVER', '["T",{"op":"nonsense"}]'],
  ['query', 'SERVER', '["T"]'],
  ['query', 'SERVER', '[]'],
  ['dump', 'SERVER', 'T', 'A', 'n', 'name', 'b'],
  ['dump', 'SERVER', 'B', 'v'],
  ['dump', 'SERVER', 'nope'],
  ['dump', 'SERVER', 'T', 'A', 'nope'],
  ['needs-conversion', 'SERVER', 'SCHEMA'],
  ['needs-conversion', 'SERVER', 'OTHER'],
  ['needs-conversion', 'SERVER', '/nowhere'],
  ['convert', 'SERVER', '/nowhere'],
  ['convert', 'SERVER', 'BAD'],
  ['-vreconnect:off', 'wait', 'SERVER', 'T', 'added'],
  ['-vreconnect:off', 'wait', 'SERVER', 'T', 'connected'],
  ['-vreconnect:off', 'wait', 'SERVER', 'nope', 'removed'],
  ['wait', 'SERVER', 'T', 'nonsense'],
  ['wait', 'SERVER', 'T'],
  ['monitor', 'SERVER', 'T', 'nope'],
  ['monitor', 'SERVER', 'T'],
  ['monitor', 'SERVER', 'A', 'nope'],
  ['monitor', 'SERVER', 'A', 'name', 'name'],
  ['monitor', 'SERVER', 'A', '!nonsense'],
  ['monitor', 'SERVER', 'A', '!initial', '!insert,name'],
  ['monitor-cond', 'SERVER', '[["nope","==",1]]', 'A'],
  ['monitor-cond', 'SERVER', '[["n","~",1]]', 'A'],
  ['monitor-cond', 'SERVER', '[true]', 'nope'],
];

for (const server of ['theirs', 'ours'] as const) {
  suite(`on ${server === 'ours' ? 'our server' : "the distribution's server"}`, () => {
    let pair: Pair;
    let peer: Peer;
    let remote: string;

    before(async () => {
      pair = await Pair.start(SCHEMA);
      const [first, second] = pair.peers();
      peer = server === 'theirs' ? first : second;
      remote = `unix:${join(pair.dir, `${server}.sock`)}`;
      await peer.call('transact', ['T', ...FILL]);
      const other = {
        ...SCHEMA,
        tables: { ...SCHEMA.tables, B: { columns: { w: column('real') } } },
      };
      writeFileSync(join(pair.dir, 'OTHER'), JSON.stringify(other));
      const bad = { ...SCHEMA, tables: { B: { columns: { v: column('string') } } } };
      writeFileSync(join(pair.dir, 'BAD'), JSON.stringify(bad));
      writeFileSync(join(pair.dir, 'SCHEMA'), JSON.stringify(SCHEMA));
    });
    after(() => {
      peer.close();
      pair.stop();
    });

    const place = (args: readonly string[]) =>
      args.map((a) =>
        /^(SCHEMA|OTHER|BAD)$/.test(a) ? join(pair.dir, a) : a.replace('SERVER', remote),
      );

    for (const line of LINES) {
      test(`ovsdb-client ${line.join(' ')}`, async () => {
        const args = place(line);
        // A server in this process cannot answer a client that this process waits for.
        const expected = server === 'ours' ? await apart(args) : theirs(args);
        same(await ours(args), expected);
      });
    }

    for (const style of TABLE_STYLES) {
      test(`dump and list-columns ${style.join(' ')}`, async () => {
        const dump = place([...style, 'dump', 'SERVER']);
        same(await ours(dump), server === 'ours' ? await apart(dump) : theirs(dump));
        const columns = place([...style, 'list-columns', 'SERVER', 'T', 'B']);
        const [a, b] = [
          await ours(columns),
          server === 'ours' ? await apart(columns) : theirs(columns),
        ];
        if (style.includes('html') || style.includes('list') || style.includes('json')) return;
        same(sorted(a), sorted(b));
      });
    }
  });
}

/** Theirs, while this process goes on. */
async function apart(args: readonly string[]): Promise<Output> {
  const { code, stdout, stderr } = await run([THEIRS, ...args]);
  return output(code, stdout, stderr);
}

function same(mine: Output, expected: Output): void {
  assert.deepEqual(mine, expected);
}

function sorted(output: Output): Output {
  return { ...output, stdout: output.stdout.split('\n').sort().join('\n') };
}

for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
  test(`random database, seed ${seed}`, async () => {
    const r = new Random(seed);
    const schema = randomSchema(r);
    const pair = await Pair.start(schema.json);
    const [peer, other] = pair.peers();
    other.close();
    const server = `unix:${join(pair.dir, 'theirs.sock')}`;
    const maker = new TransactionMaker(r, schema, true);
    const change = async () => {
      for (let i = 0; i < 20 && !peer.closed; i++)
        await peer.call('transact', ['R', ...maker.transaction()]);
      // Upstream's server dies of some arithmetic on reals.
      return !peer.closed;
    };
    const watchers: Watcher[] = [];
    try {
      if (!(await change())) return;
      const [filled] = schema.tables.filter(({ name }) => {
        return theirs(['--bare', 'dump', server, name]).stdout.split('\n').length > 2;
      });
      if (filled) watchers.push(...monitorsOf(server, filled.name));
      await eventually('first rows', () =>
        watchers.every((w) => w.theirs.text !== '' && w.ours.text !== ''),
      );
      if (!(await change())) return;
      for (const style of TABLE_STYLES) {
        same(await ours([...style, 'dump', server]), theirs([...style, 'dump', server]));
      }
      same(await ours(['get-schema', server]), theirs(['get-schema', server]));
      const [mine, expected] = [await ours(['backup', server]), theirs(['backup', server])];
      assert.deepEqual(records(mine), records(expected));
      for (const watcher of watchers) {
        await eventually('equal updates', () => {
          assert.equal(tables(watcher.ours.text), tables(watcher.theirs.text));
          return true;
        });
      }
      writeFileSync(join(pair.dir, 'backup'), mine.stdout);
      restoreBoth(server, join(pair.dir, 'backup'));
    } finally {
      for (const watcher of watchers) for (const w of [watcher.ours, watcher.theirs]) w.kill();
      peer.close();
      pair.stop();
    }
  });
}

interface Watcher {
  readonly ours: Lasting;
  readonly theirs: Lasting;
}

function monitorsOf(server: string, table: string): Watcher[] {
  const lines = [
    ['-f', 'json', 'monitor', server, table],
    ['-f', 'json', 'monitor-cond', server, '[]', table],
  ];
  return lines.map((args) => ({
    ours: new Lasting('ours', args),
    theirs: new Lasting('theirs', args),
  }));
}

/** What monitors printed, rows of one table in an order of their own. */
function tables(text: string): string {
  const all = text.split('\n').filter((line) => line !== '');
  return all
    .map((line) => {
      const { headings, data } = JSON.parse(line) as { headings: string[]; data: unknown[][] };
      return JSON.stringify([headings, data.map((row) => JSON.stringify(row)).sort()]);
    })
    .join('\n');
}

/** The JSON of a database file without what is told by time alone. */
function records({ stdout }: Output): Json[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('OVSDB JSON '))
    .map((line) => {
      const json = parseJson(line) as Record<string, Json>;
      return { ...json, _date: 0 };
    });
}

/** Both restore the backup, and what is there then is the same but for the uuids. */
function restoreBoth(server: string, backup: string): void {
  const plain = () => {
    const { stdout } = theirs(['-f', 'csv', 'dump', server]);
    return stdout
      .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UUID')
      .split('\n')
      .sort();
  };
  const a = theirs(['restore', server], backup);
  const expected = plain();
  const b = oursApart(['restore', server], backup);
  // Theirs keeps silent about a transaction that fails at its very end.
  if (b.status === 0 || a.status !== 0)
    assert.deepEqual([b.status, b.stdout], [a.status, a.stdout]);
  else assert.match(b.stderr, /^ovsdb-client: server returned error reply: /);
  assert.deepEqual(plain(), expected);
}
