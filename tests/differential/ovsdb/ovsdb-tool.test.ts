/** The same commands through the distribution's ovsdb-tool and ours: equal output and status. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { printJson } from '@heddle/ovsdb';
import { hasOracle } from './peer.ts';

const BIN = join(import.meta.dirname, '../../../bin');
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

/** Random parts and the release do not count. */
function run(tool: string, side: string, args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(tool, args, {
    cwd: join(dir, side),
    encoding: 'utf8',
    timeout: 10_000,
  });
  const plain = (text: string) => text.replaceAll(/"_version":\["uuid","[^"]*"\]/g, '"_version"');
  return { status, stdout: plain(stdout), stderr };
}

function prepare(side: string): void {
  const at = join(dir, side);
  mkdirSync(at);
  writeFileSync(join(at, 'schema'), printJson(SCHEMA));
  writeFileSync(join(at, 'schema2'), printJson({ ...SCHEMA, version: '1.3.0' }));
  writeFileSync(join(at, 'bad'), '{"name":"M"}\n');
  writeFileSync(join(at, 'empty'), '');
}

test('ovsdb-tool does and says what upstream does', {
  skip: hasOracle() ? false : 'no ovsdb-tool of the distribution',
}, () => {
  for (const side of ['theirs', 'ours']) prepare(side);
  for (const args of COMMANDS) {
    const theirs = run('/usr/bin/ovsdb-tool', 'theirs', args);
    const ours = run(join(BIN, 'ovsdb-tool'), 'ours', args);
    assert.deepEqual(ours, theirs, args.join(' '));
  }
});

test('show-log tells of each side’s files the same', {
  skip: hasOracle() ? false : 'no ovsdb-tool of the distribution',
}, () => {
  for (const side of ['theirs', 'ours']) {
    const tool = side === 'theirs' ? '/usr/bin/ovsdb-tool' : join(BIN, 'ovsdb-tool');
    rmSync(join(dir, side, 'log'), { force: true });
    run(tool, side, ['create', 'log', 'schema']);
    for (const op of [INSERT, CHANGE, { op: 'delete', table: 'A', where: [] }]) {
      run(tool, side, ['transact', 'log', printJson(['M', op, { op: 'comment', comment: 'c' }])]);
    }
  }
  copyFileSync(join(dir, 'ours', 'log'), join(dir, 'theirs', 'ours-log'));
  copyFileSync(join(dir, 'theirs', 'log'), join(dir, 'ours', 'theirs-log'));
  assert.ok(readFileSync(join(dir, 'ours', 'log')).length > 0);
  for (const flags of [[], ['-m'], ['-mm']]) {
    const args = [...flags, 'show-log'];
    const pairs = [
      [
        run('/usr/bin/ovsdb-tool', 'theirs', [...args, 'ours-log']),
        run(join(BIN, 'ovsdb-tool'), 'ours', [...args, 'log']),
      ],
      [
        run('/usr/bin/ovsdb-tool', 'theirs', [...args, 'log']),
        run(join(BIN, 'ovsdb-tool'), 'ours', [...args, 'theirs-log']),
      ],
    ];
    // Upstream prints the columns of a row in the order of its hash tables.
    const lines = ({ stdout }: { stdout: string }) => stdout.split('\n').sort();
    for (const [theirs, ours] of pairs) {
      assert.deepEqual(lines(ours!), lines(theirs!), args.join(' '));
    }
  }
});
