/** Slow and hostile clients: they get what they deserve, and nobody else notices. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { JsonStream, vlog } from '@heddle/runtime';
import fc from 'fast-check';
import { type Json, type JsonObject, parseJson, printJson } from '../notation/index.ts';
import { parseSchema } from '../schema/schema.ts';
import { Database } from './database.ts';
import { OvsdbServer } from './server.ts';

const RUNS = Number(process.env['HEDDLE_COUNT'] ?? 150);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const MIB = 1024 * 1024;
const SCHEMA = {
  name: 'T',
  version: '1.0.0',
  tables: {
    A: { isRoot: true, columns: { n: { type: 'integer' }, text: { type: 'string' } } },
  },
};

const dir = mkdtempSync(join(tmpdir(), 'heddle-hostile-'));
const path = join(dir, 'sock');
const server = new OvsdbServer({ messageBytes: MIB, receivingBytes: 4 * MIB });
vlog.setLevel(undefined, 'console', 'off');

before(async () => {
  await server.addDatabase(new Database(parseSchema(SCHEMA)));
  await server.addRemote(`punix:${path}`);
});
after(() => {
  server.close();
  rmSync(dir, { recursive: true });
});

class Client {
  readonly socket: Socket = connect(path);
  readonly #stream = new JsonStream();
  readonly notifications: JsonObject[] = [];
  readonly #waiting = new Map<number, (reply: JsonObject) => void>();
  #id = 0;

  constructor() {
    this.socket.on('error', () => {});
    this.socket.on('data', (bytes) => {
      for (const text of this.#stream.push(bytes)) this.#take(parseJson(text) as JsonObject);
    });
  }

  #take(message: JsonObject): void {
    if (message['method'] !== undefined) this.notifications.push(message);
    else this.#waiting.get(message['id'] as number)?.(message);
  }

  call(method: string, params: Json): Promise<JsonObject> {
    const id = ++this.#id;
    this.socket.write(printJson({ id, method, params }));
    return new Promise((done) => this.#waiting.set(id, done));
  }
}

/** How long a client waits for an answer, in milliseconds. */
async function latency(client: Client): Promise<number> {
  const start = performance.now();
  await client.call('echo', []);
  return performance.now() - start;
}

async function closed(socket: Socket): Promise<void> {
  for (let i = 0; i < 1000 && !socket.destroyed; i++) await delay(5);
  assert.ok(socket.destroyed, 'connection is closed');
}

for (const version of ['monitor', 'monitor_cond', 'monitor_cond_since']) {
  test(`a ${version} client that stops reading gets the sum of what it missed`, async () => {
    const [slow, busy] = [new Client(), new Client()];
    const zero = '00000000-0000-0000-0000-000000000000';
    const since = version === 'monitor_cond_since' ? [zero] : [];
    const row = { n: 0, text: version };
    const inserted = await busy.call('transact', ['T', { op: 'insert', table: 'A', row }]);
    const uuid = ((inserted['result'] as JsonObject[])[0]!['uuid'] as Json[])[1] as string;
    await slow.call(version, ['T', 'm', { A: {} }, ...since]);
    slow.socket.pause();
    const text = 'x'.repeat(20_000);
    const [where, n] = [[['_uuid', '==', ['uuid', uuid]]], 1000];
    for (let i = 1; i <= n; i++) {
      const update = { op: 'update', table: 'A', where, row: { n: i, text: `${i}${text}` } };
      await busy.call('transact', ['T', update]);
    }
    const before = slow.socket.bytesRead;
    slow.socket.resume();
    const last = `"n":${n},`;
    while (!printJson(slow.notifications.at(-1) ?? null).includes(last)) await delay(5);
    assert.ok(slow.socket.bytesRead - before < (n * text.length) / 4, 'updates were merged');
    assert.equal((await slow.call('echo', [1]))['error'], null);
    for (const client of [slow, busy]) client.socket.destroy();
  });
}

test('a client that asks and never reads is not read from', async () => {
  const [greedy, other] = [new Client(), new Client()];
  const row = { text: 'y'.repeat(100_000) };
  await other.call('transact', ['T', { op: 'insert', table: 'A', row }]);
  greedy.socket.pause();
  const select = { op: 'select', table: 'A', where: [] };
  const request = printJson({ id: 1, method: 'transact', params: ['T', select] });
  for (let i = 0; i < 20_000; i++) greedy.socket.write(request);
  await delay(300);
  assert.ok(greedy.socket.writableLength > 0, 'requests are still on the client’s side');
  assert.ok((await latency(other)) < 1000);
  for (const client of [greedy, other]) client.socket.destroy();
});

test('half messages, long ones and deep ones end their connections only', async () => {
  const other = new Client();
  const halves = Array.from({ length: 6 }, () => new Client());
  for (const { socket } of halves) socket.write(`{"method":"${'m'.repeat(0.9 * MIB)}`);
  while (halves.filter(({ socket }) => socket.destroyed).length < 2) await delay(5);
  assert.ok(halves.some(({ socket }) => !socket.destroyed));
  for (const text of [`["${'l'.repeat(2 * MIB)}`, '['.repeat(5000), 'x', '{"id":1}', '\0']) {
    const { socket } = new Client();
    socket.write(text);
    await closed(socket);
  }
  assert.ok((await latency(other)) < 1000);
  for (const { socket } of [other, ...halves]) socket.destroy();
});

/** A conversation that touches everything, to be spoilt. */
const CONVERSATION: readonly Json[] = [
  { id: 1, method: 'set_db_change_aware', params: [true] },
  { id: 2, method: 'monitor', params: ['T', 'a', { A: { columns: ['n'] } }] },
  { id: 3, method: 'monitor_cond', params: ['T', 'b', { A: [{ where: [['n', '>', 1]] }] }] },
  {
    id: 4,
    method: 'monitor_cond_since',
    params: ['T', ['c'], { A: {} }, '00000000-0000-0000-0000-000000000000'],
  },
  {
    id: 5,
    method: 'transact',
    params: [
      'T',
      { op: 'insert', table: 'A', row: { n: 2 }, 'uuid-name': 'r' },
      { op: 'mutate', table: 'A', where: [['n', '==', 2]], mutations: [['n', '+=', 1]] },
      { op: 'select', table: 'A', where: [['_uuid', '==', ['named-uuid', 'r']]] },
      { op: 'delete', table: 'A', where: [['n', '!=', 0]] },
    ],
  },
  { id: 6, method: 'monitor_cond_change', params: ['b', 'd', { A: [{ where: [false] }] }] },
  { id: 7, method: 'lock', params: ['l'] },
  { id: 8, method: 'convert', params: ['T', SCHEMA] },
  { id: 9, method: 'monitor_cancel', params: ['a'] },
  { id: null, method: 'cancel', params: [5] },
];

const cut = fc.record({ at: fc.nat(), length: fc.nat(20), bytes: fc.uint8Array({ maxLength: 8 }) });

function spoil(
  text: string,
  { at, length, bytes }: { at: number; length: number; bytes: Uint8Array },
) {
  const buffer = Buffer.from(text);
  const start = at % buffer.length;
  return Buffer.concat([buffer.subarray(0, start), bytes, buffer.subarray(start + length)]);
}

test(`${RUNS} spoilt conversations leave nothing behind`, async () => {
  const other = new Client();
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray([...CONVERSATION], { minLength: 1 }),
      fc.option(cut),
      fc.array(fc.tuple(fc.nat(), fc.jsonValue()), { maxLength: 2 }),
      async (messages, spoiling, replaced) => {
        const texts = messages.map((m) => printJson(m));
        for (const [at, value] of replaced) {
          const i = at % texts.length;
          // A value somewhere in the middle becomes another.
          const values = texts[i]!.match(/"\w+"|\d+|\[\]|true|false/g)!;
          const victim = values[at % values.length]!;
          texts[i] = texts[i]!.replace(victim, () => JSON.stringify(value));
        }
        const whole = texts.join('');
        const client = new Client();
        client.socket.end(spoiling ? spoil(whole, spoiling) : whole);
        await Promise.race([new Promise((done) => client.socket.once('close', done)), delay(500)]);
        client.socket.destroy();
        assert.ok((await latency(other)) < 2000);
      },
    ),
    { numRuns: RUNS, seed: SEED },
  );
  for (let i = 0; i < 200 && server.sessionCount > 1; i++) await delay(5);
  assert.equal(server.sessionCount, 1);
  assert.equal(server.monitorCount, 0);
  assert.deepEqual((await other.call('lock', ['l']))['result'], { locked: true });
  other.socket.destroy();
});
