/** Keeps a replica equal to a server's database, by the newest kind of monitor that it knows. */
import { HeddleError } from '@heddle/runtime/errors';
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  printJson,
  ZERO_UUID,
} from '../notation/index.ts';
import type { Replica, RowEvent } from './replica.ts';
import { type RpcConnection, RpcError } from './rpc.ts';

export interface FollowOptions {
  readonly tables: Readonly<Record<string, readonly string[] | true>> | undefined;
  readonly leaderOnly: boolean;
}

/** monitor_cond_since, monitor_cond, monitor. */
type MonitorVersion = 3 | 2 | 1;

const SERVER_DATABASE = '_Server';

export class Follower {
  readonly #replica: Replica;
  readonly #options: FollowOptions;
  /** Of the last update that the replica holds whole. */
  #lastId = ZERO_UUID;
  /** The server's tables and their columns. */
  #there = new Map<string, ReadonlySet<string>>();
  #followed = new Map<string, ReadonlySet<string>>();
  /** The newest entry of each cluster's log that a server has told us of, by the cluster's id. */
  readonly #newest = new Map<string, number>();
  /** Rows of _Server's Database, by uuid. */
  #databases = new Map<string, JsonObject>();

  constructor(replica: Replica, options: FollowOptions) {
    this.#replica = replica;
    this.#options = options;
  }

  serverHas(table: string, column?: string): boolean {
    const columns = this.#there.get(table);
    return columns !== undefined && (column === undefined || columns.has(column));
  }

  /** Whether a column of ours is known not to be there. */
  serverLacks(table: string, column: string): boolean {
    return this.#there.size > 0 && !this.serverHas(table, column);
  }

  /** Whether the replica's values of the column are the server's. */
  follows(table: string, column: string): boolean {
    return this.#followed.get(table)?.has(column) === true;
  }

  /** Brings the replica up to date, and has the server tell what changes from now on. */
  async start(connection: RpcConnection): Promise<RowEvent[]> {
    await this.#watchCluster(connection);
    const requests = await this.#requests(connection);
    for (let version: MonitorVersion = 3; ; version--) {
      try {
        return await this.#monitor(connection, requests, version as MonitorVersion);
      } catch (error) {
        if (!isUnknownMethod(error) || version === 1) throw error;
      }
    }
  }

  /** Throws when the connection must be given up. */
  notified(method: string, params: readonly Json[]): RowEvent[] {
    const [id, second, third] = params;
    if (isArray(id) && id[1] === SERVER_DATABASE) {
      this.#updateCluster(second ?? null);
      this.#checkCluster();
      return [];
    }
    switch (method) {
      case 'update3':
        return this.#apply(String(second), () => this.#replica.apply2(third ?? null));
      case 'update2':
        return this.#apply(ZERO_UUID, () => this.#replica.apply2(second ?? null));
      case 'update':
        return this.#apply(ZERO_UUID, () => this.#replica.apply1(second ?? null));
      case 'monitor_canceled':
        throw new HeddleError('the server has canceled the monitor');
      default:
        return [];
    }
  }

  /** A replica that holds half of an update has no id to resume from. */
  #apply(lastId: string, apply: () => RowEvent[]): RowEvent[] {
    this.#lastId = ZERO_UUID;
    const events = apply();
    this.#lastId = lastId;
    return events;
  }

  async #monitor(
    connection: RpcConnection,
    requests: Json,
    version: MonitorVersion,
  ): Promise<RowEvent[]> {
    const { name } = this.#replica.schema;
    if (version === 3) {
      const params = [name, ['monid', name], requests, this.#lastId];
      const reply = await connection.request('monitor_cond_since', params);
      if (!isArray(reply) || reply.length !== 3) {
        throw new HeddleError('malformed reply to monitor_cond_since');
      }
      const [found, lastId, updates = null] = reply;
      return this.#apply(String(lastId), () =>
        found === true ? this.#replica.apply2(updates) : this.#replica.replaceAll(updates, 2),
      );
    }
    const method = version === 2 ? 'monitor_cond' : 'monitor';
    const reply = await connection.request(method, [name, ['monid', name], requests]);
    return this.#apply(ZERO_UUID, () => this.#replica.replaceAll(reply, version));
  }

  /** Asks only for what the server's schema has, too: it may be older than ours. */
  async #requests(connection: RpcConnection): Promise<Json> {
    const { schema } = this.#replica;
    const theirs = await connection.request('get_schema', [schema.name]);
    const tables = isObject(theirs) && isObject(theirs['tables']) ? theirs['tables'] : {};
    const requests: Record<string, Json> = {};
    const before = describe(this.#followed);
    this.#there = new Map();
    this.#followed = new Map();
    for (const table of schema.tables.values()) {
      const remote = tables[table.name];
      if (!isObject(remote) || !isObject(remote['columns'])) continue;
      const there = new Set(Object.keys(remote['columns']));
      this.#there.set(table.name, there);
      const want = this.#options.tables ? this.#options.tables[table.name] : true;
      if (want === undefined) continue;
      const all = want === true ? table.columnList.map((c) => c.name) : want;
      const columns = all.filter((c) => there.has(c));
      this.#followed.set(table.name, new Set(columns));
      requests[table.name] = [{ columns }];
    }
    // What was not followed before is not in the history either.
    if (describe(this.#followed) !== before) this.#lastId = ZERO_UUID;
    return requests;
  }

  /** Servers since Open vSwitch 2.9 tell of themselves in _Server (ovsdb-server(5)). */
  async #watchCluster(connection: RpcConnection): Promise<void> {
    this.#databases.clear();
    const columns = ['name', 'model', 'connected', 'leader', 'cid', 'index'];
    const params = [SERVER_DATABASE, ['monid', SERVER_DATABASE], { Database: [{ columns }] }];
    let reply: Json;
    try {
      reply = await connection.request('monitor_cond', params);
    } catch (error) {
      if (error instanceof RpcError) return;
      throw error;
    }
    this.#updateCluster(reply);
    this.#checkCluster();
  }

  /** `update2`: `modify` of a scalar is its new value. */
  #updateCluster(updates: Json): void {
    if (!isObject(updates) || !isObject(updates['Database'])) return;
    for (const [uuid, update] of Object.entries(updates['Database'])) {
      if (!isObject(update)) continue;
      const values = update['initial'] ?? update['insert'] ?? update['modify'];
      if (isObject(values)) {
        const old = 'modify' in update ? this.#databases.get(uuid) : undefined;
        this.#databases.set(uuid, { ...old, ...values });
      } else this.#databases.delete(uuid);
    }
  }

  #checkCluster(): void {
    const { name } = this.#replica.schema;
    const database = [...this.#databases.values()].find((d) => d['name'] === name);
    if (!database) throw new HeddleError(`server does not have database ${name}`);
    if (database['model'] !== 'clustered') return;
    if (database['connected'] !== true) {
      throw new HeddleError('clustered database server is disconnected from cluster');
    }
    if (this.#options.leaderOnly && database['leader'] !== true) {
      throw new HeddleError('clustered database server is not cluster leader');
    }
    this.#checkIndex(printJson(database['cid'] ?? null), database['index']);
  }

  /** A server that has been away would take us back to what was. */
  #checkIndex(cluster: string, index: Json | undefined): void {
    if (typeof index !== 'number') return;
    if (index < (this.#newest.get(cluster) ?? 0)) {
      throw new HeddleError('clustered database server has stale data');
    }
    this.#newest.set(cluster, index);
  }
}

function describe(followed: ReadonlyMap<string, ReadonlySet<string>>): string {
  return [...followed].map(([table, columns]) => `${table}:${[...columns].join()}`).join(';');
}

function isUnknownMethod(error: unknown): boolean {
  return error instanceof RpcError && error.error === 'unknown method';
}
