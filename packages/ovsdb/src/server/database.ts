/** A database that is served: its tables, its file, and what happens around a commit. */
import { randomUUID } from 'node:crypto';
import { HeddleError, messageOf, vlog } from '@heddle/runtime';
import { type ExecuteContext, execute } from '../engine/execute.ts';
import { Tables } from '../engine/table.ts';
import { applyChanges, type RowChange } from '../engine/transaction.ts';
import { encodeRecord } from '../file/format.ts';
import { LogFile } from '../file/log.ts';
import { applyRecord, changesToRecord, checkReferences, snapshotRecord } from '../file/record.ts';
import { ioError, type Json, OvsdbError } from '../notation/index.ts';
import { type DatabaseSchema, parseSchema, schemaToJson } from '../schema/schema.ts';

const log = vlog.module('ovsdb_server');
const HISTORY = 200;

/** A commit that is durable: what monitors and resuming clients are told of. */
export interface Commit {
  readonly id: string;
  readonly seqno: number;
  readonly changes: readonly RowChange[];
}

interface Pending {
  readonly commit: Commit;
  readonly record: Buffer | undefined;
  readonly done: (error?: OvsdbError) => void;
}

export class Database {
  readonly tables: Tables;
  readonly file: LogFile | undefined;
  /** Durable commits, latest last. */
  readonly history: Commit[] = [];
  readonly #listeners = new Set<(commit: Commit) => void>();
  readonly #retries = new Set<() => void>();
  #lastId = randomUUID();
  #seqno = 0;
  #pending: Pending[] = [];
  #writing = false;
  #writer: Promise<void> = Promise.resolve();

  constructor(schema: DatabaseSchema, file?: LogFile) {
    this.tables = new Tables(schema);
    this.file = file;
  }

  /** Opens a database file; throws HeddleError with the reason. */
  static open(path: string): Database {
    const { file, records } = LogFile.open(path);
    try {
      const db = new Database(parseSchema(records[0]!), file);
      for (const record of records.slice(1)) applyRecord(db.tables, record);
      checkReferences(db.tables);
      return db;
    } catch (error) {
      file.close();
      throw new HeddleError(`${path}: ${messageOf(error)}`);
    }
  }

  get name(): string {
    return this.tables.schema.name;
  }

  get schema(): DatabaseSchema {
    return this.tables.schema;
  }

  /** The id of the last commit applied, for monitor_cond_since. */
  get lastId(): string {
    return this.#lastId;
  }

  /** Grows with every commit applied, durable or not yet. */
  get seqno(): number {
    return this.#seqno;
  }

  /** Calls back for each commit once it is durable, in order. */
  onCommit(listener: (commit: Commit) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Runs a transaction; resolves with the reply's results when the commit is durable. */
  async transact(
    ops: readonly Json[],
    context: Omit<ExecuteContext, 'elapsedMs'>,
    signal?: AbortSignal,
  ): Promise<Json[]> {
    const start = performance.now();
    for (;;) {
      const outcome = execute(this.tables, ops, {
        ...context,
        elapsedMs: performance.now() - start,
      });
      if ('blocked' in outcome) {
        await this.#changed(outcome.timeoutMs - (performance.now() - start), signal);
        continue;
      }
      const { results, changes, comments } = outcome;
      if (changes.length === 0) return results;
      const error = await this.#commit(changes, comments.join('\n'));
      return error ? [...results, error.toJson()] : results;
    }
  }

  /** Applies changes that this server makes itself (the _Server database). */
  async change(ops: readonly Json[]): Promise<void> {
    await this.transact(ops, { ownsLock: () => true });
  }

  /** Compacts the file as soon as no write is under way. */
  compact(): Promise<void> {
    return this.whenQuiet(() => this.#compactNow());
  }

  /**
   * Runs `work`, which may replace the file, when it holds every change that the tables do: commits
   * that wait to be written are finished first.
   */
  async whenQuiet<T>(work: () => T): Promise<T> {
    while (this.#writing) await this.#writer;
    return work();
  }

  #compactNow(): void {
    const { file } = this;
    if (!file) return;
    file.compact([schemaToJson(this.schema), snapshotRecord(this.tables, Date.now())]);
    log.info(`${file.path}: compacted to ${file.bytes} bytes`);
  }

  close(): void {
    this.file?.close();
  }

  #commit(changes: RowChange[], comment: string): Promise<OvsdbError | undefined> {
    applyChanges(this.tables, changes);
    this.#seqno++;
    this.#lastId = randomUUID();
    const commit = { id: this.#lastId, seqno: this.#seqno, changes };
    const json =
      this.file && changesToRecord(changes, comment === '' ? undefined : comment, Date.now());
    return new Promise((resolve) => {
      this.#pending.push({ commit, record: json && encodeRecord(json), done: resolve });
      if (!this.#writing) this.#writer = this.#write();
    });
  }

  /** Group commit: one sync for all that has come in meanwhile. */
  async #write(): Promise<void> {
    this.#writing = true;
    while (this.#pending.length > 0) {
      const group = this.#pending;
      this.#pending = [];
      const records = group.flatMap((p) => (p.record ? [p.record] : []));
      try {
        if (records.length > 0) await this.file!.append(records);
      } catch (error) {
        this.#revert([...group, ...this.#pending.splice(0)], error);
        continue;
      }
      for (const p of group) this.#durable(p);
      if (this.#pending.length === 0) this.#compactIfWorthwhile();
    }
    this.#writing = false;
  }

  /** A compaction that fails leaves the file as it was. */
  #compactIfWorthwhile(): void {
    if (!this.file?.wantsCompaction) return;
    try {
      this.#compactNow();
    } catch (error) {
      log.rl.warn(`${this.file.path}: compacting failed: ${messageOf(error)}`);
    }
  }

  #durable({ commit, done }: Pending): void {
    this.history.push(commit);
    if (this.history.length > HISTORY) this.history.shift();
    for (const listener of this.#listeners) listener(commit);
    done();
    for (const retry of this.#retries) retry();
  }

  /** What could not be written did not happen: nor what came after it. */
  #revert(group: readonly Pending[], reason: unknown): void {
    const error = ioError(this.file?.path ?? this.name, 'write failed', reason);
    log.rl.err(error.message);
    for (const { commit } of group.toReversed()) {
      const inverse = commit.changes.map(({ table, uuid, old, now }) => ({
        table,
        uuid,
        old: now,
        now: old,
      }));
      applyChanges(this.tables, inverse);
    }
    for (const { done } of group) done(error);
  }

  #changed(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = () => {
        clearTimeout(timer);
        this.#retries.delete(finish);
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      const abort = () => {
        reject(new OvsdbError('canceled'));
        finish();
      };
      const timer = setTimeout(finish, Math.min(Math.max(timeoutMs, 0), 2 ** 31 - 1));
      this.#retries.add(finish);
      signal?.addEventListener('abort', abort);
      if (signal?.aborted) abort();
    });
  }
}
