/** Random monitors of every version over random transactions: equal replies, equal updates. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Json, type JsonObject, printJson } from '@heddle/ovsdb';
import { Random } from '@heddle/testing/random';
import { bulk, count } from './bulk.ts';
import { canonical, hasOracle, Pair, type Peer } from './peer.ts';
import { MonitorMaker, type OpenMonitor } from './random-monitor.ts';
import { randomSchema } from './random-schema.ts';
import { TransactionMaker } from './random-transaction.ts';

/** How many transactions and monitors. */
const COUNT = count(600);
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
    // Of what is wrong in several tables, upstream's hash order decides which it tells of.
    const refused = a.error !== null && b.error !== null && Object.keys(params.at(-1)!).length > 1;
    if (!refused) assert.equal(canonical(b as JsonObject), canonical(a as JsonObject), where);
    if (opened) open.push(opened);
    return a.error === null || !change;
  };
  try {
    for (let i = 0; i < STEPS; i++) {
      const where = `step ${i}`;
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

test(
  `${COUNT} transactions: monitors tell what ovsdb-server’s tell`,
  {
    skip: hasOracle() ? false : 'no ovsdb-server of the distribution',
  },
  () => bulk(Math.ceil(COUNT / STEPS), compare),
);
