/** The replica on three servers of the distribution that form a RAFT cluster, while they die. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Idl, RpcConnection, RpcError } from '@heddle/ovsdb';
import { vlog } from '@heddle/runtime';
import { delay, eventually, isolate, Scope } from '@heddle/testing';
import { Cluster, SERVERS } from './raft-cluster.ts';

isolate();
vlog.setLevel(undefined, 'console', 'off');

const TOTAL = Number(process.env['HEDDLE_COUNT'] ?? 500);
const WRITERS = 4;
/** The leader dies each time after so many transactions. */
const KILL_EVERY = Number(process.env['HEDDLE_KILL_EVERY'] ?? 250);

const schema = {
  name: 'T',
  version: '1.0.0',
  tables: {
    Counter: { isRoot: true, columns: { name: { type: 'string' }, n: { type: 'integer' } } },
    Done: { isRoot: true, columns: { name: { type: 'string' }, n: { type: 'integer' } } },
  },
} as const;

const scope = new Scope();
let cluster: Cluster;

before(async () => {
  cluster = await Cluster.create(scope, schema);
});
after(() => scope[Symbol.asyncDispose]());

function replica(options: { leaderOnly?: boolean } = {}) {
  const idl = new Idl(schema, { remote: cluster.remotes, probeIntervalMs: 1000, ...options });
  scope.defer(() => idl.close());
  return idl.start();
}

/** Counts up in a row of its own, with a row for each count in the same transaction. */
async function count(name: string, total: number, done: () => void): Promise<void> {
  const idl = replica({ leaderOnly: true });
  await idl.whenSynced();
  const counter = () => idl.rows('Counter').find((row) => row.name === name);
  for (let n = 1; n <= total; n++) {
    const { status } = await idl.transact((txn) => {
      const row = counter();
      // Of a try whose answer was lost, the count itself says whether it was done.
      if (row && row.n >= n) return;
      if (!row) txn.insert('Counter', { name, n });
      else {
        txn.verify('Counter', row._uuid, 'n');
        txn.update('Counter', row._uuid, { n });
      }
      txn.insert('Done', { name, n });
    });
    assert.ok(status === 'success' || status === 'unchanged', status);
    done();
  }
  idl.close();
}

/** Inserts without looking: knows only of those that it was told of. */
async function insertBlindly(name: string, stopped: () => boolean) {
  const [told, unknown]: [Set<number>, Set<number>] = [new Set(), new Set()];
  for (let n = 1; !stopped(); n++) {
    const leader = await cluster.leader().catch(() => undefined);
    if (leader === undefined) continue;
    const connection = await RpcConnection.open(cluster.remote(leader)).catch(() => undefined);
    for (; connection?.isOpen && !stopped(); n++) {
      const insert = { op: 'insert', table: 'Done', row: { name, n } };
      try {
        const result = await connection.request('transact', ['T', insert]);
        const failed = (result as { error?: string }[]).some((r) => r?.error !== undefined);
        (failed ? unknown : told).add(n);
      } catch (error) {
        unknown.add(n);
        if (error instanceof RpcError) break;
      }
      await delay(2);
    }
    connection?.close();
  }
  return { told, unknown };
}

/** How often each count of each name is there, on one server. */
async function counts(server: (typeof SERVERS)[number]): Promise<Map<string, number>> {
  const select = { op: 'select', table: 'Done', where: [], columns: ['_uuid', 'name', 'n'] };
  const [{ rows }] = (await cluster.query(server, select)) as [
    { rows: { name: string; n: number }[] },
  ];
  const found = new Map<string, number>();
  for (const { name, n } of rows) {
    found.set(`${name} ${n}`, (found.get(`${name} ${n}`) ?? 0) + 1);
  }
  return found;
}

test(`of ${TOTAL} transactions none is lost and none done twice while leaders are killed`, async () => {
  const follower = replica();
  const seen = new Map<string, number[]>();
  follower.onChange((events) => {
    for (const { table, now } of events) {
      if (table !== 'Counter' || !now) continue;
      const name = String(now['name']);
      seen.set(name, [...(seen.get(name) ?? []), Number(now['n'])]);
    }
  });
  let done = 0;
  let ended = false;
  let killing: Promise<void> = Promise.resolve();
  const oneDone = () => {
    if (++done % KILL_EVERY === KILL_EVERY >> 1) killing = killing.then(() => cluster.killLeader());
  };
  const each = Math.ceil(TOTAL / WRITERS);
  const blind = insertBlindly('blind', () => ended);
  const writers = Array.from({ length: WRITERS }, (_, i) => count(`w${i}`, each, oneDone));
  await Promise.all(writers);
  ended = true;
  const { told, unknown } = await blind;
  await killing;

  await eventually('the follower to catch up', () =>
    follower.rows('Counter').every(({ n }) => n === each),
  );
  for (const [name, numbers] of seen) {
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
      `${name} goes up only`,
    );
  }
  for (const server of SERVERS) {
    const found = await eventually(`server ${server}`, async () => {
      const now = await counts(server);
      return now.has(`w0 ${each}`) && now.size >= WRITERS * each + told.size ? now : undefined;
    });
    for (let i = 0; i < WRITERS; i++) {
      for (let n = 1; n <= each; n++) assert.equal(found.get(`w${i} ${n}`), 1, `w${i} ${n}`);
    }
    for (const n of told) assert.equal(found.get(`blind ${n}`), 1, `blind ${n}`);
    for (const n of unknown) assert.ok((found.get(`blind ${n}`) ?? 0) <= 1, `blind ${n}`);
  }
  assert.ok(told.size > 0);
});

test('a leader that is cut off is left by its clients, and comes back', async () => {
  const writer = replica({ leaderOnly: true });
  const old = await cluster.leader();
  const behind = new Idl(schema, { remote: cluster.remote(old), probeIntervalMs: 1000 }).start();
  scope.defer(() => behind.close());
  await Promise.all([writer.whenSynced(), behind.whenSynced()]);
  await cluster.cutOff(old);
  for (let n = 1; n <= 20; n++) {
    await writer.transact((txn) => {
      if (!writer.rows('Done').some((row) => row.name === 'cut' && row.n === n)) {
        txn.insert('Done', { name: 'cut', n });
      }
    });
  }
  const others = SERVERS.filter((i) => i !== old);
  assert.ok(others.includes(await cluster.leader(others)));
  await eventually('the one that only knows the old leader to notice', () => !behind.synced);
  assert.equal(
    behind.rows('Done').some(({ name }) => name === 'cut'),
    false,
  );

  await cluster.reconnect(old);
  await eventually(
    'it to catch up',
    () => behind.synced && behind.rows('Done').filter(({ name }) => name === 'cut').length === 20,
  );
  const found = await counts(old);
  for (let n = 1; n <= 20; n++) assert.equal(found.get(`cut ${n}`), 1);
});
