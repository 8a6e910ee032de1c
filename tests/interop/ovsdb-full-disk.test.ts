/** A server whose disk is full: it says so, loses nothing, and goes on when there is room again. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Database, encodeRecord, type JsonObject } from '@heddle/ovsdb';
import { vlog } from '@heddle/runtime';
import { eventually, isolate, REPOSITORY, run, runOk, Scope } from '@heddle/testing';
import { Peer } from '../differential/ovsdb/peer.ts';

isolate();
vlog.setLevel(undefined, 'console', 'off');

const BIN = join(REPOSITORY, 'bin');
const DISK_BYTES = 1024 * 1024;
const ROUNDS = Number(process.env['HEDDLE_COUNT'] ?? 3);
/** The disk has room for as many. */
const ROUNDS_PER_FILE = 3;
/** Of each round in turn: who is alone is served in another way. */
const CLIENTS = [4, 4, 1];
const SCHEMA = {
  name: 'D',
  version: '1.0.0',
  tables: {
    Pair: {
      isRoot: true,
      columns: { n: { type: 'integer' }, half: { type: 'integer' }, text: { type: 'string' } },
    },
  },
};

const scope = new Scope();
after(() => scope[Symbol.asyncDispose]());

class Disk {
  readonly path: string;
  readonly file: string;

  private constructor(path: string) {
    this.path = path;
    this.file = join(path, 'db');
  }

  static async mount(): Promise<Disk> {
    const path = join(scope.directory('disk'), 'small');
    mkdirSync(path);
    await runOk(['mount', '-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', path]);
    scope.defer(async () => void (await run(['umount', '-l', path])));
    const disk = new Disk(path);
    return disk;
  }

  /** An empty database instead of the one that there was. */
  create(): void {
    writeFileSync(this.file, encodeRecord(SCHEMA));
  }

  /** Leaves so many bytes. */
  fill(left: number): void {
    const { bavail, bsize } = statfsSync(this.path);
    writeFileSync(join(this.path, 'filler'), Buffer.alloc(Math.max(0, bavail * bsize - left)));
  }

  free(): void {
    rmSync(join(this.path, 'filler'), { force: true });
  }
}

async function startServer(file: string, dir: string): Promise<ChildProcess> {
  rmSync(join(dir, 'sock'), { force: true });
  const options = [`--remote=punix:${dir}/sock`, `--unixctl=${dir}/ctl`, '-vconsole:off'];
  const server = spawn(join(BIN, 'ovsdb-server'), [...options, file], {
    stdio: 'ignore',
    env: { ...process.env, OVS_RUNDIR: dir },
  });
  scope.defer(() => void server.kill('SIGKILL'));
  await eventually('the server', async () => {
    const peer = new Peer(join(dir, 'sock'));
    const { error } = await peer.call('echo', []);
    peer.close();
    return error === null;
  });
  return server;
}

const TEXT = 'x'.repeat(3000);

/** Whether it was done; the error of one that was refused must be the disk's. */
async function insertPair(peer: Peer, n: number): Promise<boolean> {
  const half = (h: number) => ({ op: 'insert', table: 'Pair', row: { n, half: h, text: TEXT } });
  const { result, error } = await peer.call('transact', ['D', half(1), half(2)]);
  assert.equal(error, null);
  const failed = (result as JsonObject[]).find((r) => r['error'] !== undefined);
  if (failed) assert.equal(failed['error'], 'I/O error');
  return failed === undefined;
}

function sums(db: Database): Map<number, number> {
  const out = new Map<number, number>();
  for (const { data } of db.tables.get('Pair').rows.values()) {
    const [half, n] = data.map((d) => Number(d.keys[0]));
    out.set(n!, (out.get(n!) ?? 0) + half!);
  }
  return out;
}

test('what a full disk refuses did not happen; what it took is there; then it goes on', async () => {
  const disk = await Disk.mount();
  const dir = scope.directory('full');
  const acknowledged = new Set<number>();
  let n = 0;
  for (let round = 0; round < ROUNDS; round++) {
    if (round % ROUNDS_PER_FILE === 0) {
      disk.create();
      acknowledged.clear();
    }
    const server = await startServer(disk.file, dir);
    disk.fill(100_000 + (round % 10) * 7000);
    let refused = 0;
    const client = async () => {
      const peer = new Peer(join(dir, 'sock'));
      for (let misses = 0; misses < 3; ) {
        const k = ++n;
        if (await insertPair(peer, k)) acknowledged.add(k);
        else {
          misses++;
          refused++;
        }
      }
      peer.close();
    };
    const clients = CLIENTS[round % CLIENTS.length]!;
    await Promise.all(Array.from({ length: clients }, client));
    assert.ok(refused > 0);
    const compact = [join(BIN, 'ovs-appctl'), '-t', join(dir, 'ctl'), 'ovsdb-server/compact'];
    assert.notEqual((await run(compact)).code, 0, 'there is no room for a compaction either');
    disk.free();
    const peer = new Peer(join(dir, 'sock'));
    assert.ok(await insertPair(peer, ++n));
    acknowledged.add(n);
    peer.close();
    server.kill('SIGKILL');
    await new Promise((done) => server.once('exit', done));

    const db = Database.open(disk.file);
    const found = sums(db);
    assert.deepEqual(
      [...found.keys()].sort((a, b) => a - b),
      [...acknowledged].sort((a, b) => a - b),
    );
    for (const [k, sum] of found) assert.equal(sum, 3, `${k} is half applied`);
    db.close();
  }
});
