/** The same commands through the distribution's ovsdb-tool and ours: equal output and status. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { printJson } from '@heddle/ovsdb';
import { main } from '../../../packages/cli/src/ovsdb-tool/main.ts';
import { capture } from '../capture.ts';
import { hasOracle } from './peer.ts';

type Side = 'theirs' | 'ours';
const SIDES: readonly Side[] = ['theirs', 'ours'];
const dir = mkdtempSync(join(tmpdir(), 'heddle-tool-'));
after(() => rmSync(dir, { recursive: true, force: true }));

const SCHEMA = {
  name: 'M',
  version: '1.2.3',
  cksum: '1 2',
  tables: {
    A: {
      isRoot: true,
      columns: {
        name: { type: 'string' },
        n: { type: { key: 'integer', min: 0, max: 'unlimited' } },
        r: { type: 'real' },
        m: { type: { key: 'string', value: 'integer', min: 0, max: 4 } },
      },
      indexes: [['name']],
    },
  },
};
/** Its columns need other values, for what is not set, too. */
const OTHER_TYPES = {
  ...SCHEMA,
  version: '2.0.0',
  tables: {
    A: {
      isRoot: true,
      columns: {
        name: { type: 'boolean' },
        n: { type: 'integer' },
        r: { type: { key: 'string', value: 'string', min: 1, max: 2 } },
        m: { type: { key: 'real', min: 1, max: 4 } },
      },
    },
  },
};
const UUID = '11111111-2222-3333-4444-555555555555';
const INSERT = { op: 'insert', table: 'A', uuid: UUID, row: { name: 'x y', n: ['set', [3, 1]] } };
const CHANGE = {
  op: 'update',
  table: 'A',
  where: [],
  row: { n: ['set', [1, 2]], r: 1e20, m: ['map', [['a b', 1]]] },
};

const COMMANDS: readonly (readonly string[])[] = [
  ['create', 'db', 'schema'],
  ['create', 'db', 'schema'],
  ['create', 'other', 'missing'],
  ['create', 'other', 'bad'],
  ['db-name', 'db'],
  ['db-version', 'db'],
  ['db-cksum', 'db'],
  ['db-cid', 'db'],
  ['db-is-clustered', 'db'],
  ['db-is-standalone', 'db'],
  ['schema-name', 'schema'],
  ['schema-version', 'schema'],
  ['schema-cksum', 'schema'],
  ['transact', 'db', printJson(['M', INSERT, { op: 'comment', comment: 'first' }])],
  ['transact', 'db', printJson(['M', CHANGE])],
  ['transact', 'db', printJson(['M', { op: 'abort' }])],
  ['transact', 'db', printJson(['M', { op: 'foo' }])],
  ['transact', 'db', printJson(['N'])],
  ['transact', 'db', '{}'],
  ['transact', 'db', printJson(['M', { op: 'assert', lock: 'l' }])],
  ['query', 'db', printJson(['M', { op: 'select', table: 'A', where: [], columns: ['n', 'r'] }])],
  ['query', 'missing', '["M"]'],
  ['needs-conversion', 'db', 'schema'],
  ['needs-conversion', 'db', 'schema2'],
  ['compact', 'db', 'compacted'],
  ['query', 'compacted', printJson(['M', { op: 'select', table: 'A', where: [] }])],
  ['convert', 'db', 'schema2'],
  ['db-version', 'db'],
  ['compact', 'db'],
  ['create', 'unset', 'schema'],
  ['transact', 'unset', printJson(['M', { op: 'insert', table: 'A', uuid: UUID, row: {} }])],
  ['convert', 'unset', 'schema3'],
  ['query', 'unset', printJson(['M', { op: 'select', table: 'A', where: [] }])],
  ['compare-versions', '1.2.3', '<', '1.10.0'],
  ['compare-versions', '1.2.3', '>=', '1.10.0'],
  ['compare-versions', '1.2', '<', '1.10.0'],
  ['compare-versions', '1.2.3', '~', '1.10.0'],
  ['db-name', 'bad'],
  ['db-name', 'empty'],
  [],
  ['unknown'],
  ['transact'],
  ['create', 'a', 'b', 'c'],
];

/** Random parts do not count. */
const plain = (text: string) => text.replaceAll(/"_version":\["uuid","[^"]*"\]/g, '"_version"');

/** Ours runs in this process: one of its own would take a hundred times as long. */
async function run(tool: Side, at: Side, args: readonly string[]) {
  const cwd = join(dir, at);
  if (tool === 'ours') {
    const back = process.cwd();
    process.chdir(cwd);
    try {
      const { status, stdout, stderr } = await capture(main, args, 'ovsdb-tool');
      return { status, stdout: plain(stdout), stderr };
    } finally {
      process.chdir(back);
    }
  }
  const { status, stdout, stderr } = spawnSync('/usr/bin/ovsdb-tool', args, {
    cwd,
    encoding: 'utf8',
    timeout: 10_000,
  });
  return { status, stdout: plain(stdout), stderr };
}

function prepare(side: string): void {
  const at = join(dir, side);
  mkdirSync(at);
  writeFileSync(join(at, 'schema'), printJson(SCHEMA));
  writeFileSync(join(at, 'schema2'), printJson({ ...SCHEMA, version: '1.3.0' }));
  writeFileSync(join(at, 'schema3'), printJson(OTHER_TYPES));
  writeFileSync(join(at, 'bad'), '{"name":"M"}\n');
  writeFileSync(join(at, 'empty'), '');
}

test('ovsdb-tool does and says what upstream does', {
  skip: hasOracle() ? false : 'no ovsdb-tool of the distribution',
}, async () => {
  for (const side of SIDES) prepare(side);
  for (const args of COMMANDS) {
    const theirs = await run('theirs', 'theirs', args);
    const ours = await run('ours', 'ours', args);
    assert.deepEqual(ours, theirs, args.join(' '));
  }
});

test('show-log tells of each side’s files the same', {
  skip: hasOracle() ? false : 'no ovsdb-tool of the distribution',
}, async () => {
  for (const side of SIDES) {
    rmSync(join(dir, side, 'log'), { force: true });
    await run(side, side, ['create', 'log', 'schema']);
    for (const op of [INSERT, CHANGE, { op: 'delete', table: 'A', where: [] }]) {
      await run(side, side, [
        'transact',
        'log',
        printJson(['M', op, { op: 'comment', comment: 'c' }]),
      ]);
    }
  }
  copyFileSync(join(dir, 'ours', 'log'), join(dir, 'theirs', 'ours-log'));
  copyFileSync(join(dir, 'theirs', 'log'), join(dir, 'ours', 'theirs-log'));
  assert.ok(readFileSync(join(dir, 'ours', 'log')).length > 0);
  for (const flags of [[], ['-m'], ['-mm']]) {
    const args = [...flags, 'show-log'];
    const pairs = [
      [
        await run('theirs', 'theirs', [...args, 'ours-log']),
        await run('ours', 'ours', [...args, 'log']),
      ],
      [
        await run('theirs', 'theirs', [...args, 'log']),
        await run('ours', 'ours', [...args, 'theirs-log']),
      ],
    ];
    // Upstream prints the columns of a row in the order of its hash tables.
    const lines = ({ stdout }: { stdout: string }) => stdout.split('\n').sort();
    for (const [theirs, ours] of pairs) {
      assert.deepEqual(lines(ours!), lines(theirs!), args.join(' '));
    }
  }
});
