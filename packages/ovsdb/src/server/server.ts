/** The server: databases by name, the remotes it serves, and the _Server database. */
import { randomUUID } from 'node:crypto';
import { type TlsFiles, vlog } from '@heddle/runtime';
import { type Json, OvsdbError, printSortedJson } from '../notation/index.ts';
import { type DatabaseSchema, parseSchema, schemaToJson } from '../schema/schema.ts';
import { serverSchema } from '../schemas/server.ts';
import { convertDatabase } from './convert.ts';
import { Database } from './database.ts';
import { Locks } from './locks.ts';
import { Relay, RelayDatabase, type RelayOptions } from './relay.ts';
import { openRemote, type Remote, type RemoteOptions, type RemoteStatus } from './remote.ts';
import type { Session } from './session.ts';

const log = vlog.module('ovsdb_jsonrpc_server');
/** What others are silent for when a client counts as the only one. */
const SOLO_MS = 5;
const MIB = 1024 * 1024;

/** What clients may make the server hold. */
export interface ServerLimits {
  /** One message. */
  readonly messageBytes: number;
  /** What all clients together have sent of messages that have not come to their end. */
  readonly receivingBytes: number;
}

export class OvsdbServer {
  readonly serverId = randomUUID();
  readonly limits: ServerLimits;
  readonly databases = new Map<string, Database>();
  /** Those of which there is a copy are databases, too. */
  readonly relays = new Map<string, Relay>();
  readonly locks = new Locks();
  readonly #sessions = new Set<Session>();
  readonly #remotes = new Map<string, Remote>();
  readonly #opening = new Map<string, Promise<Remote>>();
  readonly #meta: Database;
  readonly #dbListeners = new Set<() => void>();
  /** When anything has come from a client last, as `performance.now` tells the time. */
  heardMs = 0;
  /** Whom it came from, and since when from nobody else. */
  #heard: Session | undefined;
  #soloMs = 0;
  tls: TlsFiles | undefined;
  /** A backup: only the active server changes its databases. */
  readOnly = false;
  /** Names of databases that only their active servers change. */
  readonly backups = new Set<string>();
  /** Clients are to fall back to `monitor`. */
  monitorCondDisabled = false;

  constructor(limits: ServerLimits = { messageBytes: 256 * MIB, receivingBytes: 512 * MIB }) {
    this.limits = limits;
    this.#meta = new Database(parseSchema(serverSchema as unknown as Json));
    this.databases.set('_Server', this.#meta);
    void this.#meta.change([{ op: 'insert', table: 'Database', row: metaRow(this.#meta) }]);
  }

  /** Something has come from a client, at a time of `performance.now`. */
  hear(session: Session, nowMs: number): void {
    if (this.#heard !== session) {
      this.#heard?.unattend();
      this.#heard = session;
      this.#soloMs = nowMs;
    }
    this.heardMs = nowMs;
  }

  /** Whether the others have been silent for a while: nobody is to share a sync with. */
  hearsOnly(session: Session): boolean {
    return this.#heard === session && this.heardMs - this.#soloMs >= SOLO_MS;
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  get monitorCount(): number {
    let n = 0;
    for (const s of this.#sessions) n += s.monitorCount;
    return n;
  }

  remotes(): string[] {
    return [...this.#remotes.keys()].sort();
  }

  /** Names of databases, those that clients come for first. */
  databaseNames(): string[] {
    const names = new Set([...this.databases.keys(), ...this.relays.keys()]);
    names.delete('_Server');
    return [...[...names].sort(), '_Server'];
  }

  isBackup(db: Database): boolean {
    return (this.readOnly && db !== this.#meta) || this.backups.has(db.name);
  }

  onDatabasesChanged(listener: () => void): void {
    this.#dbListeners.add(listener);
  }

  async addDatabase(db: Database): Promise<void> {
    this.#checkNew(db.name);
    this.databases.set(db.name, db);
    await this.#meta.change([{ op: 'insert', table: 'Database', row: metaRow(db) }]);
    for (const listener of this.#dbListeners) listener();
  }

  /** Serves a copy of a database of another server, once there is one. */
  async addRelay(name: string, source: string, options: RelayOptions = {}): Promise<void> {
    this.#checkNew(name);
    const relay: Relay = new Relay(name, source, options, {
      tls: () => this.tls,
      available: (db) => void this.#replaceDatabase(db, `relay of ${name} has a new schema`),
      connectedChanged: (connected) => void this.#updateRow(name, { connected }),
    });
    this.relays.set(name, relay);
    const row = { name, model: 'relay', connected: false, leader: false };
    await this.#meta.change([{ op: 'insert', table: 'Database', row }]);
    relay.start();
  }

  #checkNew(name: string): void {
    if (!this.databases.has(name) && !this.relays.has(name)) return;
    throw new OvsdbError('ovsdb error', `${name}: duplicate database name`);
  }

  /** Puts a database in the place of one of the same name. */
  async #replaceDatabase(db: Database, why: string): Promise<void> {
    const before = this.databases.get(db.name);
    this.databases.set(db.name, db);
    await this.#updateRow(db.name, { schema: printSortedJson(schemaToJson(db.schema)) });
    if (before) for (const session of this.#sessions) session.databaseGone(before, why);
    for (const listener of this.#dbListeners) listener();
  }

  #updateRow(name: string, row: Json): Promise<void> {
    const where = [['name', '==', name]];
    return this.#meta.change([{ op: 'update', table: 'Database', where, row }]);
  }

  /** Closes the database; tells whether there was one. */
  async removeDatabase(name: string): Promise<boolean> {
    const db = this.databases.get(name);
    const relay = this.relays.get(name);
    if (db === this.#meta || !(db || relay)) return false;
    relay?.stop();
    this.relays.delete(name);
    this.databases.delete(name);
    const gone = this.#meta.change([
      { op: 'delete', table: 'Database', where: [['name', '==', name]] },
    ]);
    if (db) {
      const why = `removing ${name} database due to server termination or removal`;
      for (const session of this.#sessions) session.databaseGone(db, why);
    }
    for (const listener of this.#dbListeners) listener();
    await gone;
    db?.close();
    return true;
  }

  async convert(db: Database, schema: DatabaseSchema): Promise<void> {
    if (db === this.#meta) {
      throw new OvsdbError('not allowed', 'convert operation not allowed on database _Server');
    }
    if (schema.name !== db.name) {
      const what = `new schema name (${schema.name}) does not match database name (${db.name})`;
      throw new OvsdbError('invalid parameters', what);
    }
    if (db instanceof RelayDatabase) return await db.convertSource(schema);
    await db.whenQuiet(() => {
      const why = `committed ${db.name} database schema conversion`;
      return this.#replaceDatabase(convertDatabase(db, schema), why);
    });
  }

  /**
   * Starts to listen (`punix:` and so on) or to connect (`unix:` and so on). What does not go is
   * tried again and again.
   */
  async addRemote(target: string, options: RemoteOptions = {}): Promise<void> {
    const remote = this.#remotes.get(target);
    if (remote) {
      remote.options = options;
      return;
    }
    if (this.#opening.has(target)) return void (await this.#opening.get(target));
    const opening = openRemote(this, target, options);
    this.#opening.set(target, opening);
    const opened = await opening;
    // It may have been removed meanwhile.
    if (this.#opening.get(target) === opening) {
      this.#opening.delete(target);
      this.#remotes.set(target, opened);
    } else opened.close();
  }

  /** How a remote fares, as ovs-vswitchd.conf.db(5) has it for managers. */
  remoteStatus(target: string): RemoteStatus {
    return this.#remotes.get(target)?.status() ?? { isConnected: false, status: new Map() };
  }

  removeRemote(target: string): boolean {
    const remote = this.#remotes.get(target);
    remote?.close();
    if (remote) log.info(`${target}: remote deconfigured`);
    return this.#opening.delete(target) || this.#remotes.delete(target);
  }

  /** Cuts every client off (`ovsdb-server/reconnect`); they come back. */
  reconnect(): void {
    for (const session of this.#sessions) session.destroy();
  }

  admit(session: Session): void {
    this.#sessions.add(session);
  }

  forget(session: Session): void {
    this.#sessions.delete(session);
    if (this.#heard === session) this.#heard = undefined;
  }

  /** Clients that never end their messages do not take all memory: the greediest one goes. */
  checkReceiving(session: Session): void {
    const limit = this.limits.receivingBytes;
    if (session.receiving < limit / 64) return;
    let sum = 0;
    let greediest = session;
    for (const s of this.#sessions) {
      sum += s.receiving;
      if (s.receiving > greediest.receiving) greediest = s;
    }
    if (sum <= limit) return;
    log.rl.warn(`${greediest.terms.name}: too much unfinished input of all clients, disconnecting`);
    greediest.destroy();
  }

  close(): void {
    for (const remote of this.#remotes.values()) remote.close();
    this.#remotes.clear();
    this.#opening.clear();
    for (const session of this.#sessions) session.destroy();
    for (const relay of this.relays.values()) relay.stop();
    for (const db of this.databases.values()) db.close();
  }
}

function metaRow(db: Database): Json {
  return {
    name: db.name,
    model: 'standalone',
    connected: true,
    leader: true,
    schema: printSortedJson(schemaToJson(db.schema)),
  };
}
