/** Random transactions on the distribution's server and on ours: equal results, equal contents. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printJson } from '@heddle/ovsdb';
import { Random } from '@heddle/testing/random';
import { bulk, count } from './bulk.ts';
import { canonical, hasOracle, Pair, type Peer, sameResults } from './peer.ts';
import { randomSchema, type SchemaSpec } from './random-schema.ts';
import { TransactionMaker } from './random-transaction.ts';

const COUNT = count(960);
const TRANSACTIONS = 80;

async function contents(peer: Peer, schema: SchemaSpec): Promise<string> {
  const selects = schema.tables.map(({ name, columns }) => ({
    op: 'select',
    table: name,
    where: [],
    columns: ['_uuid', ...columns.map((c) => c.name)],
  }));
  return canonical((await peer.call('transact', ['R', ...selects])).result);
}

async function compare(seed: number): Promise<void> {
  const r = new Random(seed);
  const schema = randomSchema(r);
  const pair = await Pair.start(schema.json);
  const [theirs, ours] = pair.peers();
  try {
    const maker = new TransactionMaker(r, schema, seed % 2 === 0);
    for (let i = 0; i < TRANSACTIONS; i++) {
      const ops = maker.transaction();
      const [a, b] = await Promise.all([
        theirs.call('transact', ['R', ...ops]),
        ours.call('transact', ['R', ...ops]),
      ]);
      if (theirs.closed) return;
      if (sameResults(ops, a.result, b.result)) continue;
      const where = `transaction ${i}: ${printJson(ops)}`;
      assert.equal(canonical(b.result), canonical(a.result), where);
    }
    assert.equal(await contents(ours, schema), await contents(theirs, schema), 'contents');
  } finally {
    theirs.close();
    ours.close();
    pair.stop();
  }
}

test(
  `${COUNT} random transactions give what ovsdb-server gives`,
  {
    skip: hasOracle() ? false : 'no ovsdb-server of the distribution',
  },
  () => bulk(Math.ceil(COUNT / TRANSACTIONS), compare),
);
