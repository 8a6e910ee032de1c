/**
 * A typed replica of a database: follows a server, survives its restarts without missing a change
 * (monitor_cond_since resumes where it stopped), and makes transactions.
 */
import { messageOf, type TlsFiles, vlog } from '@heddle/runtime';
import { isArray, isObject, type Json } from '../notation/index.ts';
import { type DatabaseSchema, parseSchema } from '../schema/schema.ts';
import type { RowOf, SchemaConstant, TableName } from '../schema/typed.ts';
import { type AnyRow, Replica, type RowEvent } from './replica.ts';
import { RpcConnection, RpcError } from './rpc.ts';
import { IdlTxn } from './txn.ts';

const log = vlog.module('ovsdb_idl');
const MAX_BACKOFF_MS = 8000;

export type IdlRow<S extends SchemaConstant, T extends TableName<S>> = RowOf<S, T> & {
  readonly _uuid: string;
};

export interface IdlOptions<S extends SchemaConstant> {
  /** One remote, or several separated by commas, tried in turn. */
  readonly remote: string;
  /** Columns to follow, by table; every column of every table when absent. */
  readonly tables?: {
    readonly [T in TableName<S>]?: readonly (keyof S['tables'][T]['columns'] & string)[] | true;
  };
  /** A lock to hold (RFC 7047 4.1.8). */
  readonly lock?: string;
  readonly tls?: TlsFiles;
  /** Only servers that lead a cluster (or stand alone). */
  readonly leaderOnly?: boolean;
}

export class Idl<S extends SchemaConstant> {
  readonly schema: DatabaseSchema;
  readonly #options: IdlOptions<S>;
  readonly #replica: Replica;
  readonly #listeners = new Set<(events: readonly RowEvent[]) => void>();
  readonly #stateListeners = new Set<() => void>();
  #connection: RpcConnection | undefined;
  #timer: NodeJS.Timeout | undefined;
  #backoffMs = 0;
  #remoteIndex = 0;
  #lastId = '00000000-0000-0000-0000-000000000000';
  #version: 1 | 2 | 3 = 3;
  #synced = false;
  #locked = false;
  #closed = false;

  constructor(schema: S, options: IdlOptions<S>) {
    this.schema = parseSchema(schema as unknown as Json);
    this.#options = options;
    this.#replica = new Replica(this.schema);
  }

  /** Starts to follow the server; it goes on trying until `close`. */
  start(): this {
    void this.#connect();
    return this;
  }

  /** Whether the replica holds what a server had, and is connected to it now. */
  get synced(): boolean {
    return this.#synced && this.#connection?.isOpen === true;
  }

  /** Whether the lock that was asked for is ours (true when none was). */
  get hasLock(): boolean {
    return this.#options.lock === undefined || this.#locked;
  }

  rows<T extends TableName<S>>(table: T): IdlRow<S, T>[] {
    return [...this.#replica.tables.get(table)!.values()].map((r) => r.view as IdlRow<S, T>);
  }

  get<T extends TableName<S>>(table: T, uuid: string | undefined): IdlRow<S, T> | undefined {
    if (uuid === undefined) return undefined;
    return this.#replica.tables.get(table)!.get(uuid)?.view as IdlRow<S, T> | undefined;
  }

  /** Calls back once per batch of updates, after the replica has them. */
  onChange(listener: (events: readonly RowEvent[]) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Calls back when the connection, the first synchronisation or the lock change. */
  onState(listener: () => void): () => void {
    this.#stateListeners.add(listener);
    return () => void this.#stateListeners.delete(listener);
  }

  /** Resolves when the replica is complete for the first time (or again after a loss). */
  async whenSynced(signal?: AbortSignal): Promise<void> {
    if (this.synced) return;
    await new Promise<void>((resolve, reject) => {
      const stop = this.onState(() => {
        if (!this.synced) return;
        stop();
        resolve();
      });
      signal?.addEventListener('abort', () => {
        stop();
        reject(signal.reason);
      });
    });
  }

  txn(comment?: string): IdlTxn<S> {
    return new IdlTxn<S>(
      this.schema,
      this.#replica,
      (ops) => this.#transact(ops),
      comment,
      this.#options.lock,
    );
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#connection?.close();
  }

  #transact(ops: readonly Json[]): Promise<Json> {
    if (!this.#connection) return Promise.reject(new RpcError('not connected'));
    return this.#connection.request('transact', [this.schema.name, ...ops]);
  }

  async #connect(): Promise<void> {
    const remotes = this.#options.remote.split(/,(?=\w+:)/);
    const remote = remotes[this.#remoteIndex++ % remotes.length]!;
    try {
      const connection = await RpcConnection.open(remote, {
        notified: (method, params) => this.#notified(method, params),
        closed: () => this.#lost(remote),
        tls: this.#options.tls,
      });
      if (this.#closed) return connection.close();
      this.#connection = connection;
      log.info(`${remote}: connected`);
      await this.#begin(connection);
      this.#backoffMs = 0;
    } catch (error) {
      log.rl.info(`${remote}: ${messageOf(error)}`);
      if (this.#connection) this.#connection.close();
      else this.#retry();
    }
  }

  #lost(remote: string): void {
    log.info(`${remote}: connection closed`);
    this.#connection = undefined;
    this.#locked = false;
    this.#state();
    this.#retry();
  }

  #retry(): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#connect(), this.#backoffMs);
    this.#backoffMs = Math.min(Math.max(this.#backoffMs * 2, 250), MAX_BACKOFF_MS);
  }

  /** Monitors in the newest way that the server knows. */
  async #begin(connection: RpcConnection): Promise<void> {
    if (this.#options.leaderOnly) await this.#requireLeader(connection);
    if (this.#options.lock !== undefined) {
      const reply = await connection.request('lock', [this.#options.lock]);
      this.#locked = isObject(reply) && reply['locked'] === true;
    }
    const requests = await this.#requests(connection);
    for (;;) {
      try {
        await this.#monitor(connection, requests);
        break;
      } catch (error) {
        if (!(error instanceof RpcError) || error.error !== 'unknown method' || this.#version === 1)
          throw error;
        this.#version = this.#version === 3 ? 2 : 1;
      }
    }
    this.#synced = true;
    this.#state();
  }

  async #monitor(connection: RpcConnection, requests: Json): Promise<void> {
    const { name } = this.schema;
    if (this.#version === 3) {
      const reply = await connection.request('monitor_cond_since', [
        name,
        ['monid', name],
        requests,
        this.#lastId,
      ]);
      if (!isArray(reply) || reply.length !== 3)
        throw new RpcError('bad reply to monitor_cond_since');
      this.#lastId = String(reply[1]);
      this.#emit(
        reply[0] === true
          ? this.#replica.apply2(reply[2]!)
          : this.#replica.replaceAll(reply[2]!, 2),
      );
      return;
    }
    const method = this.#version === 2 ? 'monitor_cond' : 'monitor';
    const reply = await connection.request(method, [name, ['monid', name], requests]);
    this.#emit(this.#replica.replaceAll(reply, this.#version));
  }

  /** Asks only for what the server's schema has, too: it may be older than ours. */
  async #requests(connection: RpcConnection): Promise<Json> {
    const theirs = await connection.request('get_schema', [this.schema.name]);
    const tables = isObject(theirs) && isObject(theirs['tables']) ? theirs['tables'] : {};
    const requests: Record<string, Json> = {};
    const wanted = this.#options.tables as Record<string, readonly string[] | true> | undefined;
    for (const table of this.schema.tables.values()) {
      const want = wanted ? wanted[table.name] : true;
      const remote = tables[table.name];
      if (want === undefined || !isObject(remote) || !isObject(remote['columns'])) continue;
      const there = remote['columns'];
      const columns = (want === true ? table.columnList.map((c) => c.name) : want).filter(
        (c) => c in there,
      );
      requests[table.name] = [{ columns }];
    }
    return requests;
  }

  async #requireLeader(connection: RpcConnection): Promise<void> {
    const op = {
      op: 'select',
      table: 'Database',
      where: [['name', '==', this.schema.name]],
      columns: ['leader', 'model'],
    };
    const reply = await connection.request('transact', ['_Server', op]);
    const rows =
      isArray(reply) && isObject(reply[0]) && isArray(reply[0]['rows']) ? reply[0]['rows'] : [];
    const row = rows[0];
    if (isObject(row) && row['model'] === 'clustered' && row['leader'] !== true) {
      throw new RpcError('server is not the leader of its cluster');
    }
  }

  #notified(method: string, params: readonly Json[]): void {
    if (method === 'update3') {
      this.#lastId = String(params[1]);
      this.#emit(this.#replica.apply2(params[2] ?? null));
    } else if (method === 'update2') this.#emit(this.#replica.apply2(params[1] ?? null));
    else if (method === 'update') this.#emit(this.#replica.apply1(params[1] ?? null));
    else if (method === 'locked' || method === 'stolen') {
      this.#locked = method === 'locked';
      this.#state();
    }
  }

  #emit(events: readonly RowEvent[]): void {
    if (events.length > 0) for (const listener of this.#listeners) listener(events);
  }

  #state(): void {
    for (const listener of [...this.#stateListeners]) listener();
  }
}

export type { AnyRow, RowEvent };
