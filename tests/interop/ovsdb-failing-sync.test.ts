/** A disk that fails to sync now and then, by strace's fault injection: no answer is a lie. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Database, encodeRecord, type JsonObject } from '@heddle/ovsdb';
import { eventually, REPOSITORY, Scope } from '@heddle/testing';
import { Peer } from '../differential/ovsdb/peer.ts';

const ROUNDS = Number(process.env['HEDDLE_COUNT'] ?? 2);
/** A client that is alone is served by writes that sync by themselves. */
const KINDS = [
  { clients: 4, transactions: 15, call: 'fdatasync' },
  { clients: 1, transactions: 60, call: 'pwrite64' },
] as const;
const SCHEMA = {
  name: 'D',
  version: '1.0.0',
  tables: {
    Pair: { isRoot: true, columns: { n: { type: 'integer' }, half: { type: 'integer' } } },
  },
};

const scope = new Scope();
after(() => scope[Symbol.asyncDispose]());

/** undefined: the connection was closed before the answer. */
async function insertPair(peer: Peer, n: number): Promise<boolean | undefined> {
  const half = (h: number) => ({ op: 'insert', table: 'Pair', row: { n, half: h } });
  const { result, error } = await peer.call('transact', ['D', half(1), half(2)]);
  if (error === 'closed') return undefined;
  assert.equal(error, null);
  const failed = (result as JsonObject[]).find((r) => (r?.['error'] ?? null) !== null);
  if (failed) assert.equal(failed['error'], 'I/O error');
  return failed === undefined;
}

function found(file: string): Map<number, number> {
  const db = Database.open(file);
  db.close();
  const out = new Map<number, number>();
  for (const { data } of db.tables.get('Pair').rows.values()) {
    const [half, n] = data.map((d) => Number(d.keys[0]));
    out.set(n!, (out.get(n!) ?? 0) + half!);
  }
  return out;
}

test(`${ROUNDS} servers whose syncs fail: what was refused did not happen, what was not did`, async () => {
  let [n, refused, taken] = [0, 0, 0];
  for (let round = 0; round < ROUNDS; round++) {
    const dir = scope.directory(`sync${round}`);
    const file = join(dir, 'db');
    writeFileSync(file, encodeRecord(SCHEMA));
    // Each third sync fails, or each second one, among them those that tidy up after a failure.
    const { clients, transactions, call } = KINDS[round % 2]!;
    const inject = `${call}:error=EIO:when=${round % 4 < 2 ? '4+3' : '5+2'}`;
    const strace = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`];
    const server = [join(REPOSITORY, 'bin/ovsdb-server'), file, `--remote=punix:${dir}/sock`];
    const argv = [
      ...strace,
      '-e',
      `inject=${inject}`,
      ...server,
      '-vconsole:off',
      `--unixctl=${dir}/ctl`,
    ];
    const child = spawn(argv[0]!, argv.slice(1), {
      stdio: 'ignore',
      detached: true,
      env: { ...process.env, OVS_RUNDIR: dir },
    });
    const exited = once(child, 'exit');
    scope.defer(() => {
      if (child.exitCode === null && child.signalCode === null)
        process.kill(-child.pid!, 'SIGKILL');
    });
    await eventually('the server', async () => existsSync(join(dir, 'ctl')));
    const [done, failed]: [Set<number>, Set<number>] = [new Set(), new Set()];
    const client = async () => {
      const peer = new Peer(join(dir, 'sock'));
      for (let i = 0; i < transactions; i++) {
        const k = ++n;
        const answer = await insertPair(peer, k);
        if (answer !== undefined) (answer ? done : failed).add(k);
      }
      peer.close();
    };
    await Promise.all(Array.from({ length: clients }, client));
    process.kill(-child.pid!, 'SIGKILL');
    await exited;
    const there = found(file);
    for (const k of done) assert.equal(there.get(k), 3, `round ${round}: ${k} is lost`);
    for (const k of failed)
      assert.equal(there.get(k), undefined, `round ${round}: ${k} was refused`);
    refused += failed.size;
    taken += done.size;
  }
  assert.ok(refused > 0 && taken > 0, `${refused} refused, ${taken} taken`);
});
