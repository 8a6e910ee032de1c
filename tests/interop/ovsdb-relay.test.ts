/** The relay model: each side serves a copy of each, and passes on what writes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { options, SIDES, type Side, TestServer, until, VSWITCH_SCHEMA } from './ovsdb-servers.ts';

const PAIRS: readonly (readonly [Side, Side])[] = [
  ['theirs', 'ours'],
  ['ours', 'theirs'],
  ['ours', 'ours'],
];
const BR0 = { op: 'mutate', table: 'Bridge', where: [['name', '==', 'br0']] };
const REMOVE = { ...BR0, mutations: [['other_config', 'delete', ['set', ['a']]]] };
const ADD = { ...BR0, mutations: [['other_config', 'insert', ['map', [['c', 'd']]]]] };
const ROW = ['name', 'model', 'connected', 'leader'];

function transact(server: TestServer, database: string, ...ops: unknown[]): string {
  const text = JSON.stringify([database, ...ops]);
  const { stdout, stderr } = server.run(
    'ovsdb-client',
    '-t',
    '10',
    'transact',
    server.remote,
    text,
  );
  return (stdout + stderr).replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'UUID');
}

function select(table: string, columns: readonly string[]): object {
  return { op: 'select', table, where: [], columns };
}

function contents(server: TestServer): string {
  return server.tool('ovsdb-client', 'dump', server.remote, 'Open_vSwitch');
}

/** What a relay tells of itself. */
function describe(relay: TestServer): string[] {
  const mine = [['name', '==', 'Open_vSwitch']];
  return [
    transact(relay, '_Server', { ...select('Database', ROW), where: mine }),
    relay.tool('ovsdb-client', 'list-dbs', relay.remote),
    relay.appctl('ovsdb-server/list-dbs').trim(),
    relay.appctl('ovsdb-server/get-db-storage-status', 'Open_vSwitch'),
    relay.appctl('ovsdb-server/sync-status'),
    transact(relay, 'Open_vSwitch', select('Bridge', ['name'])),
    transact(relay, 'Open_vSwitch', { op: 'insert', table: 'Bridge', row: { name: 1 } }),
    transact(relay, 'Open_vSwitch', { op: 'assert', lock: 'x' }),
    transact(relay, 'Open_vSwitch', { op: 'comment', comment: 'x' }, { op: 'what' }),
    transact(relay, 'Open_vSwitch', { op: 'abort' }, { op: 'insert', table: 'Port', row: {} }),
  ];
}

for (const [first, second] of PAIRS) {
  test(`${second} relays ${first}`, options, async () => {
    await using source = new TestServer(first);
    await using relay = new TestServer(second);
    const file = source.create('a.db', VSWITCH_SCHEMA);
    await relay.start(`relay:Open_vSwitch:${source.remote}`);
    assert.match(transact(relay, 'Open_vSwitch'), /database not available/);
    await source.start(file);
    const isThere = () => relay.run('ovsdb-client', 'dump', relay.remote).status === 0;
    await until('the copy', isThere);
    assert.equal(contents(relay), contents(source));

    source.vsctl('init', '--', 'add-br', 'br0', '--', 'set', 'bridge', 'br0', 'other_config:a=b');
    source.vsctl('add-port', 'br0', 'p1', '--', 'add-port', 'br0', 'p2', 'tag=3');
    await until('what the source has changed', () => contents(relay) === contents(source));
    assert.equal(transact(relay, 'Open_vSwitch', REMOVE), '[{"count":1}]\n');
    assert.equal(source.vsctl('get', 'bridge', 'br0', 'other_config'), '{}\n');
    assert.equal(contents(relay), contents(source));

    await source.kill();
    const bridges = '[{"rows":[{"name":"br0"}]}]\n';
    assert.equal(transact(relay, 'Open_vSwitch', select('Bridge', ['name'])), bridges);
    const text = JSON.stringify(['Open_vSwitch', ADD]);
    const argv = ['-t', '20', 'transact', relay.remote, text];
    const later = spawn('/usr/bin/ovsdb-client', argv, { stdio: 'ignore' });
    const ended = new Promise((done) => later.once('exit', done));
    await source.start(file);
    assert.equal(await ended, 0);
    assert.equal(source.vsctl('get', 'bridge', 'br0', 'other_config'), '{c=d}\n');
    await until('the copy', () => contents(relay) === contents(source));
  });
}

test('relays tell the same of themselves', options, async () => {
  await using source = new TestServer('theirs');
  await source.start(source.create('a.db', VSWITCH_SCHEMA));
  source.vsctl('add-br', 'br0');
  const found: string[][] = [];
  for (const side of SIDES) {
    await using relay = new TestServer(side);
    await relay.start('relay:Open_vSwitch:unix:nosuch');
    const before = describe(relay);
    const commands = ['relay:X', 'relay:', 'relay:Open_vSwitch:unix:x'].map((what) =>
      relay.appctl('ovsdb-server/add-db', what),
    );
    await relay.kill();
    await relay.start(`relay:Open_vSwitch:unix:nosuch,${source.remote}`);
    await until('the copy', () => transact(relay, 'Open_vSwitch') === '[]\n');
    const compacted = relay.appctl('ovsdb-server/compact', 'Open_vSwitch');
    found.push([...before, ...commands, ...describe(relay), compacted]);
  }
  assert.deepEqual(found[1], found[0]);
});

test('a relay takes up the schema to which its source is converted', options, async () => {
  const schema = (version: string) => ({
    version,
    tables: { T: { columns: { x: { type: 'string' } } } },
  });
  await using source = new TestServer('theirs');
  await using relay = new TestServer('ours');
  await source.start(source.createFrom('a.db', schema('1.0.0')));
  await relay.start(`relay:D:${source.remote}`);
  const version = (server: TestServer) =>
    server.run('ovsdb-client', 'get-schema-version', server.remote, 'D').stdout;
  await until('the copy', () => version(relay) === '1.0.0\n');
  for (const [asked, next] of [
    [source, '2.0.0'],
    [relay, '3.0.0'],
  ] as const) {
    const { dir } = relay;
    relay.createFrom(`${next}.db`, schema(next));
    asked.tool('ovsdb-client', 'convert', asked.remote, `${dir}/schema`);
    await until(`version ${next}`, () => version(relay) === `${next}\n`);
    assert.equal(version(source), `${next}\n`);
  }
});
