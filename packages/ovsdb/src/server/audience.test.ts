/** Clients that share what they are told: each still sees its own monitor and no other. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { JsonStream } from '@heddle/runtime';
import fc from 'fast-check';
import { type Json, type JsonObject, parseJson, printJson } from '../notation/index.ts';
import { parseSchema } from '../schema/schema.ts';
import { Database } from './database.ts';
import { OvsdbServer } from './server.ts';

const RUNS = Number(process.env['HEDDLE_COUNT'] ?? 30);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const CLIENTS = 5;
const SCHEMA = {
  name: 'T',
  version: '1.0.0',
  tables: { A: { isRoot: true, columns: { key: { type: 'integer' }, n: { type: 'integer' } } } },
};

const dir = mkdtempSync(join(tmpdir(), 'heddle-audience-'));
const path = join(dir, 'sock');
const server = new OvsdbServer();
const database = new Database(parseSchema(SCHEMA));

before(async () => {
  await server.addDatabase(database);
  await server.addRemote(`punix:${path}`);
});
after(() => {
  server.close();
  rmSync(dir, { recursive: true });
});

type View = Map<string, { key: number; n: number }>;

/** What a client knows by its monitor, of version 2. */
class Client {
  readonly #socket = connect(path);
  readonly #stream = new JsonStream();
  readonly #waiting: ((result: JsonObject) => void)[] = [];
  #view: View | undefined;
  #id: Json = null;
  /** Rows whose key is below it are seen. */
  below = Infinity;

  constructor() {
    this.#socket.on('data', (bytes) => {
      for (const text of this.#stream.push(bytes)) this.#take(parseJson(text) as JsonObject);
    });
  }

  get view(): View | undefined {
    return this.#view;
  }

  #take({ method, params, result, error }: JsonObject): void {
    if (method === undefined) {
      assert.equal(error, null);
      this.#waiting.shift()!(result as JsonObject);
      return;
    }
    const [id, updates] = params as readonly Json[];
    assert.deepEqual(id, this.#id, 'the update is of the monitor that the client has');
    this.#apply(updates as JsonObject);
  }

  #apply(updates: JsonObject): void {
    for (const [uuid, update] of Object.entries((updates['A'] ?? {}) as JsonObject)) {
      const change = update as Record<string, { key?: number; n?: number } | null>;
      const fresh = change['initial'] ?? change['insert'];
      if (fresh) {
        assert.ok(!this.#view!.has(uuid), 'a row comes once');
        this.#view!.set(uuid, { key: fresh.key ?? 0, n: fresh.n ?? 0 });
      } else if (change['modify']) {
        this.#view!.set(uuid, { ...this.#view!.get(uuid)!, ...change['modify'] });
      } else assert.ok(this.#view!.delete(uuid), 'a row that goes was there');
    }
  }

  /** `work` is done with the result before anything that came behind it. */
  call(method: string, params: Json, work = (_: JsonObject) => {}): Promise<void> {
    this.#socket.write(printJson({ id: 1, method, params }));
    return new Promise((done) => {
      this.#waiting.push((result) => {
        work(result);
        done();
      });
    });
  }

  async open(id: Json): Promise<void> {
    this.#view = new Map();
    this.#id = id;
    this.below = Infinity;
    const requests = { A: [{ columns: ['key', 'n'] }] };
    await this.call('monitor_cond', ['T', id, requests], (rows) => this.#apply(rows));
  }

  async narrow(below: number): Promise<void> {
    this.below = below;
    await this.call('monitor_cond_change', [
      this.#id,
      this.#id,
      { A: [{ where: [['key', '<', below]] }] },
    ]);
  }

  async close(): Promise<void> {
    await this.call('monitor_cancel', [this.#id]);
    this.#view = undefined;
  }

  write(key: number, n: number): Promise<void> {
    const where = [['key', '==', key]];
    const insert = { op: 'insert', table: 'A', row: { key, n } };
    const ops =
      n === 0 ? [{ op: 'delete', table: 'A', where }] : [insert, update(n, n % 7), update(key, n)];
    return this.call('transact', ['T', ...ops]);
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

function update(key: number, n: number): Json {
  return { op: 'update', table: 'A', where: [['key', '==', key]], row: { n } };
}

const client = fc.nat({ max: CLIENTS - 1 });
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ client, key: fc.nat(9), n: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ client, id: fc.constantFrom('m', 'n') }) },
  { weight: 1, arbitrary: fc.record({ client, below: fc.nat(9) }) },
);

test(`${RUNS} mixtures of monitors that are shared, narrowed and closed`, async () => {
  const steps = fc.array(step, { minLength: 20, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const clients = Array.from({ length: CLIENTS }, () => new Client());
      // Nobody waits for the others, so that joining and writing overlap.
      const queues = clients.map(() => Promise.resolve());
      for (const s of script) {
        const c = clients[s.client]!;
        queues[s.client] = queues[s.client]!.then(async () => {
          if ('key' in s) await c.write(s.key, s.n);
          else if ('id' in s) await (c.view ? c.close() : c.open(s.id));
          else if (c.view) await c.narrow(s.below);
        });
      }
      await Promise.all(queues);
      // Notifications come before the reply to a request that is made after the last change.
      await clients[0]!.write(0, 1);
      await Promise.all(clients.map((c) => c.write(100, 0)));
      const { rows } = database.tables.get('A');
      for (const c of clients) {
        if (!c.view) continue;
        const seen = [...rows.values()].map((row) => {
          const [key, n] = row.data.map((d) => d.keys[0] as number) as [number, number];
          return [row.uuid, { key, n }] as const;
        });
        const wanted = new Map(seen.filter(([, { key }]) => key < c.below));
        assert.deepEqual(c.view, wanted);
      }
      for (const c of clients) c.destroy();
      await server.databases.get('T')!.change([{ op: 'delete', table: 'A', where: [] }]);
    }),
    { numRuns: RUNS, seed: SEED },
  );
});
