/** kill -9 of the server under load: every acknowledged transaction is in its file, whole. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  Database,
  encodeRecord,
  type Json,
  type JsonObject,
  parseJson,
  printJson,
  readLog,
} from '@heddle/ovsdb';
import { unixctlCall } from '@heddle/runtime';
import { command, hasOracle, Peer } from '../differential/ovsdb/peer.ts';

const BIN = join(import.meta.dirname, '../../bin');
const ROUNDS = Number(process.env['HEDDLE_COUNT'] ?? 6);
/** Files stay small, however many rounds there are. */
const ROUNDS_PER_FILE = 25;
/** Of each round in turn: who is alone is served in another way. */
const CLIENTS = [4, 4, 1];
/** Servers that are killed at the same time: most of a round is waiting for one to start. */
const LANES = 3;
const SCHEMA: Json = {
  name: 'D',
  version: '1.0.0',
  tables: {
    Pair: { isRoot: true, columns: { n: { type: 'integer' }, half: { type: 'integer' } } },
  },
};

async function until(what: string, check: () => boolean): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    if (check()) return;
    await new Promise((done) => setTimeout(done, 5));
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

/** A socket is there a moment before somebody listens on it. */
async function answers(dir: string): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    if (existsSync(join(dir, 'sock'))) {
      const peer = new Peer(join(dir, 'sock'));
      const { error } = await peer.call('echo', []);
      peer.close();
      if (error === null) return;
    }
    await new Promise((done) => setTimeout(done, 5));
  }
  throw new Error('the server does not answer');
}

/** Asks for a compaction, of which the server may not see the end. */
async function compact(dir: string): Promise<void> {
  await unixctlCall(join(dir, 'ctl'), 'ovsdb-server/compact', []).catch(() => undefined);
}

function sums(rows: Iterable<readonly [n: number, half: number]>): Map<number, number> {
  const out = new Map<number, number>();
  for (const [n, half] of rows) out.set(n, (out.get(n) ?? 0) + half);
  return out;
}

/** What the next server will find. */
function pairs(dir: string): Map<number, number> {
  const copy = join(dir, 'copy');
  copyFileSync(join(dir, 'db'), copy);
  const db = Database.open(copy);
  db.close();
  const rows = [...db.tables.get('Pair').rows.values()];
  return sums(
    rows.map(({ data }) => [Number(data[1]!.keys[0]), Number(data[0]!.keys[0])] as const),
  );
}

/** What the distribution's tool, or ours where it is not there, reads from the file. */
function pairsByTool(dir: string): Map<number, number> {
  const select = { op: 'select', table: 'Pair', where: [], columns: ['_uuid', 'n', 'half'] };
  const tool = hasOracle() ? 'ovsdb-tool' : join(BIN, 'ovsdb-tool');
  const text = command(tool, 'query', join(dir, 'db'), printJson(['D', select]));
  const [reply] = parseJson(text) as JsonObject[];
  const rows = reply!['rows'] as JsonObject[];
  return sums(rows.map((row) => [row['n'] as number, row['half'] as number] as const));
}

/** A server that is killed again and again, and what it has acknowledged. */
async function lane(rounds: number): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-durable-'));
  const acknowledged = new Set<number>();
  let [n, total] = [0, 0];
  try {
    for (let round = 0; round < rounds; round++) {
      if (round % ROUNDS_PER_FILE === 0) {
        writeFileSync(join(dir, 'db'), encodeRecord(SCHEMA));
        total += acknowledged.size;
        acknowledged.clear();
      }
      const server = startServer(dir);
      await answers(dir);
      const clients = CLIENTS[round % CLIENTS.length]!;
      const loads = Array.from({ length: clients }, () => load(dir, () => ++n, acknowledged));
      const before = acknowledged.size;
      await until('transactions', () => acknowledged.size > before + (round % 50) * 3);
      // Every other time in the middle of a compaction.
      const compaction = round % 2 === 1 ? compact(dir) : undefined;
      if (compaction) await new Promise((done) => setTimeout(done, round % 15));
      server.kill('SIGKILL');
      await Promise.all(loads);
      await compaction;
      // A torn record is what the next start repairs; the tools refuse it.
      const byTool = round % 20 === 0 && !readLog(join(dir, 'db')).torn;
      const found = byTool ? pairsByTool(dir) : pairs(dir);
      for (const k of acknowledged) assert.ok(found.has(k), `round ${round}: ${k} is lost`);
      for (const [k, sum] of found) assert.equal(sum, 3, `round ${round}: ${k} is half applied`);
    }
    return total + acknowledged.size;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

test(`no acknowledged transaction is lost in ${ROUNDS} kills`, async () => {
  const lanes = Math.min(LANES, ROUNDS);
  const counts = Array.from({ length: lanes }, (_, i) => Math.ceil((ROUNDS - i) / lanes));
  const totals = await Promise.all(counts.map(lane));
  const total = totals.reduce((a, b) => a + b);
  console.log(`${total} transactions were acknowledged`);
  assert.ok(total > ROUNDS);
});
