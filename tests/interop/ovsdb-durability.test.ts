/** kill -9 of the server under load: every acknowledged transaction is in its file, whole. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Json, type JsonObject, parseJson, printJson, readLog } from '@heddle/ovsdb';
import { run } from '@heddle/testing';
import { command, hasOracle, Peer } from '../differential/ovsdb/peer.ts';

const BIN = join(import.meta.dirname, '../../bin');
const ROUNDS = Number(process.env['HEDDLE_COUNT'] ?? 6);
const CLIENTS = 4;
const SCHEMA: Json = {
  name: 'D',
  version: '1.0.0',
  tables: {
    Pair: { isRoot: true, columns: { n: { type: 'integer' }, half: { type: 'integer' } } },
  },
};

async function until(what: string, check: () => boolean): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (check()) return;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error(`${what}: not in time`);
}

function startServer(dir: string): ChildProcess {
  rmSync(join(dir, 'sock'), { force: true });
  return spawn(
    join(BIN, 'ovsdb-server'),
    [join(dir, 'db'), `--remote=punix:${dir}/sock`, `--unixctl=${dir}/ctl`, '-vconsole:off'],
    { stdio: 'ignore', env: { ...process.env, OVS_RUNDIR: dir } },
  );
}

/** Inserts both halves of pair after pair in one transaction each; returns what was acknowledged. */
async function load(dir: string, next: () => number, acknowledged: Set<number>): Promise<void> {
  const peer = new Peer(join(dir, 'sock'));
  while (!peer.closed) {
    const n = next();
    const half = (h: number) => ({ op: 'insert', table: 'Pair', row: { n, half: h } });
    const reply = await peer.call('transact', ['D', half(1), half(2)]);
    if (reply.error === null && Array.isArray(reply.result)) acknowledged.add(n);
  }
}

/** Asks for a compaction, of which the server may not see the end. */
async function compact(dir: string): Promise<void> {
  await run([join(BIN, 'ovs-appctl'), '-t', join(dir, 'ctl'), 'ovsdb-server/compact']);
}

/** What the distribution's tool, or ours where it is not there, reads from the file. */
function pairs(dir: string): Map<number, number> {
  const select = { op: 'select', table: 'Pair', where: [], columns: ['_uuid', 'n', 'half'] };
  const tool = hasOracle() ? 'ovsdb-tool' : join(BIN, 'ovsdb-tool');
  const [reply] = parseJson(
    command(tool, 'query', join(dir, 'db'), printJson(['D', select])),
  ) as JsonObject[];
  const out = new Map<number, number>();
  for (const row of reply!['rows'] as JsonObject[]) {
    const n = row['n'] as number;
    out.set(n, (out.get(n) ?? 0) + (row['half'] as number));
  }
  return out;
}

test(`no acknowledged transaction is lost in ${ROUNDS} kills`, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-durable-'));
  const acknowledged = new Set<number>();
  let n = 0;
  try {
    writeFileSync(join(dir, 'schema'), printJson(SCHEMA));
    command(join(BIN, 'ovsdb-tool'), 'create', join(dir, 'db'), join(dir, 'schema'));
    for (let round = 0; round < ROUNDS; round++) {
      const server = startServer(dir);
      await until('server start', () => existsSync(join(dir, 'sock')));
      const loads = Array.from({ length: CLIENTS }, () => load(dir, () => ++n, acknowledged));
      const before = acknowledged.size;
      await until('transactions', () => acknowledged.size > before + 20 + (round % 20) * 7);
      // Every other time in the middle of a compaction.
      const compaction = round % 2 === 1 ? compact(dir) : undefined;
      if (compaction) await new Promise((done) => setTimeout(done, 20 + (round % 7) * 10));
      server.kill('SIGKILL');
      await Promise.all(loads);
      await compaction;
      // A torn record is what the next start repairs; the tools refuse it.
      if (readLog(join(dir, 'db')).torn) continue;
      const found = pairs(dir);
      for (const k of acknowledged) assert.ok(found.has(k), `round ${round}: ${k} is lost`);
      for (const [k, sum] of found) assert.equal(sum, 3, `round ${round}: ${k} is half applied`);
    }
    assert.ok(acknowledged.size > ROUNDS * 20);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
