/**
 * A typed replica of a database: follows a server, survives its restarts without missing a change
 * (monitor_cond_since resumes where it stopped), and makes transactions.
 */
import { HeddleError, messageOf } from '@heddle/runtime/errors';
import type { TlsFiles } from '@heddle/runtime/remote';
import { vlog } from '@heddle/runtime/vlog';
import type { Json } from '../notation/index.ts';
import { type DatabaseSchema, parseSchema } from '../schema/schema.ts';
import type { RowOf, SchemaConstant, TableName } from '../schema/typed.ts';
import { Follower } from './follower.ts';
import { IdlLock } from './lock.ts';
import { Replica, type RowEvent } from './replica.ts';
import { RpcConnection } from './rpc.ts';
import { type CommitResult, IdlTxn } from './txn.ts';

const log = vlog.module('ovsdb_idl');
const MIN_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 8000;
const CONNECT_TIMEOUT_MS = 5000;
const PROBE_INTERVAL_MS = 5000;

export type IdlRow<S extends SchemaConstant, T extends TableName<S>> = RowOf<S, T> & {
  readonly _uuid: string;
};

export interface IdlOptions<S extends SchemaConstant> {
  /** One remote, or several separated by commas, tried in turn. */
  readonly remote: string;
  /**
   * Columns to follow, by table; every column of every table when absent. A column that is not
   * followed, or that the server does not know, has its default value in every row.
   */
  readonly tables?: {
    readonly [T in TableName<S>]?: readonly (keyof S['tables'][T]['columns'] & string)[] | true;
  };
  /** A lock to hold (RFC 7047 4.1.8). Transactions then assert that we do. */
  readonly lock?: string;
  readonly tls?: TlsFiles;
  /** Of a cluster, only the server that leads it; always one that is in touch with it. */
  readonly leaderOnly?: boolean;
  /** How long the server may be silent before it is asked for an echo (default 5000, 0 never). */
  readonly probeIntervalMs?: number;
}

/**
 * `rows`, `get` ... show the newest state that the server told, whole transactions only; without a
 * connection, the last one. A row never changes: a changed row is a new object.
 */
export class Idl<S extends SchemaConstant> {
  readonly schema: DatabaseSchema;
  readonly #options: IdlOptions<S>;
  readonly #replica: Replica;
  readonly #follower: Follower;
  readonly #lock: IdlLock;
  readonly #listeners = new Set<(events: readonly RowEvent[]) => void>();
  readonly #stateListeners = new Set<() => void>();
  readonly #remotes: readonly string[];
  readonly #ended = new AbortController();
  #connection: RpcConnection | undefined;
  #timer: NodeJS.Timeout | undefined;
  #backoffMs = 0;
  #remoteIndex = 0;
  #seqno = 0;
  #synced = false;

  constructor(schema: S, options: IdlOptions<S>) {
    this.schema = parseSchema(schema as unknown as Json);
    this.#options = options;
    this.#remotes = options.remote.split(/,(?=\w+:)/);
    this.#replica = new Replica(this.schema);
    this.#lock = new IdlLock(options.lock);
    this.#follower = new Follower(this.#replica, {
      tables: options.tables as Record<string, readonly string[] | true> | undefined,
      leaderOnly: options.leaderOnly ?? false,
    });
  }

  /** Starts to follow the server; it goes on trying until `close`. */
  start(): this {
    void this.#connect();
    return this;
  }

  /** Whether the replica holds what a server had, and is connected to it now. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Whether the lock that was asked for is ours (true when none was). */
  get hasLock(): boolean {
    return this.#lock.held;
  }

  /** Whether another client holds the lock that was asked for. */
  get lockContended(): boolean {
    return this.#lock.contended;
  }

  /** Grows with every change of the replica. */
  get seqno(): number {
    return this.#seqno;
  }

  rows<T extends TableName<S>>(table: T): IdlRow<S, T>[] {
    return [...this.#table(table).values()].map((r) => r.view as IdlRow<S, T>);
  }

  get<T extends TableName<S>>(table: T, uuid: string | undefined): IdlRow<S, T> | undefined {
    if (uuid === undefined) return undefined;
    return this.#table(table).get(uuid)?.view as IdlRow<S, T> | undefined;
  }

  /** The rows that references name, without those that are not there. */
  deref<T extends TableName<S>>(
    table: T,
    refs: string | undefined | Iterable<string>,
  ): IdlRow<S, T>[] {
    const uuids = refs === undefined ? [] : typeof refs === 'string' ? [refs] : [...refs];
    return uuids.map((uuid) => this.get(table, uuid)).filter((row) => row !== undefined);
  }

  /** A row of default values, which is not in the database; its uuid is empty. */
  blank<T extends TableName<S>>(table: T): IdlRow<S, T> {
    return this.#replica.blank(table) as IdlRow<S, T>;
  }

  /** The only row of a table like Open_vSwitch. */
  first<T extends TableName<S>>(table: T): IdlRow<S, T> | undefined {
    const [row] = this.#table(table).values();
    return row?.view as IdlRow<S, T> | undefined;
  }

  /** Whether the server that was last connected to knows the table, and in it the column. */
  serverHas<T extends TableName<S>>(
    table: T,
    column?: keyof S['tables'][T]['columns'] & string,
  ): boolean {
    return this.#follower.serverHas(table, column);
  }

  /**
   * Calls back once per transaction of the database, after the replica has it; also for the first
   * rows. After a reconnection only what differs is told.
   */
  onChange(listener: (events: readonly RowEvent[]) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Calls back when the connection, the synchronisation or the lock change. */
  onState(listener: () => void): () => void {
    this.#stateListeners.add(listener);
    return () => void this.#stateListeners.delete(listener);
  }

  /** Resolves when the replica is complete and connected. */
  async whenSynced(signal?: AbortSignal): Promise<void> {
    await this.#until(() => this.#synced, this.#stateListeners, signal);
  }

  /** Resolves when `seqno` is another than this. */
  async changed(seqno: number, signal?: AbortSignal): Promise<void> {
    await this.#until(() => this.#seqno !== seqno, this.#listeners, signal);
  }

  txn(comment?: string): IdlTxn<S> {
    return new IdlTxn<S>(
      this.schema,
      this.#replica,
      this.#follower,
      (ops) => this.#transact(ops),
      comment,
      this.#options.lock,
    );
  }

  /**
   * Commits what `build` puts into a transaction, and builds it anew from the newest rows as long
   * as the outcome is `try-again`. After a lost connection the first try may have been done:
   * `build` looks at the rows, and writes what they still lack. Waits for the lock, too.
   */
  async transact(
    build: (txn: IdlTxn<S>) => void,
    options: { comment?: string; signal?: AbortSignal } = {},
  ): Promise<CommitResult> {
    const { comment, signal } = options;
    for (;;) {
      await this.#until(() => this.#synced && this.hasLock, this.#stateListeners, signal);
      const txn = this.txn(comment);
      build(txn);
      const seqno = this.#seqno;
      const result = await txn.commit();
      if (result.status !== 'try-again') return result;
      if (this.#synced && this.#seqno === seqno) await delay(RETRY_MS, signal);
    }
  }

  /** Drops the connection and makes another. */
  reconnect(): void {
    this.#connection?.close();
  }

  close(): void {
    this.#ended.abort(new HeddleError('replica closed'));
    clearTimeout(this.#timer);
    this.#connection?.close();
  }

  #table(name: string) {
    const table = this.#replica.tables.get(name);
    if (!table) throw new TypeError(`no table ${name} in ${this.schema.name}`);
    return table;
  }

  #transact(ops: readonly Json[]): Promise<Json> {
    if (!this.#connection) return Promise.reject(new HeddleError('not connected'));
    return this.#connection.request('transact', [this.schema.name, ...ops]);
  }

  async #connect(): Promise<void> {
    const remote = this.#remotes[this.#remoteIndex++ % this.#remotes.length]!;
    const { probeIntervalMs = PROBE_INTERVAL_MS, tls } = this.#options;
    const { signal } = this.#ended;
    let connection: RpcConnection | undefined;
    try {
      connection = await RpcConnection.open(remote, {
        notified: (method, params) => this.#notified(method, params),
        closed: (error) => this.#lost(remote, error),
        tls,
        probeIntervalMs,
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        signal,
      });
      if (signal.aborted) return connection.close();
      this.#connection = connection;
      log.info(`${remote}: connected`);
      await this.#lock.request(connection);
      this.#emit(await this.#follower.start(connection));
      if (!connection.isOpen) return;
      this.#synced = true;
      this.#backoffMs = 0;
      this.#state();
    } catch (error) {
      if (signal.aborted) return;
      log.rl.info(`${remote}: ${messageOf(error)}`);
      if (connection) connection.close();
      else this.#retry();
    }
  }

  #lost(remote: string, error: Error | undefined): void {
    if (!this.#ended.signal.aborted) {
      log.info(`${remote}: ${error ? messageOf(error) : 'connection closed by peer'}`);
    }
    this.#connection = undefined;
    this.#synced = false;
    this.#lock.lost();
    this.#state();
    this.#retry();
  }

  /** The next remote at once, and after a round of them all a pause that grows. */
  #retry(): void {
    if (this.#ended.signal.aborted) return;
    clearTimeout(this.#timer);
    const roundDone = this.#remoteIndex % this.#remotes.length === 0;
    this.#timer = setTimeout(() => void this.#connect(), roundDone ? this.#backoffMs : 0);
    if (roundDone)
      this.#backoffMs = Math.min(Math.max(this.#backoffMs * 2, MIN_BACKOFF_MS), MAX_BACKOFF_MS);
  }

  /** A throw here drops the connection: the follower then starts from scratch. */
  #notified(method: string, params: readonly Json[]): void {
    if (this.#lock.notified(method, params)) this.#state();
    else this.#emit(this.#follower.notified(method, params));
  }

  #emit(events: readonly RowEvent[]): void {
    if (events.length === 0) return;
    this.#seqno++;
    for (const listener of [...this.#listeners]) call(() => listener(events));
  }

  #state(): void {
    for (const listener of [...this.#stateListeners]) call(listener);
  }

  /** Resolves when `done`, looked at whenever `listeners` are told. */
  #until(
    done: () => boolean,
    listeners: Set<() => void> | Set<(events: readonly RowEvent[]) => void>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (done()) return Promise.resolve();
    const either = signal ? AbortSignal.any([signal, this.#ended.signal]) : this.#ended.signal;
    return new Promise((resolve, reject) => {
      const stop = () => {
        (listeners as Set<() => void>).delete(look);
        either.removeEventListener('abort', aborted);
      };
      const look = () => {
        if (!done()) return;
        stop();
        resolve();
      };
      const aborted = () => {
        stop();
        reject(either.reason);
      };
      if (either.aborted) return aborted();
      either.addEventListener('abort', aborted);
      (listeners as Set<() => void>).add(look);
    });
  }
}

/** A listener that throws is a bug of its own, not the server's: it must not cost the connection. */
function call(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** A verified column has changed, but the news of it is still on its way. */
const RETRY_MS = 20;

function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}

export type { RowEvent };
