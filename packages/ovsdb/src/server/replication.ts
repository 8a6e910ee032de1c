/**
 * The backup's side of the active-backup service model (ovsdb(7)): keeps the databases of this
 * server equal to those of an active one, over connections that come and go.
 */
import { HeddleError, messageOf, Reconnect, vlog } from '@heddle/runtime';
import { RpcConnection, RpcError } from '../idl/rpc.ts';
import { isArray, type Json } from '../notation/index.ts';
import { type DatabaseSchema, parseSchema } from '../schema/schema.ts';
import type { Database } from './database.ts';
import type { ExcludedTables } from './excluded-tables.ts';
import { readUpdates, replacing } from './replicated-rows.ts';
import type { OvsdbServer } from './server.ts';

const log = vlog.module('replication');

export interface ReplicationOptions {
  readonly active: string;
  readonly excluded: ExcludedTables;
  readonly probeMs: number;
  readonly maxBackoffMs?: number | undefined;
  /** Names of those to follow; undefined: all. */
  readonly databases?: ReadonlySet<string>;
  /** Called once when the server cannot be a backup any more: it has logged why. */
  readonly failed: () => void;
}

/** A database that follows the active server's. */
interface Following {
  readonly db: Database;
  /** Updates that came before the rows that they change have been taken in. */
  early: Json[] | undefined;
}

export class Replication {
  readonly #server: OvsdbServer;
  readonly #options: ReplicationOptions;
  readonly #reconnect: Reconnect;
  #connection: RpcConnection | undefined;
  #attempt: AbortController | undefined;
  readonly #following = new Map<string, Following>();
  #replicating = false;

  constructor(server: OvsdbServer, options: ReplicationOptions) {
    this.#server = server;
    this.#options = options;
    this.#reconnect = new Reconnect(
      options.active,
      {
        connect: () => void this.#connect(),
        probe: () => {},
        disconnect: () => this.#disconnect(),
      },
      // The connection probes by itself.
      {
        probeMs: 0,
        ...(options.maxBackoffMs === undefined ? {} : { maxBackoffMs: options.maxBackoffMs }),
      },
    );
    this.#reconnect.start();
  }

  /** What `ovsdb-server/sync-status` says of it. */
  status(): string {
    const { active, excluded } = this.#options;
    if (!this.#replicating) return `connecting: ${active}\n`;
    const names = [...this.#following.keys()].sort().join(', ');
    const excludes = excluded.isEmpty ? '' : `exclude: ${excluded}\n`;
    return `replicating: ${active}\n${names === '' ? '' : `database: ${names}\n`}${excludes}`;
  }

  stop(): void {
    this.#reconnect.stop();
    this.#disconnect();
  }

  #disconnect(): void {
    this.#replicating = false;
    this.#following.clear();
    this.#attempt?.abort();
    this.#connection?.close();
    this.#connection = undefined;
  }

  async #connect(): Promise<void> {
    const attempt = new AbortController();
    this.#attempt = attempt;
    let connection: RpcConnection;
    try {
      connection = await RpcConnection.open(this.#options.active, {
        tls: this.#server.tls,
        signal: attempt.signal,
        probeIntervalMs: this.#options.probeMs,
        notified: (method, params) => this.#notified(method, params),
        closed: (error) => this.#closed(connection, error),
      });
    } catch (error) {
      if (!attempt.signal.aborted) this.#reconnect.failed(connectError(error));
      return;
    }
    if (attempt.signal.aborted) return connection.close();
    this.#connection = connection;
    this.#reconnect.connected();
    try {
      await this.#follow(connection);
    } catch (error) {
      if (connection.isOpen && this.#connection === connection) this.#giveUp(messageOf(error));
    }
  }

  #closed(connection: RpcConnection, error: Error | undefined): void {
    if (this.#connection !== connection) return;
    this.#disconnect();
    this.#reconnect.failed(error ? error.message : undefined);
  }

  #giveUp(why: string): void {
    vlog.module('ovsdb_error').err(`unexpected ovsdb error: ${why}`);
    this.stop();
    this.#options.failed();
  }

  async #follow(connection: RpcConnection): Promise<void> {
    if ((await connection.request('get_server_id', [])) === this.#server.serverId) {
      throw new HeddleError('Server ID check failed: Self replicating is not allowed');
    }
    const databases = await this.#replicable(connection);
    if (databases.size === 0) {
      log.warn('Nothing to replicate.');
      this.stop();
      this.#options.failed();
      return;
    }
    const found = await Promise.all(
      [...databases].map(([db, tables]) => this.#monitor(connection, db, tables)),
    );
    if (this.#connection === connection) this.#replicating = found.every(Boolean);
  }

  /** Takes the database over; false when the active server lacks it. It cuts us off if it gets it. */
  async #monitor(
    connection: RpcConnection,
    db: Database,
    tables: readonly string[],
  ): Promise<boolean> {
    const requests = Object.fromEntries(tables.map((name) => [name, [{}]]));
    const following: Following = { db, early: [] };
    this.#following.set(db.name, following);
    try {
      const rows = await connection.request('monitor', [db.name, db.name, requests]);
      if (this.#following.get(db.name) !== following) return false;
      log.info('Monitor request received. Resetting the database');
      const reset = db.apply(replacing(db.tables, tables, readUpdates(db.tables, rows)));
      for (const update of following.early ?? []) this.#update(following, update);
      following.early = undefined;
      await reset;
      return true;
    } catch (error) {
      this.#following.delete(db.name);
      if (!(error instanceof RpcError)) throw error;
      return false;
    }
  }

  /**
   * Our databases with the tables to follow, but those whose schema has no place for all that the
   * active server has.
   */
  async #replicable(connection: RpcConnection): Promise<Map<Database, string[]>> {
    const theirs = await connection.request('list_dbs', []);
    const out = new Map<Database, string[]>();
    for (const db of this.#server.databases.values()) {
      if (db.name === '_Server' || this.#options.databases?.has(db.name) === false) continue;
      let { schema } = db;
      if (isArray(theirs) && theirs.includes(db.name)) {
        schema = parseSchema(await connection.request('get_schema', [db.name]));
        if (!fits(schema, db.schema)) continue;
      }
      const names = [...schema.tables.keys()].filter((table) => db.schema.tables.has(table));
      const followed = names.filter((table) => !this.#options.excluded.has(db.name, table));
      out.set(db, followed);
    }
    return out;
  }

  #notified(method: string, params: readonly Json[]): void {
    const following = typeof params[0] === 'string' ? this.#following.get(params[0]) : undefined;
    if (method !== 'update' || !following) return;
    const updates = params[1] ?? null;
    if (following.early) following.early.push(updates);
    else this.#update(following, updates);
  }

  #update(following: Following, updates: Json): void {
    const { db } = following;
    const applied = async () => db.apply(readUpdates(db.tables, updates));
    applied().catch((error: unknown) => {
      if (this.#following.get(db.name) === following) this.#giveUp(messageOf(error));
    });
  }
}

function connectError(error: unknown): string {
  const text = messageOf(error);
  return text.endsWith('not an active connection method')
    ? 'Address family not supported by protocol'
    : text;
}

function fits(theirs: DatabaseSchema, ours: DatabaseSchema): boolean {
  if (theirs.version === ours.version) return true;
  const { name } = ours;
  log.info(`Schema version mismatch, checking if ${name} can still be replicated or not.`);
  for (const table of theirs.tables.values()) {
    const local = ours.tables.get(table.name);
    if (!local) log.info(`Table ${table.name} not present in the local db schema.`);
    for (const column of local ? table.columns.keys() : []) {
      if (local!.columns.has(column)) continue;
      log.info(`Column ${column} not present in the local db schema table ${table.name}.`);
      log.info(`${name} cannot be replicated.`);
      return false;
    }
    if (local) continue;
    log.info(`${name} cannot be replicated.`);
    return false;
  }
  log.info(`${name} can be replicated.`);
  return true;
}
