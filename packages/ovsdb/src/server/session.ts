/** One client of the server: JSON-RPC 1.0 requests, its transactions and its locks. */
import type { Socket } from 'node:net';
import { HeddleError, JsonStream, messageOf, vlog } from '@heddle/runtime';
import type { ExecuteContext } from '../engine/execute.ts';
import { RpcError } from '../idl/rpc.ts';
import { type Json, OvsdbError, printJson, printSortedJson } from '../notation/index.ts';
import { parseSchema, schemaToJson } from '../schema/schema.ts';
import { Cancellation } from './cancellation.ts';
import type { Answer, Database } from './database.ts';
import { type Message, parseMessage } from './message.ts';
import { Outbox } from './outbox.ts';
import { convertRefused, guardFor, type Identity, type ReadOnly } from './rbac.ts';
import type { OvsdbServer } from './server.ts';
import { Pieces, SessionMonitors } from './session-monitors.ts';
import { Wire } from './wire.ts';

const log = vlog.module('jsonrpc');
/** A client with so many transactions under way is not read from until some are done. */
const MAX_TRANSACTIONS = 1000;
const READ_ONLY = 'when database server is in read only mode';
/** Errors that a reply gives as a string. */
const BARE_ERRORS: ReadonlySet<string> = new Set([
  'canceled',
  'invalid parameters',
  'unknown method',
  'unknown monitor',
]);

/** The client's side of the connection: what its remote says of it, at any time. */
export interface SessionTerms {
  /** What the log calls the client. */
  readonly name: string;
  readonly client: Identity;
  readonly readOnly: boolean;
  /** Silence after which to ask for an echo; 0: never. */
  readonly probeMs: number;
  /** Anything has come from the client. */
  heard?(): void;
}

export class Session {
  readonly terms: SessionTerms;
  readonly #server: OvsdbServer;
  readonly #socket: Socket;
  readonly #wire: Wire;
  readonly #monitors: SessionMonitors;
  readonly #outbox: Outbox;
  readonly #stream: JsonStream;
  /** Messages that have come and wait for the client to take what it is sent. */
  #inbox: string[] = [];
  /** The message under way has others behind it. */
  #hasMore = false;
  /** By the request's id: a number, or the JSON of another one. */
  readonly #transactions = new Map<number | string, { db: Database; cancellation: Cancellation }>();
  #changeAware = false;
  #probe: NodeJS.Timeout | undefined;
  #probed = false;
  #heardMs = performance.now();
  #taken = 0;
  /** Ends that the socket is read from past its stream. */
  #unattend: (() => void) | undefined;

  constructor(server: OvsdbServer, socket: Socket, terms: SessionTerms) {
    this.#server = server;
    this.#socket = socket;
    this.terms = terms;
    this.#stream = new JsonStream(server.limits.messageBytes);
    this.#wire = new Wire(socket);
    this.#outbox = new Outbox(this.#wire);
    this.#monitors = new SessionMonitors(this.#outbox);
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('drain', () => {
      this.#monitors.catchUp();
      this.#process();
    });
    socket.on('error', (error) => log.rl.dbg(`${terms.name}: ${error.message}`));
    socket.on('close', () => this.#close());
    this.watch();
  }

  get monitorCount(): number {
    return this.#monitors.count;
  }

  /** Bytes of a message that has not come to its end. */
  get receiving(): number {
    return this.#stream.pending;
  }

  notify(method: string, params: Json): void {
    this.#send({ id: null, method, params });
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Sends something that the client answers. */
  probe(): void {
    this.#send({ id: 'echo', method: 'echo', params: [] });
  }

  /** An idle client is asked for an echo; one that stays silent is cut off. */
  watch(): void {
    this.#hear();
    clearTimeout(this.#probe);
    const { probeMs } = this.terms;
    if (probeMs > 0) this.#silentAfter(probeMs, probeMs);
  }

  #hear(): number {
    this.#probed = false;
    this.#heardMs = performance.now();
    return this.#heardMs;
  }

  #silentAfter(ms: number, probeMs: number): void {
    this.#probe = setTimeout(() => this.#silent(probeMs), ms).unref();
  }

  #silent(probeMs: number): void {
    // A timer that begins anew with each message would cost more than most messages do.
    const left = this.#heardMs + probeMs - performance.now();
    if (!this.#probed && left > 1) {
      this.#silentAfter(left, probeMs);
      return;
    }
    // Who still takes what it was sent is alive, though it may not get to answering for long.
    const taken = this.#socket.bytesWritten - this.#socket.writableLength;
    if (taken !== this.#taken && this.#outbox.backlog > 0) this.#probed = false;
    this.#taken = taken;
    if (this.#probed) {
      const why = `no response to inactivity probe after ${probeMs / 1000} seconds, disconnecting`;
      vlog.module('reconnect').rl.err(`${this.terms.name}: ${why}`);
      this.#socket.destroy();
      return;
    }
    if (this.#outbox.backlog === 0) {
      this.#probed = true;
      this.probe();
    }
    this.#silentAfter(probeMs, probeMs);
  }

  #close(): void {
    this.unattend();
    clearTimeout(this.#probe);
    this.#inbox = [];
    for (const { cancellation } of this.#transactions.values()) cancellation.cancel();
    this.#monitors.stop();
    this.#server.locks.releaseAll(this);
    this.#server.forget(this);
  }

  #receive(bytes: Uint8Array): void {
    this.#server.hear(this, this.#hear());
    this.terms.heard?.();
    this.#take(bytes);
    if (this.#unattend || this.#stream.pending > 0 || !this.#server.hearsOnly(this)) return;
    if (!this.#socket.destroyed && !this.#socket.isPaused()) {
      this.#unattend = this.#wire.attend((data, dubious) => this.#receiveDirectly(data, dubious));
    }
  }

  #take(bytes: Uint8Array): void {
    try {
      const texts = this.#stream.push(bytes);
      if (texts.length > 0) this.#inbox.push(...texts);
      if (this.#stream.pending > 0) this.#server.checkReceiving(this);
    } catch (error) {
      this.#broken(error);
      return;
    }
    this.#process();
  }

  /** What a client that is alone has sent, past the socket's stream. */
  #receiveDirectly(data: string | Buffer, dubious: boolean): void {
    this.#server.hear(this, this.#hear());
    this.terms.heard?.();
    const isNext = this.#inbox.length === 0 && this.#stream.pending === 0 && !this.#isHeld;
    if (typeof data !== 'string' || !isNext) {
      this.#take(typeof data === 'string' ? Buffer.from(data) : data);
      return;
    }
    this.#hasMore = false;
    try {
      this.#message(parseMessage(data, dubious));
    } catch (error) {
      this.#broken(error);
      return;
    }
    if (this.#isHeld) this.#process();
  }

  /** Others want to be heard, too: leaves the socket to the event loop. */
  unattend(): void {
    this.#unattend?.();
    this.#unattend = undefined;
  }

  get #isHeld(): boolean {
    return this.#outbox.isFull || this.#transactions.size >= MAX_TRANSACTIONS;
  }

  /** Who does not take its replies is not read from: it cannot make the server hold ever more. */
  #process(): void {
    let done = 0;
    try {
      while (done < this.#inbox.length && !this.#isHeld && !this.#socket.destroyed) {
        const text = this.#inbox[done++]!;
        this.#hasMore = done < this.#inbox.length;
        this.#message(parseMessage(text));
      }
    } catch (error) {
      this.#broken(error);
      return;
    }
    this.#inbox.splice(0, done);
    if (this.#inbox.length > 0 || this.#isHeld) {
      this.unattend();
      this.#socket.pause();
    } else if (this.#socket.isPaused()) this.#socket.resume();
  }

  #broken(error: unknown): void {
    if (!(error instanceof HeddleError)) throw error;
    log.rl.warn(`${this.terms.name}: ${error.message}`);
    vlog.module('reconnect').rl.warn(`${this.terms.name}: connection dropped (Protocol error)`);
    this.#socket.destroy();
  }

  #send(message: Json): void {
    if (!this.#socket.destroyed) this.#outbox.reply(printJson(message));
  }

  #message(message: Message): void {
    if (message.type === 'request') this.#request(message.method, message.params, message.id);
    else if (message.type === 'notification') {
      if (message.method === 'cancel') this.#cancel(message.params[0] ?? null);
    } else if (message.id !== 'echo') {
      // Only our probe is answered.
      throw new HeddleError(`received unexpected ${message.type} message`);
    }
  }

  #cancel(id: Json): void {
    this.#transactions.get(idKey(id))?.cancellation.cancel();
  }

  /** Replies go out in the order of the requests, but for those that take time. */
  #request(method: string, params: readonly Json[], id: Json): void {
    try {
      const result = this.#call(method, params, id);
      if (result instanceof Promise) {
        result.then(
          (json: Json) => this.#send({ id, result: json, error: null }),
          (error: unknown) => this.#refuse(method, id, error),
        );
      } else if (result instanceof Pieces) this.#sendPieces(id, result);
      else if (result !== undefined) this.#send({ id, result: result as Json, error: null });
    } catch (error) {
      this.#refuse(method, id, error);
    }
  }

  #sendPieces(id: Json, result: Pieces): void {
    if (this.#socket.destroyed) return;
    const pieces = result.between(`{"id":${printJson(id)},"result":`, ',"error":null}');
    this.#outbox.stream(pieces, () => {
      this.#monitors.catchUp();
      this.#process();
    });
  }

  /** As upstream's, an error reply has no result. */
  #refuse(method: string, id: Json, error: unknown): void {
    this.#send({ id, error: errorJson(method, error) });
  }

  #call(
    method: string,
    params: readonly Json[],
    id: Json,
  ): Json | Pieces | Promise<Json> | undefined {
    switch (method) {
      case 'echo':
        return params;
      case 'list_dbs':
        return this.#server.databaseNames();
      case 'get_schema':
        return schemaToJson(this.#database('get_schema', params).schema);
      case 'get_server_id':
        return this.#server.serverId;
      case 'transact':
        return this.#transact(params, id);
      case 'monitor':
        return this.#monitors.open(this.#database(method, params), params, 1);
      case 'monitor_cond':
        return this.#monitorCond(method, params, 2);
      case 'monitor_cond_since':
        return this.#monitorCond(method, params, 3);
      case 'monitor_cond_change':
        return this.#monitors.change(params);
      case 'monitor_cancel':
        return this.#monitors.cancel(params);
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

  #database(method: string, params: readonly Json[]): Database {
    const [name] = params;
    if (typeof name !== 'string') {
      const what = `${method} request params must begin with <db-name>`;
      throw new OvsdbError('syntax error', what, printSortedJson(params));
    }
    const db = this.#server.databases.get(name);
    if (db) return db;
    if (this.#server.relays.has(name)) {
      const what = `${method} request specifies database ${name} which is not yet available because it has not completed joining its cluster`;
      throw new OvsdbError('database not available', what);
    }
    const what = `${method} request specifies unknown database ${name}`;
    throw new OvsdbError('unknown database', what, printSortedJson(params));
  }

  #monitorCond(method: string, params: readonly Json[], version: 2 | 3): Json | Pieces {
    if (this.#server.monitorCondDisabled) throw new OvsdbError('unknown method');
    return this.#monitors.open(this.#database(method, params), params, version);
  }

  #prepareReply(id: Json, result: Json): Answer {
    const text = printJson({ id, result, error: null });
    // The client hears of its own changes before it hears that they are made.
    const fd = this.#monitors.count === 0 ? this.#outbox.fdFor(text) : undefined;
    return {
      text,
      fd,
      send: (sent) => {
        if (sent !== 0) {
          this.#outbox.sendRest(text, sent);
          return;
        }
        this.#monitors.catchUp();
        if (!this.#socket.destroyed) this.#outbox.replyNow(text);
      },
    };
  }

  /** undefined: the reply has been sent. */
  #transact(params: readonly Json[], id: Json): Promise<Json> | undefined {
    const db = this.#database('transact', params);
    const ops = params.slice(1);
    const context = {
      ownsLock: (name: string) => this.#server.locks.owns(this, name),
      guard: guardFor(db.tables, this.terms.client, this.#readOnly(db)),
    };
    const alone = !this.#hasMore && this.#server.hearsOnly(this);
    if (alone && db.transactNow(ops, context, (results) => this.#prepareReply(id, results))) {
      return undefined;
    }
    return this.#transactLater(db, ops, context, id);
  }

  async #transactLater(
    db: Database,
    ops: readonly Json[],
    context: ExecuteContext,
    id: Json,
  ): Promise<Json> {
    const key = idKey(id);
    const cancellation = new Cancellation();
    this.#transactions.set(key, { db, cancellation });
    try {
      return await db.transact(ops, context, cancellation);
    } finally {
      this.#transactions.delete(key);
      this.#monitors.catchUp();
      if (this.#inbox.length > 0 || this.#socket.isPaused()) setImmediate(() => this.#process());
    }
  }

  #readOnly(db: Database): ReadOnly | undefined {
    if (db.name === '_Server') return 'on table in reserved database _Server';
    return this.terms.readOnly || this.#server.isBackup(db) ? READ_ONLY : undefined;
  }

  #lock(method: 'lock' | 'steal' | 'unlock', params: readonly Json[]): Json {
    if (this.terms.readOnly || this.#server.readOnly) {
      throw new Refusal('lock and unlock methods not allowed, DB server is read only.');
    }
    const name = params[0];
    if (params.length !== 1 || typeof name !== 'string' || !/^[a-zA-Z_][\w]*$/.test(name)) {
      const what = `${method} request params must be <id>`;
      throw new OvsdbError('syntax error', what, printSortedJson(params));
    }
    const { locks } = this.#server;
    const has = locks.has(this, name);
    if (has !== (method === 'unlock')) {
      const what = has
        ? `must issue "unlock" before new "${method}"`
        : 'unlock: "unlock" without "lock" or "steal"';
      throw new OvsdbError('syntax error', what, printSortedJson(params));
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
      throw new OvsdbError('syntax error', what, printSortedJson(params));
    }
    this.#changeAware = params[0];
    return {};
  }

  /**
   * A database is going or changing its schema: a client that is aware of such changes loses its
   * monitors and transactions of it, another one is cut off after its replies.
   */
  databaseGone(db: Database, why: string): void {
    if (this.#changeAware) {
      for (const transaction of this.#transactions.values()) {
        if (transaction.db === db) transaction.cancellation.cancel();
      }
      for (const id of this.#monitors.drop(db)) this.notify('monitor_canceled', [id]);
      return;
    }
    vlog.module('ovsdb_jsonrpc_server').info(`${this.terms.name}: disconnecting (${why})`);
    setImmediate(() => this.#socket.destroySoon());
  }

  async #convert(params: readonly Json[]): Promise<Json> {
    const db = this.#database('convert', params);
    if (params.length !== 2) {
      throw new OvsdbError('syntax error', 'array expected', printSortedJson(params));
    }
    const schema = parseSchema(params[1] ?? null);
    const { client, readOnly } = this.terms;
    if (client.role !== '') throw convertRefused(client, db.name);
    if (readOnly) throw new OvsdbError('not allowed', `convert operation not allowed ${READ_ONLY}`);
    await this.#server.convert(db, schema);
    return {};
  }
}

/** An error that its reply gives as a plain string. */
class Refusal extends HeddleError {
  override name = 'Refusal';
}

function errorJson(method: string, error: unknown): Json {
  if (error instanceof Refusal) return error.message;
  if (error instanceof RpcError) return error.reply;
  if (error instanceof OvsdbError) {
    return BARE_ERRORS.has(error.error) && !error.details ? error.error : error.toJson();
  }
  log.err(`${method}: ${String((error as Error).stack ?? error)}`);
  return { error: 'internal error', details: messageOf(error) };
}

function idKey(id: Json): number | string {
  return typeof id === 'number' ? id : printSortedJson(id);
}
