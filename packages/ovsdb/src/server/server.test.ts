/** The server over its sockets: requests, waits, monitors that resume, bytes that are no requests. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { coverage, JsonStream, vlog } from '@heddle/runtime';
import fc from 'fast-check';
import { type Json, type JsonObject, parseJson, printJson } from '../notation/index.ts';
import { parseSchema } from '../schema/schema.ts';
import { Database } from './database.ts';
import { OvsdbServer } from './server.ts';

const SCHEMA = {
  name: 'T',
  version: '1.0.0',
  tables: {
    A: {
      isRoot: true,
      columns: {
        name: { type: 'string' },
        n: { type: { key: 'integer', min: 0, max: 'unlimited' } },
      },
      indexes: [['name']],
    },
  },
};

const dir = mkdtempSync(join(tmpdir(), 'heddle-server-'));
const path = join(dir, 'sock');
const server = new OvsdbServer();
vlog.setLevel(undefined, 'console', 'off');

before(async () => {
  await server.addDatabase(new Database(parseSchema(SCHEMA)));
  await server.addRemote(`punix:${path}`);
});
after(() => {
  server.close();
  rmSync(dir, { recursive: true });
});

/** Sends texts as they are; resolves with the first `count` messages, or what came before the end. */
function exchange(texts: readonly (string | Uint8Array)[], count: number): Promise<JsonObject[]> {
  return new Promise((resolve) => {
    const out: JsonObject[] = [];
    const stream = new JsonStream();
    const socket: Socket = connect(path);
    const finish = () => {
      socket.destroy();
      resolve(out);
    };
    socket.on('error', () => {});
    socket.on('close', finish);
    socket.on('data', (bytes) => {
      for (const text of stream.push(bytes)) out.push(parseJson(text) as JsonObject);
      if (out.length >= count) finish();
    });
    for (const text of texts) socket.write(text);
    if (count === 0) socket.end();
  });
}

async function call(method: string, params: Json): Promise<JsonObject> {
  return (await exchange([printJson({ id: 1, method, params })], 1))[0]!;
}

test('integers of 64 bits come back exactly', async () => {
  const n = ['set', [-9223372036854775808n, 9007199254740993n, 9223372036854775807n]];
  const { result } = await call('transact', [
    'T',
    { op: 'insert', table: 'A', row: { name: 'big', n } },
    { op: 'select', table: 'A', where: [['name', '==', 'big']], columns: ['n'] },
  ]);
  assert.deepEqual((result as JsonObject[])[1], { rows: [{ n }] });
});

test('a request that comes byte by byte is one request', async () => {
  const text = Buffer.from(printJson({ id: 'é', method: 'echo', params: ['ü'] }));
  const bytes = [...text].map((b) => Uint8Array.of(b));
  assert.deepEqual(await exchange(bytes, 1), [{ id: 'é', result: ['ü'], error: null }]);
});

test('a wait is answered when another client makes it true, and canceled on request', async () => {
  const wait = (id: number, name: string) =>
    printJson({
      id,
      method: 'transact',
      params: [
        'T',
        {
          op: 'wait',
          table: 'A',
          where: [['name', '==', name]],
          columns: ['name'],
          until: '==',
          rows: [{ name }],
        },
      ],
    });
  const waiting = exchange([wait(1, 'awaited')], 1);
  await call('transact', ['T', { op: 'insert', table: 'A', row: { name: 'awaited' } }]);
  assert.deepEqual((await waiting)[0]!['result'], [{}]);
  const cancel = printJson({ id: null, method: 'cancel', params: [2] });
  const [canceled] = await exchange([wait(2, 'never'), cancel], 1);
  assert.deepEqual(canceled, { id: 2, error: 'canceled' });
});

test('a client that resumes by its last id is told only what it missed', async () => {
  const monitor = (since: Json) => call('monitor_cond_since', ['T', 'm', { A: {} }, since]);
  const [found, last] = (await monitor('00000000-0000-0000-0000-000000000000'))['result'] as Json[];
  assert.equal(found, false);
  await call('transact', ['T', { op: 'insert', table: 'A', row: { name: 'missed' } }]);
  const [again, id, updates] = (await monitor(last!))['result'] as Json[];
  assert.equal(again, true);
  assert.notEqual(id, last);
  const rows = Object.values((updates as JsonObject)['A'] as JsonObject);
  assert.deepEqual(rows, [{ insert: { name: 'missed', ...versionOf(rows[0]!) } }]);
});

function versionOf(update: Json): JsonObject {
  const { _version } = (update as JsonObject)['insert'] as JsonObject;
  return _version === undefined ? {} : { _version };
}

test('a monitor is judged by what it asks for before the id that it resumes from', async () => {
  const ask = (id: number, columns: string[], last: Json) =>
    printJson({
      id,
      method: 'monitor_cond_since',
      params: ['T', 'm', { A: [{ columns }] }, last],
    });
  const none = '00000000-0000-0000-0000-000000000000';
  const texts = [ask(1, ['nosuch'], 0), ask(2, ['n'], 0), ask(3, ['n'], 'x'), ask(4, ['n'], none)];
  const details = (await exchange(texts, 4)).map(
    ({ error }) => (error as JsonObject | null)?.['details'],
  );
  assert.deepEqual(details, [
    'nosuch is not a valid column name',
    'last-txn-id must be string',
    'last-txn-id must be UUID format.',
    undefined,
  ]);
});

test('coverage counters tell what the server has done', async () => {
  const db = new Database(parseSchema(SCHEMA));
  const names = ['ovsdb_transact', 'ovsdb_commit', 'ovsdb_commit_failed', 'ovsdb_wait'];
  const counts = () => names.map((name) => coverage.counter(name).total);
  const before = counts();
  const context = { ownsLock: () => false };
  const where = [['name', '==', 'counted']];
  await db.transact([{ op: 'insert', table: 'A', row: { name: 'counted' } }], context);
  await db.transact([{ op: 'select', table: 'A', where }], context);
  await db.transact(
    [{ op: 'wait', table: 'A', where, columns: [], until: '==', rows: [], timeout: 1 }],
    context,
  );
  db.close();
  const [transactions, commits, failures, waits] = counts().map((n, i) => n - before[i]!);
  assert.deepEqual([transactions, commits, failures], [3, 1, 0]);
  assert.ok(waits! > 0);
});

test('no bytes bring the server down', async () => {
  const messy = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.json().map((text) => Buffer.from(text)),
    fc
      .record({
        id: fc.jsonValue(),
        method: fc.constantFrom(
          ...['transact', 'monitor', 'monitor_cond', 'monitor_cond_since', 'monitor_cond_change'],
          ...['monitor_cancel', 'lock', 'steal', 'unlock', 'get_schema', 'cancel', 'convert', 'x'],
        ),
        params: fc.oneof(
          fc.array(fc.jsonValue(), { maxLength: 4 }),
          fc.array(fc.jsonValue(), { maxLength: 3 }).map((rest) => ['T', ...rest]),
        ),
      })
      .map((message) => Buffer.from(JSON.stringify(message))),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(messy, { maxLength: 4 }), async (texts) => {
      await exchange(texts, 0);
      assert.equal((await call('echo', []))['error'], null);
    }),
    { numRuns: 300 },
  );
});
