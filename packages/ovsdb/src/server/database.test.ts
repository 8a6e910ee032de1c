/** What survives power cuts and failing disks, and compaction under load. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { vlog } from '@heddle/runtime';
import { generator } from '@heddle/testing/random';
import { encodeRecord } from '../file/format.ts';
import { fileStorage, type LogStorage, volatileStorage } from '../file/storage.ts';
import type { Json, JsonObject } from '../notation/index.ts';
import { Database } from './database.ts';

const RUNS = Number(process.env['HEDDLE_COUNT'] ?? 100);
/** Files stay small, however many runs there are. */
const RUNS_PER_FILE = 50;
/** Of offsets to damage a file at: all of them in a long run. */
const STEP = RUNS > 100 ? 1 : 5;
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const SCHEMA: Json = {
  name: 'D',
  version: '1.0.0',
  tables: {
    Half: { isRoot: true, columns: { n: { type: 'integer' }, half: { type: 'integer' } } },
    Set: {
      isRoot: true,
      columns: { s: { type: { key: 'integer', min: 0, max: 'unlimited' } } },
    },
  },
};

vlog.setLevel(undefined, 'console', 'off');
const dir = mkdtempSync(join(tmpdir(), 'heddle-database-'));
after(() => rmSync(dir, { recursive: true, force: true }));

function fresh(name: string): string {
  const path = join(dir, name);
  const first = { Set: { '00000000-0000-4000-8000-000000000000': { s: ['set', []] } } };
  writeFileSync(path, Buffer.concat([encodeRecord(SCHEMA), encodeRecord(first)]));
  return path;
}

const OPEN_CONTEXT = { ownsLock: () => true };

/** Both halves of a pair, and its number in a set; whether it was acknowledged. */
async function insertPair(db: Database, n: number): Promise<boolean> {
  const half = (h: number) => ({ op: 'insert', table: 'Half', row: { n, half: h } });
  const note = { op: 'mutate', table: 'Set', where: [], mutations: [['s', 'insert', n]] };
  const ops = [half(1), note, half(2)];
  let results: Json[] | undefined;
  const prepare = (found: Json[]) => ({
    text: '',
    fd: undefined,
    send: () => {
      results = found;
    },
  });
  // Every other client is alone, if the database has nothing to do: then all is done at once.
  const alone = n % 2 === 0 && db.transactNow(ops, OPEN_CONTEXT, prepare);
  if (!alone) results = await db.transact(ops, OPEN_CONTEXT);
  assert.ok(results);
  return !results.some((r) => (r as JsonObject)['error'] !== undefined);
}

/** The numbers of the pairs that a client is told of. */
async function readPairs(db: Database): Promise<number[]> {
  const select = { op: 'select', table: 'Half', where: [], columns: ['n'] };
  const [reply] = await db.transact([select], OPEN_CONTEXT);
  return ((reply as JsonObject)['rows'] as { n: number }[]).map(({ n }) => n);
}

/** The pairs that are there; none may be there in part. */
function pairs(db: Database): Set<number> {
  const found = new Map<number, number>();
  for (const { data } of db.tables.get('Half').rows.values()) {
    const [half, n] = data.map((d) => Number(d.keys[0]));
    found.set(n!, (found.get(n!) ?? 0) + half!);
  }
  for (const [n, sum] of found) assert.equal(sum, 3, `${n} is half applied`);
  const [set] = db.tables.get('Set').rows.values();
  assert.deepEqual(
    [...set!.data[0]!.keys],
    [...found.keys()].sort((a, b) => a - b),
  );
  return new Set(found.keys());
}

/** A disk of which only what was synced survives for certain. */
class VolatileDisk implements LogStorage {
  /** Called before and after each operation: the power may go off there. */
  moment: () => void = () => {};
  readonly #path: string;
  readonly #random: (below: number) => number;
  #durable: Buffer;
  #unsynced: { at: number; data: Buffer }[] = [];

  constructor(path: string, random: (below: number) => number) {
    this.#path = path;
    this.#random = random;
    this.#durable = readFileSync(path);
  }

  readonly open = fileStorage.open;

  write(fd: number, data: Buffer, offset: number, position: number): number {
    this.moment();
    const part = data.subarray(offset, offset + 1 + this.#random(data.length - offset));
    this.#unsynced.push({ at: position, data: Buffer.from(part) });
    const n = fileStorage.write(fd, part, 0, position);
    this.moment();
    return n;
  }

  writeDurably(fd: number, data: Buffer, offset: number, position: number): number {
    const n = this.write(fd, data, offset, position);
    this.#synced();
    return n;
  }

  syncNow(): void {
    this.moment();
    this.#synced();
  }

  async sync(): Promise<void> {
    this.moment();
    await null;
    this.#synced();
  }

  truncate(fd: number, length: number): void {
    fileStorage.truncate(fd, length);
  }

  #synced(): void {
    this.#durable = readFileSync(this.#path);
    this.#unsynced = [];
    this.moment();
  }

  /** The file after the power went off: of what was not synced anything may have been written. */
  cut(): Buffer {
    let bytes = this.#durable;
    for (const { at, data } of this.#unsynced) {
      const kept = this.#damaged(data);
      const whole = Buffer.alloc(Math.max(bytes.length, at + kept.length));
      bytes.copy(whole);
      kept.copy(whole, at);
      bytes = whole;
    }
    return bytes;
  }

  #damaged(data: Buffer): Buffer {
    const at = this.#random(data.length + 1);
    const bytes = Buffer.from(data);
    switch (this.#random(4)) {
      case 0:
        return bytes.subarray(0, at);
      case 1:
        return bytes.fill(0, at);
      case 2:
        for (let i = at; i < bytes.length; i++) bytes[i] = this.#random(256);
        return bytes;
      default:
        return bytes;
    }
  }
}

test(`${RUNS} power cuts: what was acknowledged is there, and nothing in part (HEDDLE_SEED=${SEED})`, async () => {
  const random = generator(SEED);
  const path = fresh('cut');
  let kept = new Set<number>();
  let n = 0;
  for (let run = 0; run < RUNS; run++) {
    if (run % RUNS_PER_FILE === 0) {
      fresh('cut');
      kept = new Set();
    }
    const disk = new VolatileDisk(path, random);
    const db = Database.open(path, disk);
    const acknowledged = new Set(kept);
    let left: { bytes: Buffer; acknowledged: Set<number> } | undefined;
    const cut = () => {
      left ??= { bytes: disk.cut(), acknowledged: new Set(acknowledged) };
    };
    // A file that is written to often has padding at its end.
    for (let i = 0; run % 2 === 1 && i < 60; i++) {
      if (statSync(path).size > db.file!.bytes) break;
      const k = ++n;
      if (await insertPair(db, k)) acknowledged.add(k);
    }
    let moments = random(30);
    disk.moment = () => {
      if (moments-- === 0) cut();
    };
    const client = async () => {
      for (let i = 0; i < 3; i++) {
        const k = ++n;
        if (await insertPair(db, k)) acknowledged.add(k);
      }
    };
    await Promise.all(Array.from({ length: 1 + random(4) }, client));
    cut();
    db.close();
    writeFileSync(path, left!.bytes);
    const again = Database.open(path);
    kept = pairs(again);
    again.close();
    for (const k of left!.acknowledged) assert.ok(kept.has(k), `run ${run}: ${k} is lost`);
  }
});

/** What may have become of a file from an offset on. */
const DAMAGES: readonly ((bytes: Buffer, at: number) => Buffer)[] = [
  (bytes, at) => bytes.subarray(0, at),
  (bytes, at) => Buffer.from(bytes).fill(0, at),
  (bytes, at) => Buffer.from(bytes).fill(0xff, at),
  (bytes, at) => Buffer.from(bytes).fill(0, at, at + 1),
  (bytes, at) => Buffer.from(bytes).map((byte, i) => (i === at ? byte ^ 1 : byte)) as Buffer,
];

test('a last write that is damaged anywhere, in any way, is there whole or not at all', async () => {
  // Nobody looks at what is durable here.
  const path = fresh('torn');
  let db = Database.open(path, volatileStorage);
  for (const n of [1, 2]) assert.ok(await insertPair(db, n));
  db.close();
  const before = readFileSync(path).length;
  db = Database.open(path, volatileStorage);
  assert.deepEqual(await Promise.all([3, 4, 5].map((n) => insertPair(db, n))), [true, true, true]);
  db.close();
  const bytes = readFileSync(path);
  let whole = 0;
  for (let at = before; at < bytes.length; at += STEP) {
    for (const damage of DAMAGES) {
      writeFileSync(path, damage(bytes, at));
      db = Database.open(path, volatileStorage);
      const found = pairs(db);
      assert.ok(found.has(1) && found.has(2), `damage at ${at}: what was durable is lost`);
      // A group of transactions that was under way is there up to somewhere.
      assert.deepEqual([...found].sort(), [1, 2, 3, 4, 5].slice(0, found.size));
      if (found.size === 5) whole++;
      // The file is as good as new: what comes next is there, too.
      if ((at - before) % 50 === 0) assert.ok(await insertPair(db, 6));
      db.close();
      if ((at - before) % 50 === 0) assert.ok(pairs(opened(path)).has(6));
    }
  }
  assert.equal(whole, 0, 'damage is found out');
});

function opened(path: string): Database {
  const db = Database.open(path);
  db.close();
  return db;
}

/** A disk that is full at times, and at times fails to sync. */
class FailingDisk implements LogStorage {
  readonly #random: (below: number) => number;
  failures = 0;

  constructor(random: (below: number) => number) {
    this.#random = random;
  }

  #fail(oneIn: number, code: string): void {
    if (this.#random(oneIn) > 0) return;
    this.failures++;
    throw Object.assign(new Error(code), { code, errno: code === 'ENOSPC' ? -28 : -5 });
  }

  readonly open = fileStorage.open;

  write(fd: number, data: Buffer, offset: number, position: number): number {
    this.#fail(8, 'ENOSPC');
    return fileStorage.write(
      fd,
      data.subarray(0, offset + 1 + this.#random(data.length)),
      offset,
      position,
    );
  }

  writeDurably(fd: number, data: Buffer, offset: number, position: number): number {
    const n = this.write(fd, data, offset, position);
    this.#fail(8, 'EIO');
    return n;
  }

  syncNow(fd: number): void {
    this.#fail(8, 'EIO');
    fileStorage.syncNow(fd);
  }

  async sync(fd: number): Promise<void> {
    this.#fail(8, 'EIO');
    await fileStorage.sync(fd);
  }

  truncate(fd: number, length: number): void {
    this.#fail(3, 'EIO');
    fileStorage.truncate(fd, length);
  }
}

test(`a disk that fails: what was refused did not happen, what was not is there (HEDDLE_SEED=${SEED})`, async () => {
  const disk = new FailingDisk(generator(SEED));
  let [refused, n] = [0, 0];
  for (let file = 0; file < RUNS / RUNS_PER_FILE; file++) {
    const path = fresh('failing');
    let db = Database.open(path, disk);
    const acknowledged = new Set<number>();
    for (let group = 0; group < RUNS_PER_FILE; group++) {
      const asked = Array.from({ length: 1 + (group % 4) }, () => ++n);
      const answers = asked.map((k) => insertPair(db, k));
      const read = readPairs(db);
      const results = await Promise.all(answers);
      asked.forEach((k, i) => {
        if (results[i]) acknowledged.add(k);
        else refused++;
      });
      assert.deepEqual(pairs(db), acknowledged);
      for (const k of await read) assert.ok(acknowledged.has(k), `${k} was read, then refused`);
      // Of what failed last, the disk may not even have let the rest be removed.
      if (group % 10 !== 9 || !results.every(Boolean)) continue;
      db.close();
      db = Database.open(path, disk);
      assert.deepEqual(pairs(db), acknowledged);
    }
    db.close();
  }
  assert.ok(refused > 0 && disk.failures > 0);
});

test('compaction under load keeps every commit, in the file and in memory', async () => {
  const path = fresh('compacted');
  let db = Database.open(path);
  const acknowledged = new Set<number>();
  let n = 0;
  for (let round = 0; round < 5; round++) {
    let compacting = true;
    const client = async () => {
      while (compacting) {
        const k = ++n;
        if (await insertPair(db, k)) acknowledged.add(k);
      }
    };
    const clients = [client(), client(), client()];
    for (let i = 0; i < 3; i++) {
      await new Promise((done) => setTimeout(done, 5));
      await db.compact();
    }
    compacting = false;
    await Promise.all(clients);
    assert.deepEqual(pairs(db), acknowledged);
    db.close();
    db = Database.open(path);
    assert.deepEqual(pairs(db), acknowledged);
  }
});

test('a database that is closed while it is compacted keeps its file', async () => {
  const path = fresh('closed');
  const db = Database.open(path);
  for (let n = 1; n <= 50; n++) await insertPair(db, n);
  const compacting = assert.rejects(db.compact(), /given up/);
  db.close();
  await compacting;
  assert.equal(pairs(Database.open(path)).size, 50);
});
