/** Clients whose sockets are read and written past their streams, by a kernel that takes what it likes. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { attend, sendNow } from '@heddle/linux/native';
import { Database, OvsdbServer, parseSchema } from '@heddle/ovsdb';
import { installDirectSockets, JsonStream, vlog } from '@heddle/runtime';
import fc from 'fast-check';

const RUNS = Number(process.env['HEDDLE_COUNT'] ?? 8);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const SCHEMA = {
  name: 'T',
  version: '1.0.0',
  tables: { A: { isRoot: true, columns: { n: { type: 'integer' } } } },
};
const dir = mkdtempSync(join(tmpdir(), 'heddle-wire-'));
const path = join(dir, 'sock');
vlog.setLevel(undefined, 'console', 'off');

/** What the kernel takes of the next sends: nothing, a part, or all; in turn. */
let takes: readonly number[] = [1];
let sends = 0;
let received = 0;
let together = 0;

function send(fd: number, data: string | Uint8Array): number {
  const bytes = Buffer.from(data as string);
  const part = Math.floor(bytes.length * takes[sends++ % takes.length]!);
  const sent = part > 0 ? sendNow(fd, bytes.subarray(0, part)) : 0;
  return sent < 0 && part < bytes.length ? part : sent;
}

let server: OvsdbServer;
before(async () => {
  installDirectSockets({
    send,
    sendEach: (fds, count, data, sent) => {
      together += count > 1 ? 1 : 0;
      for (let i = 0; i < count; i++) sent[i] = send(fds[i]!, data);
    },
    attend: (fd, callback) =>
      attend(fd, (data, dubious) => {
        received++;
        callback(data, dubious);
      }),
  });
  server = new OvsdbServer();
  await server.addDatabase(new Database(parseSchema(SCHEMA)));
  await server.addRemote(`punix:${path}`);
});
after(() => {
  installDirectSockets(undefined);
  server.close();
  rmSync(dir, { recursive: true });
});

interface Step {
  /** Parameters of requests that are sent together, and answered before the next step. */
  readonly words: readonly string[];
  /** In how many parts their text goes. */
  readonly chunks: number;
  readonly pauseMs: number;
}

async function converse(steps: readonly Step[]): Promise<void> {
  const socket = connect(path);
  const stream = new JsonStream();
  const texts: string[] = [];
  let more = () => {};
  socket.on('data', (bytes) => {
    texts.push(...stream.push(bytes));
    more();
  });
  let id = 0;
  for (const { words, chunks, pauseMs } of steps) {
    await delay(pauseMs);
    const requests = words.map((word) => ({ id: ++id, method: 'echo', params: [word] }));
    const bytes = Buffer.from(requests.map((request) => JSON.stringify(request)).join(''));
    const size = Math.ceil(bytes.length / chunks);
    for (let at = 0; at < bytes.length; at += size) {
      socket.write(bytes.subarray(at, at + size));
      if (at + size < bytes.length) await delay(0);
    }
    while (texts.length < words.length) await new Promise<void>((done) => (more = done));
    const replies = requests.map(({ id, params }) => ({ id, result: params, error: null }));
    assert.deepEqual(
      texts.splice(0),
      replies.map((reply) => JSON.stringify(reply)),
    );
  }
  socket.destroy();
}

test(`${RUNS} times two clients get each answer once and in order`, async () => {
  const word = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.string({ unit: 'grapheme', maxLength: 10 }),
    fc.nat(60_000).map((length) => 'x'.repeat(length)),
  );
  const step = fc.record({
    words: fc.array(word, { minLength: 1, maxLength: 3 }),
    chunks: fc.constantFrom(1, 1, 1, 2, 4),
    pauseMs: fc.constantFrom(0, 0, 0, 1, 7),
  });
  const steps = fc.array(step, { minLength: 10, maxLength: 30, size: 'max' });
  await fc.assert(
    fc.asyncProperty(
      steps,
      steps,
      fc.array(fc.constantFrom(0, 0.3, 1, 1), { minLength: 1, maxLength: 5 }),
      async (one, other, nextTakes) => {
        takes = nextTakes;
        await Promise.all([converse(one), delay(10).then(() => converse(other))]);
      },
    ),
    { numRuns: RUNS, seed: SEED },
  );
  assert.ok(sends > 0 && received > 0, `${sends} sends, ${received} receipts`);
});

test('those who watch the same see each change once and in order, whatever the kernel takes', async () => {
  const WATCHERS = 20;
  const CHANGES = 60;
  const transact = (id: number, op: object) =>
    JSON.stringify({ id, method: 'transact', params: ['T', op] });
  const seen = await Promise.all(
    Array.from({ length: WATCHERS }, async () => {
      const socket = connect(path);
      const stream = new JsonStream();
      const values: number[] = [];
      const { promise: monitoring, resolve: started } = Promise.withResolvers<void>();
      const { promise: over, resolve: finish } = Promise.withResolvers<void>();
      socket.on('data', (bytes) => {
        for (const text of stream.push(bytes)) {
          const message = JSON.parse(text);
          if (message.method !== 'update') started();
          else
            for (const { new: row } of Object.values<{ new: { n: number } }>(message.params[1].A))
              values.push(row.n);
        }
        if (values.at(-1) === CHANGES) finish();
      });
      socket.write(JSON.stringify({ id: 0, method: 'monitor', params: ['T', 'm', { A: {} }] }));
      await monitoring;
      return { socket, values, over };
    }),
  );
  const writer = connect(path);
  const stream = new JsonStream();
  let answered = () => {};
  writer.on('data', (bytes) => {
    for (const text of stream.push(bytes)) {
      assert.equal(JSON.parse(text).error, null);
      answered();
    }
  });
  takes = [1, 0.3, 1, 0, 1, 1, 0.7];
  for (let n = 1; n <= CHANGES; n++) {
    const row = { n };
    const op =
      n === 1 ? { op: 'insert', table: 'A', row } : { op: 'update', table: 'A', where: [], row };
    const answer = new Promise<void>((resolve) => {
      answered = resolve;
    });
    writer.write(transact(n, op));
    await answer;
    if (n % 20 === 0) await delay(15);
  }
  for (const { socket, values, over } of seen) {
    await over;
    assert.deepEqual(
      values,
      Array.from({ length: CHANGES }, (_, i) => i + 1),
    );
    socket.destroy();
  }
  writer.destroy();
  assert.ok(together > 0);
});
