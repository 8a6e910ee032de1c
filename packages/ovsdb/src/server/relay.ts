/**
 * The relay service model (ovsdb(7)): a copy of another server's database, which it serves to
 * clients. What only reads is answered here, what writes is passed on to that server.
 */
import { HeddleError, messageOf, Reconnect, type TlsFiles, vlog } from '@heddle/runtime';
import { type ExecuteContext, execute } from '../engine/execute.ts';
import { RpcConnection, RpcError } from '../idl/rpc.ts';
import {
  isArray,
  isObject,
  isUuid,
  type Json,
  OvsdbError,
  printSortedJson,
  ZERO_UUID,
} from '../notation/index.ts';
import { type DatabaseSchema, parseSchema, schemaToJson } from '../schema/schema.ts';
import type { Cancellation } from './cancellation.ts';
import { Database } from './database.ts';
import { readRows, readUpdates2, replacing } from './replicated-rows.ts';

const log = vlog.module('relay');
const PROBE_MS = 60_000;
/** As upstream, a relay counts as connected until it has been without its source for so long. */
const PATIENCE_MS = 30_000;
const WRITES: ReadonlySet<Json> = new Set(['insert', 'update', 'mutate', 'delete', 'commit']);

export interface RelayOptions {
  readonly probeMs?: number | undefined;
  readonly maxBackoffMs?: number | undefined;
}

export interface RelayEvents {
  readonly tls: () => TlsFiles | undefined;
  /** There is a copy to serve, in place of one of another schema if there was one. */
  readonly available: (db: RelayDatabase) => void;
  readonly connectedChanged: (isConnected: boolean) => void;
}

interface Forwarded {
  readonly method: string;
  readonly params: Json;
  readonly resolve: (result: Json) => void;
  readonly reject: (error: unknown) => void;
}

export class Relay {
  readonly name: string;
  readonly #remotes: readonly string[];
  readonly #options: RelayOptions;
  readonly #events: RelayEvents;
  readonly #reconnect: Reconnect;
  /** Requests for a source that is not there. */
  readonly #queue = new Set<Forwarded>();
  #remoteIndex = 0;
  #attempt: AbortController | undefined;
  #connection: RpcConnection | undefined;
  #db: RelayDatabase | undefined;
  /** Of the last update in the copy. */
  #lastId = ZERO_UUID;
  /** Updates that came before the rows that they change. */
  #early: (readonly Json[])[] | undefined;
  /** Settled when all updates that have come are in the copy. */
  #applied: Promise<void> = Promise.resolve();
  #patience: NodeJS.Timeout | undefined;
  #isConnected = false;

  /** `source`: one remote, or several with commas in between. */
  constructor(name: string, source: string, options: RelayOptions, events: RelayEvents) {
    this.name = name;
    this.#remotes = source.split(/,(?=\w+:)/);
    this.#options = options;
    this.#events = events;
    this.#reconnect = new Reconnect(
      this.#remotes[0]!,
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
  }

  start(): void {
    this.#reconnect.start();
  }

  stop(): void {
    this.#reconnect.stop();
    this.#disconnect();
    clearTimeout(this.#patience);
    for (const { reject } of this.#queue) reject(new OvsdbError('canceled'));
    this.#queue.clear();
  }

  /** Has the source answer a request, when it is there. */
  forward(method: string, params: Json, cancellation?: Cancellation): Promise<Json> {
    return new Promise((resolve, reject) => {
      const request: Forwarded = { method, params, resolve, reject };
      cancellation?.onCancel(() => {
        this.#queue.delete(request);
        reject(new OvsdbError('canceled'));
      });
      if (this.#connection && !this.#early) void this.#send(this.#connection, request);
      else this.#queue.add(request);
    });
  }

  async #send(connection: RpcConnection, { method, params, resolve, reject }: Forwarded) {
    try {
      const result = await connection.request(method, params);
      // The client hears of its own changes before it hears that they are made.
      await this.#applied;
      resolve(result);
    } catch (error) {
      // Nobody knows whether a request was heeded whose connection broke.
      reject(error instanceof RpcError ? error : new OvsdbError('canceled'));
    }
  }

  async #connect(): Promise<void> {
    const attempt = new AbortController();
    this.#attempt = attempt;
    const remote = this.#remotes[this.#remoteIndex]!;
    let connection: RpcConnection;
    try {
      connection = await RpcConnection.open(remote, {
        tls: this.#events.tls(),
        signal: attempt.signal,
        probeIntervalMs: this.#options.probeMs ?? PROBE_MS,
        notified: (method, params) => this.#notified(connection, method, params),
        closed: (error) => this.#lost(connection, error && messageOf(error)),
      });
    } catch (error) {
      if (!attempt.signal.aborted) this.#failed(messageOf(error));
      return;
    }
    if (attempt.signal.aborted) return connection.close();
    this.#connection = connection;
    this.#early = [];
    this.#reconnect.connected();
    try {
      await this.#follow(connection);
    } catch (error) {
      this.#giveUp(connection, error);
    }
  }

  #failed(why: string | undefined): void {
    this.#reconnect.failed(why);
    this.#remoteIndex = (this.#remoteIndex + 1) % this.#remotes.length;
    this.#reconnect.name = this.#remotes[this.#remoteIndex]!;
  }

  #lost(connection: RpcConnection, why: string | undefined): void {
    if (this.#connection !== connection) return;
    this.#disconnect();
    this.#failed(why);
  }

  #disconnect(): void {
    this.#attempt?.abort();
    this.#connection?.close();
    this.#connection = undefined;
    if (this.#isConnected) {
      this.#patience ??= setTimeout(() => this.#setConnected(false), PATIENCE_MS).unref();
    }
  }

  /** Starts over: what the source has said makes no sense. */
  #giveUp(connection: RpcConnection, error: unknown): void {
    if (this.#connection !== connection) return;
    log.rl.warn(`${this.name}: ${messageOf(error)}`);
    this.#lastId = ZERO_UUID;
    this.#lost(connection, messageOf(error));
  }

  #setConnected(isConnected: boolean): void {
    clearTimeout(this.#patience);
    this.#patience = undefined;
    if (this.#isConnected === isConnected) return;
    this.#isConnected = isConnected;
    this.#events.connectedChanged(isConnected);
  }

  async #follow(connection: RpcConnection): Promise<void> {
    const schema = parseSchema(await connection.request('get_schema', [this.name]));
    const known = this.#db && equalSchemas(this.#db.schema, schema);
    if (!known) this.#lastId = ZERO_UUID;
    const db = known ? this.#db! : new RelayDatabase(schema, this);
    const tables = [...schema.tables.values()];
    const columns = tables.map((t) => [t.name, [{ columns: t.columnList.map((c) => c.name) }]]);
    const requests: Json = Object.fromEntries(columns);
    const reply = await connection.request('monitor_cond_since', [
      this.name,
      ['monid', this.name],
      requests,
      this.#lastId,
    ]);
    if (this.#connection !== connection) return;
    const [found, lastId, updates] = isArray(reply) ? reply : [];
    if (typeof lastId !== 'string' || !isUuid(lastId)) {
      throw new HeddleError('malformed reply to monitor_cond_since');
    }
    this.#lastId = lastId;
    if (found === true) this.#apply(db, readUpdates2(db.tables, updates ?? null));
    else {
      const names = tables.map((t) => t.name);
      this.#apply(db, replacing(db.tables, names, readRows(db.tables, updates ?? null)));
    }
    const early = this.#early!;
    this.#early = undefined;
    this.#db = db;
    for (const params of early) this.#update(params);
    await this.#applied;
    if (this.#connection !== connection) return;
    if (!known) this.#events.available(db);
    this.#setConnected(true);
    for (const request of this.#queue) void this.#send(connection, request);
    this.#queue.clear();
  }

  #notified(connection: RpcConnection, method: string, params: readonly Json[]): void {
    if (this.#connection !== connection || method !== 'update3') return;
    if (this.#early) {
      this.#early.push(params);
      return;
    }
    try {
      this.#update(params);
    } catch (error) {
      this.#giveUp(connection, error);
    }
  }

  #update([, lastId, updates]: readonly Json[]): void {
    const db = this.#db!;
    this.#lastId = String(lastId);
    this.#apply(db, readUpdates2(db.tables, updates ?? null));
  }

  #apply(db: RelayDatabase, changes: ReturnType<typeof readRows>): void {
    const connection = this.#connection!;
    const before = this.#applied;
    const applying = db.apply(changes, this.#lastId);
    this.#applied = (async () => {
      await before;
      await applying;
    })().catch((error: unknown) => this.#giveUp(connection, error));
  }
}

/** The copy. */
export class RelayDatabase extends Database {
  readonly #relay: Relay;

  constructor(schema: DatabaseSchema, relay: Relay) {
    super(schema);
    this.#relay = relay;
  }

  override async transact(
    ops: readonly Json[],
    context: ExecuteContext,
    cancellation?: Cancellation,
  ): Promise<Json[]> {
    if (!ops.some((op) => isObject(op) && WRITES.has(op['op'] ?? null))) {
      return super.transact(ops, context, cancellation);
    }
    const refused = context.guard && this.#refusal(ops, context);
    if (refused) return refused;
    const results = await this.#relay.forward('transact', [this.name, ...ops], cancellation);
    return results as Json[];
  }

  override transactNow(): boolean {
    return false;
  }

  /** The source knows nothing of who the clients of a relay are and what they may do. */
  #refusal(ops: readonly Json[], context: ExecuteContext): Json[] | undefined {
    const outcome = execute(this.tables, ops, context);
    if ('blocked' in outcome) return undefined;
    const refused = outcome.results.some(
      (r) => isObject(r) && (r['error'] === 'not allowed' || r['error'] === 'permission error'),
    );
    return refused ? outcome.results : undefined;
  }

  /** Has the source convert the database. */
  async convertSource(schema: DatabaseSchema): Promise<void> {
    await this.#relay.forward('convert', [this.name, schemaToJson(schema)]);
  }
}

function equalSchemas(a: DatabaseSchema, b: DatabaseSchema): boolean {
  return printSortedJson(schemaToJson(a)) === printSortedJson(schemaToJson(b));
}
