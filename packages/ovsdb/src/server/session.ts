/** One client of the server: JSON-RPC 1.0 requests, its monitors and its locks. */
import type { Socket } from 'node:net';
import { HeddleError, JsonStream, messageOf, vlog } from '@heddle/runtime';
import {
  isArray,
  isObject,
  isUuid,
  type Json,
  jsonEquals,
  OvsdbError,
  parseJson,
  printJson,
  printSortedJson,
} from '../notation/index.ts';
import { parseSchema, schemaToJson } from '../schema/schema.ts';
import { Cancellation } from './cancellation.ts';
import type { Commit, Database } from './database.ts';
import { Monitor, type MonitorVersion } from './monitor.ts';
import { Outbox } from './outbox.ts';
import type { OvsdbServer } from './server.ts';

const log = vlog.module('jsonrpc');
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;
/** A client that leaves this much unread is cut off: it can come back and resume. */
const MAX_BACKLOG_BYTES = 512 * 1024 * 1024;
const PROBE_MS = 5000;
/** Errors that a reply gives as a string. */
const BARE_ERRORS: ReadonlySet<string> = new Set([
  'canceled',
  'invalid parameters',
  'unknown method',
  'unknown monitor',
]);

const UPDATE_METHODS: Readonly<Record<MonitorVersion, string>> = {
  1: 'update',
  2: 'update2',
  3: 'update3',
};

interface ActiveMonitor {
  id: Json;
  readonly db: Database;
  readonly monitor: Monitor;
  readonly stop: () => void;
}

export class Session {
  readonly #server: OvsdbServer;
  readonly #socket: Socket;
  readonly #monitors: ActiveMonitor[] = [];
  readonly #outbox: Outbox;
  /** By the request's id: a number, or the JSON of another one. */
  readonly #transactions = new Map<number | string, { db: Database; cancellation: Cancellation }>();
  #changeAware = false;
  #probe: NodeJS.Timeout | undefined;
  #probed = false;

  constructor(server: OvsdbServer, socket: Socket, readProbeMs: () => number = () => PROBE_MS) {
    this.#server = server;
    this.#socket = socket;
    this.#outbox = new Outbox(socket);
    const stream = new JsonStream(MAX_MESSAGE_BYTES);
    socket.on('data', (bytes) => {
      this.#alive(readProbeMs());
      try {
        for (const text of stream.push(bytes)) this.#message(text);
      } catch (error) {
        log.rl.warn(`client: ${messageOf(error)}, dropping connection`);
        socket.destroy();
      }
    });
    socket.on('error', (error) => log.rl.dbg(`client: ${error.message}`));
    socket.on('close', () => this.#close());
    this.#alive(readProbeMs());
  }

  notify(method: string, params: Json): void {
    this.#send({ id: null, method, params });
  }

  destroy(): void {
    this.#socket.destroy();
  }

  get monitorCount(): number {
    return this.#monitors.length;
  }

  /** An idle client is asked for an echo; one that stays silent is cut off. */
  #alive(probeMs: number): void {
    this.#probed = false;
    clearTimeout(this.#probe);
    if (probeMs <= 0) return;
    const probe = () => {
      if (this.#probed) {
        log.rl.warn('client: no response to inactivity probe, disconnecting');
        this.#socket.destroy();
        return;
      }
      this.#probed = true;
      this.#send({ id: 'echo', method: 'echo', params: [] });
      this.#probe = setTimeout(probe, probeMs).unref();
    };
    this.#probe = setTimeout(probe, probeMs).unref();
  }

  #close(): void {
    clearTimeout(this.#probe);
    for (const { cancellation } of this.#transactions.values()) cancellation.cancel();
    for (const m of this.#monitors.splice(0)) m.stop();
    this.#server.locks.releaseAll(this);
    this.#server.forget(this);
  }

  #send(message: Json): void {
    if (this.#socket.destroyed) return;
    this.#outbox.reply(printJson(message));
    this.#checkBacklog();
  }

  #checkBacklog(): void {
    if (this.#outbox.backlog > MAX_BACKLOG_BYTES) {
      log.rl.warn('client: backlog exceeds its limit, disconnecting');
      this.#socket.destroy();
    }
  }

  #message(text: string): void {
    let message: Json;
    try {
      message = parseJson(text);
    } catch (error) {
      throw new HeddleError(`invalid JSON: ${messageOf(error)}`);
    }
    if (!isObject(message)) throw new HeddleError('message is not a JSON object');
    const { method, params, id } = message;
    if (method === undefined) return;
    if (typeof method !== 'string' || !isArray(params) || id === undefined) {
      throw new HeddleError('message is not valid JSON-RPC');
    }
    if (id === null) this.#notification(method, params);
    else void this.#request(method, params, id);
  }

  #notification(method: string, params: readonly Json[]): void {
    if (method === 'cancel')
      this.#transactions.get(idKey(params[0] ?? null))?.cancellation.cancel();
  }

  async #request(method: string, params: readonly Json[], id: Json): Promise<void> {
    try {
      const result = await this.#call(method, params, id);
      this.#send({ id, result, error: null });
    } catch (error) {
      if (error instanceof OvsdbError) {
        const json = BARE_ERRORS.has(error.error) ? error.error : error.toJson();
        this.#send({ id, result: null, error: json });
        return;
      }
      log.err(`${method}: ${String((error as Error).stack ?? error)}`);
      this.#send({
        id,
        result: null,
        error: { error: 'internal error', details: messageOf(error) },
      });
    }
  }

  #call(method: string, params: readonly Json[], id: Json): Json | Promise<Json> {
    switch (method) {
      case 'echo':
        return params as Json;
      case 'list_dbs':
        return [...this.#server.databases.keys()].sort((a, b) =>
          a === '_Server' ? 1 : b === '_Server' ? -1 : a < b ? -1 : 1,
        );
      case 'get_schema':
        return schemaToJson(this.#database('get_schema', params, params[0]).schema);
      case 'get_server_id':
        return this.#server.serverId;
      case 'transact':
        return this.#transact(params, id);
      case 'monitor':
        return this.#monitor(params, 1);
      case 'monitor_cond':
        return this.#monitor(params, 2);
      case 'monitor_cond_since':
        return this.#monitor(params, 3);
      case 'monitor_cond_change':
        return this.#monitorChange(params);
      case 'monitor_cancel':
        return this.#monitorCancel(params);
      case 'lock':
      case 'steal':
      case 'unlock':
        return this.#lock(method, params);
      case 'set_db_change_aware':
        return this.#setChangeAware(params);
      case 'convert':
        return this.#convert(params);
      default:
        throw new OvsdbError('unknown method');
    }
  }

  #database(method: string, params: readonly Json[], name: Json | undefined): Database {
    if (typeof name !== 'string') {
      throw new OvsdbError(
        'syntax error',
        `${method} request params must begin with <db-name>`,
        printSortedJson(params as Json),
      );
    }
    const db = this.#server.databases.get(name);
    if (!db) {
      throw new OvsdbError(
        'unknown database',
        `${method} request specifies unknown database ${name}`,
        printSortedJson(params as Json),
      );
    }
    return db;
  }

  async #transact(params: readonly Json[], id: Json): Promise<Json> {
    const db = this.#database('transact', params, params[0]);
    const key = idKey(id);
    const cancellation = new Cancellation();
    this.#transactions.set(key, { db, cancellation });
    try {
      return await db.transact(
        params.slice(1),
        {
          ownsLock: (name) => this.#server.locks.owns(this, name),
          readOnly: db.name === '_Server' || this.#server.readOnly,
        },
        cancellation,
      );
    } finally {
      this.#transactions.delete(key);
    }
  }

  #monitor(params: readonly Json[], version: MonitorVersion): Json {
    const method =
      version === 1 ? 'monitor' : version === 2 ? 'monitor_cond' : 'monitor_cond_since';
    const db = this.#database(method, params, params[0]);
    if (params.length !== (version === 3 ? 4 : 3)) {
      throw new OvsdbError('syntax error', 'invalid parameters', printSortedJson(params as Json));
    }
    const last = params[3];
    if (version === 3 && !(typeof last === 'string' && isUuid(last))) {
      const what = 'last-txn-id must be UUID format.';
      throw new OvsdbError('syntax error', what, printSortedJson(last!));
    }
    const id = params[1] ?? null;
    if (this.#find(id))
      throw new OvsdbError('syntax error', 'duplicate monitor ID', printSortedJson(id));
    const monitor = new Monitor(db.tables, params[2] ?? null, version, db.seqno);
    const stop = db.onCommit((commit) => this.#update(active, commit));
    const active: ActiveMonitor = { id, db, monitor, stop };
    this.#monitors.push(active);
    if (version < 3) return monitor.initial() as Json;
    return this.#since(db, monitor, params[3] ?? null);
  }

  /** [found, last id, updates]: what the client missed, or everything when that is not known. */
  #since(db: Database, monitor: Monitor, last: Json): Json {
    const at = db.history.findIndex((c) => c.id === last);
    if (last === db.lastId) return [true, db.lastId, {}];
    if (at < 0 || db.history.at(-1)?.id !== db.lastId)
      return [false, db.lastId, monitor.initial() as Json];
    const missed = mergeChanges(db.history.slice(at + 1));
    return [true, db.lastId, (monitor.updates(missed) ?? {}) as Json];
  }

  #update(active: ActiveMonitor, commit: Commit): void {
    const { monitor, id } = active;
    if (commit.seqno <= monitor.seqno) return;
    const updates = monitor.updatesText(commit);
    if (updates === undefined || this.#socket.destroyed) return;
    const method = UPDATE_METHODS[monitor.version];
    const last = monitor.version === 3 ? `"${commit.id}",` : '';
    const params = `${printJson(id)},${last}${updates}`;
    this.#outbox.notify(`{"id":null,"method":"${method}","params":[${params}]}`);
    this.#checkBacklog();
  }

  #monitorChange(params: readonly Json[]): Json {
    const active = this.#find(params[0] ?? null);
    if (params.length !== 3) {
      throw new OvsdbError('syntax error', 'invalid parameters', printSortedJson(params as Json));
    }
    if (!active) {
      const syntax = printSortedJson(params[0]!);
      throw new OvsdbError('syntax error', 'unknown monitor session', syntax);
    }
    // Conditions are of later versions: upstream takes the request and does nothing.
    if (active.monitor.version === 1) return {};
    const updates = active.monitor.changeConditions(active.db.tables, params[2] ?? null);
    const previous = active.id;
    active.id = params[1] ?? previous;
    if (Object.keys(updates).length > 0) {
      if (active.monitor.version === 2) this.notify('update2', [active.id, updates as Json]);
      else this.notify('update3', [active.id, active.db.lastId, updates as Json]);
    }
    return {};
  }

  #monitorCancel(params: readonly Json[]): Json {
    if (params.length !== 1) throw new OvsdbError('invalid parameters');
    const active = this.#find(params[0] ?? null);
    if (!active) throw new OvsdbError('unknown monitor');
    active.stop();
    this.#monitors.splice(this.#monitors.indexOf(active), 1);
    return {};
  }

  #find(id: Json): ActiveMonitor | undefined {
    return this.#monitors.find((m) => jsonEquals(m.id, id));
  }

  #lock(method: 'lock' | 'steal' | 'unlock', params: readonly Json[]): Json {
    const name = params[0];
    if (params.length !== 1 || typeof name !== 'string' || !/^[a-zA-Z_][\w]*$/.test(name)) {
      throw new OvsdbError(
        'syntax error',
        `${method} request params must be <id>`,
        printSortedJson(params as Json),
      );
    }
    const { locks } = this.#server;
    const has = locks.has(this, name);
    if (has !== (method === 'unlock')) {
      const what = has
        ? `must issue "unlock" before new "${method}"`
        : 'unlock: "unlock" without "lock" or "steal"';
      throw new OvsdbError('syntax error', what, printSortedJson(params as Json));
    }
    if (method === 'unlock') {
      locks.release(this, name);
      return {};
    }
    return { locked: locks.acquire(this, name, method === 'steal') };
  }

  #setChangeAware(params: readonly Json[]): Json {
    if (params.length !== 1 || typeof params[0] !== 'boolean') {
      const what = 'set_db_change_aware: true or false parameter expected';
      throw new OvsdbError('syntax error', what, printSortedJson(params as Json));
    }
    this.#changeAware = params[0];
    return {};
  }

  /**
   * A database is going or changing its schema: a client that is aware of such changes loses its
   * monitors and transactions of it, another one is cut off.
   */
  databaseGone(db: Database): void {
    if (!this.#changeAware) {
      this.#socket.destroy();
      return;
    }
    for (const active of this.#monitors.filter((m) => m.db === db)) {
      active.stop();
      this.#monitors.splice(this.#monitors.indexOf(active), 1);
      this.notify('monitor_canceled', [active.id]);
    }
    for (const transaction of this.#transactions.values()) {
      if (transaction.db === db) transaction.cancellation.cancel();
    }
  }

  async #convert(params: readonly Json[]): Promise<Json> {
    const db = this.#database('convert', params, params[0]);
    if (params.length !== 2) {
      throw new OvsdbError('syntax error', 'array expected', printSortedJson(params as Json));
    }
    await this.#server.convert(db, parseSchema(params[1] ?? null));
    return {};
  }
}

function idKey(id: Json): number | string {
  return typeof id === 'number' ? id : printSortedJson(id);
}

/** Several commits as one: for each row its first state and its last. */
function mergeChanges(commits: readonly Commit[]): Commit['changes'] {
  const byRow = new Map<string, Commit['changes'][number]>();
  for (const { changes } of commits) {
    for (const change of changes) {
      const first = byRow.get(change.uuid);
      byRow.set(change.uuid, first ? { ...change, old: first.old } : change);
    }
  }
  return [...byRow.values()].filter((c) => c.old || c.now);
}
