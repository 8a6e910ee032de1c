/** A rehearsal of the server succeeds in all that it asks, and leaves nothing behind. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { coverage } from '@heddle/runtime';
import type { Json } from '../notation/index.ts';
import { parseSchema } from '../schema/schema.ts';
import { vswitchSchema } from '../schemas/vswitch.ts';
import { Database } from './database.ts';
import { Monitor } from './monitor.ts';
import { rehearse } from './rehearsal.ts';
import { rehearsedMonitors, rehearsedRequests } from './rehearsed-requests.ts';
import { OvsdbServer } from './server.ts';

const tmp = mkdtempSync(join(tmpdir(), 'rehearsal-'));
process.env['TMPDIR'] = tmp;
const server = new OvsdbServer();
after(() => {
  server.close();
  rmSync(tmp, { recursive: true });
});

test('every request of a rehearsal succeeds', async () => {
  const db = new Database(parseSchema(vswitchSchema as unknown as Json));
  for (const { method, params } of rehearsedMonitors()) {
    const version = method === 'monitor' ? 1 : method === 'monitor_cond' ? 2 : 3;
    assert.ok(new Monitor(db.tables, params[2]!, version));
  }
  let waits = 0;
  for (const { method, params } of rehearsedRequests()) {
    assert.equal(method, 'transact');
    const operations = params.slice(1) as { op: string }[];
    waits += operations.filter(({ op }) => op === 'wait').length;
    const results = await db.transact(operations as Json[], { ownsLock: () => true });
    assert.equal(results.length, operations.length);
    for (const [i, result] of (results as { error?: Json; count?: number }[]).entries()) {
      assert.equal(result.error, undefined, JSON.stringify([operations[i], result]));
      // What is updated, mutated or deleted is there.
      assert.notEqual(result.count, 0, JSON.stringify(operations[i]));
    }
  }
  assert.ok(waits > 0);
});

test('a rehearsal changes nothing of the server, counts nothing and leaves nothing', async () => {
  const rows = server.databases.get('_Server')!.tables.rowCount;
  const counted = coverage.show();
  const requests = await rehearse(server, { afterMs: 0, cpuMs: Number.POSITIVE_INFINITY });
  assert.equal(requests, [...rehearsedRequests()].length);
  assert.equal(coverage.show(), counted);
  assert.deepEqual(server.databaseNames(), ['_Server']);
  assert.equal(server.databases.get('_Server')!.tables.rowCount, rows);
  assert.equal(server.sessionCount, 0);
  assert.deepEqual(readdirSync(tmp), []);
});

test('a rehearsal ends when it has had its processor time', async () => {
  const requests = await rehearse(server, { afterMs: 0, cpuMs: 0 });
  assert.ok(requests < [...rehearsedRequests()].length);
});

test('without a place for its socket there is no rehearsal', async () => {
  process.env['TMPDIR'] = '/nonexistent';
  assert.equal(await rehearse(server, { afterMs: 0 }), 0);
});
