/** Random monitors of every version over random transactions: equal replies, equal updates. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Json, type JsonObject, printJson } from '@heddle/ovsdb';
import { canonical, hasOracle, Pair, type Peer } from './peer.ts';
import { Random } from './random.ts';
import { MonitorMaker, type OpenMonitor } from './random-monitor.ts';
import { randomSchema } from './random-schema.ts';
import { TransactionMaker } from './random-transaction.ts';

const SEEDS = Number(process.env['HEDDLE_SEEDS'] ?? 12);
const FIRST = Number(process.env['HEDDLE_SEED'] ?? 1);
const STEPS = 50;

/** Updates by monitor; the ids of commits are each server's own. */
async function updates(peer: Peer): Promise<string> {
  const all = await peer.notifications();
  const plain = all.map((u) => {
    const params = u['params'] as Json[];
    return u['method'] === 'update3' ? { ...u, params: [params[0]!, params[2]!] } : u;
  });
  return canonical([...plain].sort((a, b) => (canonical(a) < canonical(b) ? -1 : 1)));
}

async function compare(seed: number): Promise<void> {
  const r = new Random(seed);
  const schema = randomSchema(r);
  const pair = await Pair.start(schema.json);
  const [theirs, ours] = pair.peers();
  const transactions = new TransactionMaker(r, schema, true);
  const monitors = new MonitorMaker(r, schema, transactions);
  const open: OpenMonitor[] = [];
  const both = (method: string, params: Json[]) =>
    Promise.all([theirs.call(method, params), ours.call(method, params)]);
  /** Whether to go on: upstream applies half of a change that it refuses. */
  const monitor = async (i: number, where: string): Promise<boolean> => {
    const change = open.length > 0 && r.chance(0.5);
    const [method, params, opened] = change ? monitors.change(r.pick(open)) : monitors.open(i);
    const [a, b] = await both(method, params);
    if (method === 'monitor_cond_since') for (const x of [a, b]) hideLastId(x.result);
    assert.equal(canonical(b as JsonObject), canonical(a as JsonObject), where);
    if (opened) open.push(opened);
    return a.error === null || !change;
  };
  try {
    for (let i = 0; i < STEPS; i++) {
      const where = `seed ${seed}, step ${i}`;
      if (r.chance(0.15) && !(await monitor(i, where))) return;
      const ops = transactions.transaction();
      await both('transact', ['R', ...ops]);
      // Upstream's server dies of some arithmetic on reals.
      if (theirs.closed) return;
      assert.equal(await updates(ours), await updates(theirs), `${where}: ${printJson(ops)}`);
    }
  } finally {
    theirs.close();
    ours.close();
    pair.stop();
  }
}

function hideLastId(result: Json): void {
  if (Array.isArray(result)) result[1] = 'ID';
}

test(`monitors on ${SEEDS} random schemas tell what ovsdb-server tells`, {
  skip: hasOracle() ? false : 'no ovsdb-server of the distribution',
}, async () => {
  for (let i = 0; i < SEEDS; i++) await compare(FIRST + i);
});
