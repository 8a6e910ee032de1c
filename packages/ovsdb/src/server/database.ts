/** A database that is served: its tables, its file, and what happens around a commit. */
import { coverage, messageOf, vlog } from '@heddle/runtime';
import { type ExecuteContext, execute } from '../engine/execute.ts';
import { type RowsOf, rowsBefore } from '../engine/rows-before.ts';
import { Tables } from '../engine/table.ts';
import { applyChanges, type RowChange, Transaction } from '../engine/transaction.ts';
import { encodeGroup } from '../file/format.ts';
import { loadTables } from '../file/load.ts';
import { LogFile } from '../file/log.ts';
import { changesToText, snapshotPieces } from '../file/record.ts';
import type { LogStorage } from '../file/storage.ts';
import {
  datumSize,
  differenceSize,
  ioError,
  type Json,
  newUuid,
  OvsdbError,
} from '../notation/index.ts';
import { type DatabaseSchema, schemaToJson } from '../schema/schema.ts';
import type { Cancellation } from './cancellation.ts';

const log = vlog.module('ovsdb_server');
const transactions = coverage.counter('ovsdb_transact');
const commits = coverage.counter('ovsdb_commit');
const reverted = coverage.counter('ovsdb_commit_failed');
const waits = coverage.counter('ovsdb_wait');
const compactions = coverage.counter('ovsdb_compact');
/** Upstream keeps as many. */
const MAX_HISTORY = 100;
/** The history holds no more elements of sets and maps than this, or than a few per row. */
const MIN_HISTORY_ELEMENTS = 20_000;
const HISTORY_ELEMENTS_PER_ROW = 4;

/** A commit that is durable: what monitors and resuming clients are told of. */
export interface Commit {
  readonly id: string;
  readonly changes: readonly RowChange[];
}

/** What a client is told when its transaction is durable. */
export interface Answer {
  readonly text: string;
  /** Its socket, where that may be sent the text right behind the sync; undefined when it may not. */
  readonly fd: number | undefined;
  /** Sends what has not been sent to `fd`; `sent` as `DirectSockets.send` returns it, 0 for nothing. */
  send(sent: number): void;
}

interface Pending {
  /** undefined for a transaction that has changed nothing, and may have read what others have. */
  readonly commit: Commit | undefined;
  /** The JSON text of the record; undefined when there is nothing for the file. */
  readonly record: string | undefined;
  /** `sent`: see `Answer`. */
  readonly done: (error?: OvsdbError, sent?: number) => void;
}

interface Compacting {
  readonly promise: Promise<void>;
  readonly cancel: () => void;
}

export class Database {
  readonly tables: Tables;
  readonly file: LogFile | undefined;
  /** Durable commits, latest last. */
  readonly history: Commit[] = [];
  /** How much of each the history keeps alive, and in all. */
  readonly #historySizes: number[] = [];
  #historyElements = 0;
  readonly #listeners = new Set<(commit: Commit) => void>();
  readonly #retries = new Set<() => void>();
  readonly #firstId: string = newUuid();
  #lastId = this.#firstId;
  /** Commits have fallen out of the history. */
  #forgets = false;
  /** Applied, and not yet durable: first those that are being written, then those that wait. */
  #writing: Pending[] = [];
  #pending: Pending[] = [];
  /** What must happen between two writes. */
  #betweenWrites: (() => Promise<void>)[] = [];
  #awake = false;
  #compacting: Compacting | undefined;
  #closed = false;

  constructor(tables: Tables | DatabaseSchema, file?: LogFile) {
    this.tables = tables instanceof Tables ? tables : new Tables(tables);
    this.file = file;
  }

  /** Opens a database file; throws HeddleError with the reason. */
  static open(path: string, storage?: LogStorage): Database {
    let tables: Tables | undefined;
    const read = (bytes: Buffer) => {
      const loaded = loadTables(path, bytes);
      tables = loaded.tables;
      return loaded;
    };
    const file = LogFile.load(path, read, storage);
    return new Database(tables!, file);
  }

  get name(): string {
    return this.tables.schema.name;
  }

  get schema(): DatabaseSchema {
    return this.tables.schema;
  }

  /** The id of the last durable commit, for monitor_cond_since. */
  get lastId(): string {
    return this.#lastId;
  }

  /** Where in the history begins what came after a commit; undefined when that is not known. */
  historyAfter(id: string): number | undefined {
    // Before the first commit there was what the file held.
    if (id === this.#firstId) return this.#forgets ? undefined : 0;
    const at = this.history.findIndex((commit) => commit.id === id);
    return at < 0 ? undefined : at + 1;
  }

  /** The rows that are durable: those that whoever listens to commits has been told of. */
  durableRows(): RowsOf {
    const pending = [...this.#writing, ...this.#pending];
    return rowsBefore(pending.flatMap(({ commit }) => commit?.changes ?? []));
  }

  /** Calls back for each commit once it is durable, in order. */
  onCommit(listener: (commit: Commit) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Runs a transaction; resolves with the reply's results when the commit is durable, and so are
   * those whose changes it may have read.
   */
  async transact(
    ops: readonly Json[],
    context: ExecuteContext,
    cancellation?: Cancellation,
  ): Promise<Json[]> {
    transactions.add();
    let start: number | undefined;
    for (;;) {
      const elapsedMs = start === undefined ? 0 : performance.now() - start;
      const outcome = execute(this.tables, ops, context, elapsedMs);
      if ('blocked' in outcome) {
        start ??= performance.now();
        waits.add();
        await this.#changed(outcome.timeoutMs - elapsedMs, cancellation);
        continue;
      }
      const { results, changes, comments } = outcome;
      if (changes.length === 0) {
        if (await this.#settled()) return results;
        continue;
      }
      const error = await this.#commit(changes, comments.join('\n'));
      return error ? [...results, error.toJson()] : results;
    }
  }

  /**
   * As `transact`, while everything else waits, for a client that is the only one to ask for
   * anything. `prepare` makes of the results what is sent once they are durable: a sync
   * leaves the processor's caches cold, so that what can be done before costs less there. Returns
   * false, with nothing done, when the transaction itself has to wait for something.
   */
  transactNow(
    ops: readonly Json[],
    context: ExecuteContext,
    prepare: (results: Json[]) => Answer,
  ): boolean {
    const idle = this.#writing.length === 0 && this.#pending.length === 0 && !this.#awake;
    if (!idle || this.file?.isFast(1) === false) return false;
    const outcome = execute(this.tables, ops, context);
    if ('blocked' in outcome) return false;
    transactions.add();
    const { results, changes, comments } = outcome;
    const answer = prepare(results);
    if (changes.length === 0) answer.send(0);
    else {
      this.#apply(changes, comments.join('\n'), newUuid(), (error, sent = 0) => {
        if (error) prepare([...results, error.toJson()]).send(0);
        else answer.send(sent);
      });
      this.#writeNow(answer);
      this.#compactIfWanted();
    }
    return true;
  }

  /** Applies changes that this server makes itself (the _Server database). */
  async change(ops: readonly Json[]): Promise<void> {
    await this.transact(ops, { ownsLock: () => true });
  }

  /**
   * Makes changes that another server has made, under the id that it has given them if known;
   * throws OvsdbError where they break the schema.
   */
  async apply(changes: readonly RowChange[], id?: string): Promise<void> {
    const txn = new Transaction(this.tables);
    for (const { table, uuid, now } of changes) {
      if (now) txn.put(table, now);
      else txn.remove(table, uuid);
    }
    const prepared = txn.prepare();
    const error = prepared.length > 0 ? await this.#commit(prepared, '', id) : undefined;
    if (error) throw error;
  }

  /** Compacts the file, while transactions go on. */
  compact(): Promise<void> {
    if (!this.file || this.#closed) return Promise.resolve();
    this.#compacting ??= this.#startCompaction(this.file);
    return this.#compacting.promise;
  }

  #startCompaction(file: LogFile): Compacting {
    const snapshot = snapshotPieces(this.tables, this.durableRows(), Date.now());
    const compaction = file.startCompaction(schemaToJson(this.schema), snapshot);
    const work = async () => {
      try {
        await compaction.write();
        await compaction.catchUp(file.bytes);
        await this.#between(() => file.finishCompaction(compaction));
        compactions.add();
        log.info(`${file.path}: compacted to ${file.bytes} bytes`);
      } finally {
        await compaction.discard();
        this.#compacting = undefined;
      }
    };
    return { promise: work(), cancel: () => compaction.cancel() };
  }

  /**
   * Runs `work`, which may replace the file, when it holds every change that the tables do: commits
   * that wait to be written are finished first.
   */
  whenQuiet<T>(work: () => T | Promise<T>): Promise<T> {
    return this.#between(async () => {
      this.#compacting?.cancel();
      this.#writeNow();
      return work();
    });
  }

  #between<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#betweenWrites.push(() => work().then(resolve, reject));
      this.#wake();
    });
  }

  close(): void {
    this.#closed = true;
    this.#compacting?.cancel();
    this.file?.close();
  }

  #commit(
    changes: RowChange[],
    comment: string,
    id: string = newUuid(),
  ): Promise<OvsdbError | undefined> {
    return new Promise((done) => {
      this.#apply(changes, comment, id, done);
      this.#wake();
    });
  }

  #apply(changes: RowChange[], comment: string, id: string, done: Pending['done']): void {
    applyChanges(this.tables, changes);
    const record =
      this.file && changesToText(changes, comment === '' ? undefined : comment, Date.now());
    this.#pending.push({ commit: { id, changes }, record, done });
  }

  /** Waits for all commits up to now; tells whether they are durable, or else did not happen. */
  async #settled(): Promise<boolean> {
    if (this.#writing.length === 0 && this.#pending.length === 0) return true;
    const error = await new Promise<OvsdbError | undefined>((done) => {
      this.#pending.push({ commit: undefined, record: undefined, done });
      this.#wake();
    });
    return error === undefined;
  }

  /** All that this turn of the event loop brings is written with one sync. */
  #wake(): void {
    if (this.#awake) return;
    this.#awake = true;
    setImmediate(() => void this.#write());
  }

  async #write(): Promise<void> {
    for (;;) {
      const work = this.#betweenWrites.shift();
      if (work) await work();
      else if (this.#pending.length === 0) break;
      else if (!this.file || this.file.isFast(this.#pending.length)) this.#writeNow();
      else await this.#writeGroup(this.file);
    }
    this.#awake = false;
    this.#compactIfWanted();
  }

  #compactIfWanted(): void {
    if (!this.file?.wantsCompaction || this.#compacting) return;
    const { path } = this.file;
    this.compact().catch((error: unknown) => {
      // The file is as it was.
      if (!this.#closed) log.rl.warn(`${path}: compacting failed: ${messageOf(error)}`);
    });
  }

  /** Group commit: one sync for all that has come in meanwhile. */
  async #writeGroup(file: LogFile): Promise<void> {
    const group = this.#takePending();
    try {
      const records = recordsOf(group);
      if (records.length > 0) await file.append(encodeGroup(records, file.alignment));
    } catch (error) {
      this.#revert([...group, ...this.#takePending()], error);
      return;
    }
    this.#finish(group);
  }

  #writeNow(answer?: Answer): void {
    const group = this.#takePending();
    let sent = 0;
    try {
      const records = recordsOf(group);
      if (records.length > 0) sent = this.file!.appendNow(records, answer);
    } catch (error) {
      this.#revert(group, error);
      return;
    }
    this.#finish(group, sent);
  }

  #takePending(): Pending[] {
    this.#writing = this.#pending;
    this.#pending = [];
    return this.#writing;
  }

  #finish(group: readonly Pending[], sent = 0): void {
    this.#writing = [];
    for (const p of group) this.#durable(p, sent);
  }

  #durable({ commit, done }: Pending, sent: number): void {
    if (!commit) {
      done();
      return;
    }
    this.#lastId = commit.id;
    for (const listener of this.#listeners) listener(commit);
    done(undefined, sent);
    commits.add();
    this.#remember(commit);
    for (const retry of this.#retries) retry();
  }

  #remember(commit: Commit): void {
    const size = elements(commit);
    this.history.push(commit);
    this.#historySizes.push(size);
    this.#historyElements += size;
    while (this.history.length > MAX_HISTORY || this.#remembersTooMuch()) {
      this.history.shift();
      this.#forgets = true;
      this.#historyElements -= this.#historySizes.shift()!;
    }
  }

  #remembersTooMuch(): boolean {
    const elements = this.#historyElements;
    if (elements <= MIN_HISTORY_ELEMENTS) return false;
    return elements > this.tables.rowCount * HISTORY_ELEMENTS_PER_ROW;
  }

  /** What could not be written did not happen: nor what came after it. */
  #revert(group: readonly Pending[], reason: unknown): void {
    this.#writing = [];
    const error = ioError(this.file?.path ?? this.name, 'write failed', reason);
    log.rl.err(error.message);
    for (const { commit } of group.toReversed()) {
      if (commit) reverted.add();
      const inverse = (commit?.changes ?? []).map(({ table, uuid, old, now }) => ({
        table,
        uuid,
        old: now,
        now: old,
      }));
      applyChanges(this.tables, inverse);
    }
    for (const { done } of group) done(error);
  }

  #changed(timeoutMs: number, cancellation: Cancellation | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = () => {
        clearTimeout(timer);
        this.#retries.delete(finish);
        cancellation?.onCancel(undefined);
        resolve();
      };
      const cancel = () => {
        reject(new OvsdbError('canceled'));
        finish();
      };
      const timer = setTimeout(finish, Math.min(Math.max(timeoutMs, 0), 2 ** 31 - 1));
      this.#retries.add(finish);
      cancellation?.onCancel(cancel);
      if (cancellation?.cancelled) cancel();
    });
  }
}

function recordsOf(group: readonly Pending[]): string[] {
  const records: string[] = [];
  for (const { record } of group) if (record !== undefined) records.push(record);
  return records;
}

/**
 * The elements of the datums that a commit keeps in memory: those that it has replaced, but for what
 * they share with what is there now. New rows are there anyway.
 */
function elements({ changes }: Commit): number {
  let n = 0;
  for (const { old, now } of changes) {
    if (!old) continue;
    const { data } = old;
    for (let i = 0; i < data.length; i++) {
      if (!now) n += datumSize(data[i]!);
      else if (now.data[i] !== data[i]) n += differenceSize(data[i]!, now.data[i]!);
    }
  }
  return n;
}
