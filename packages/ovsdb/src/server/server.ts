/** The server: databases by name, the remotes it listens on, and the _Server database. */
import { randomUUID } from 'node:crypto';
import type { Server, Socket } from 'node:net';
import {
  connectRemote,
  HeddleError,
  listenRemote,
  messageOf,
  parseRemote,
  type TlsFiles,
  vlog,
} from '@heddle/runtime';
import { type Json, OvsdbError, printSortedJson } from '../notation/index.ts';
import { type DatabaseSchema, parseSchema, schemaToJson } from '../schema/schema.ts';
import { serverSchema } from '../schemas/server.ts';
import { convertDatabase } from './convert.ts';
import { Database } from './database.ts';
import { Locks } from './locks.ts';
import { Session } from './session.ts';

const log = vlog.module('ovsdb_jsonrpc_server');

/** A listener, or a connection that this server keeps making. */
interface Remote {
  close(): void;
  /** Whether the server makes the connection itself. */
  readonly active: boolean;
  boundPort?: number | undefined;
  readonly sessions: Set<Session>;
  connectedMs?: number;
  disconnectedMs?: number;
}

/** What the `is_connected` and `status` columns of a Manager row say of its target. */
export interface RemoteStatus {
  readonly isConnected: boolean;
  readonly status: ReadonlyMap<string, string>;
}

export class OvsdbServer {
  readonly serverId = randomUUID();
  readonly databases = new Map<string, Database>();
  readonly locks = new Locks();
  readonly #sessions = new Set<Session>();
  readonly #remotes = new Map<string, Remote>();
  readonly #meta: Database;
  readonly #dbListeners = new Set<() => void>();
  tls: TlsFiles | undefined;
  readOnly = false;

  constructor() {
    this.#meta = new Database(parseSchema(serverSchema as unknown as Json));
    this.databases.set('_Server', this.#meta);
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

  onDatabasesChanged(listener: () => void): void {
    this.#dbListeners.add(listener);
  }

  async addDatabase(db: Database): Promise<void> {
    if (this.databases.has(db.name)) throw new HeddleError(`${db.name}: duplicate database name`);
    this.databases.set(db.name, db);
    await this.#meta.change([
      {
        op: 'insert',
        table: 'Database',
        row: {
          name: db.name,
          model: 'standalone',
          connected: true,
          leader: true,
          schema: printSortedJson(schemaToJson(db.schema)),
        },
      },
    ]);
    for (const listener of this.#dbListeners) listener();
  }

  async removeDatabase(name: string): Promise<Database | undefined> {
    const db = this.databases.get(name);
    if (!db || db === this.#meta) return undefined;
    this.databases.delete(name);
    await this.#meta.change([{ op: 'delete', table: 'Database', where: [['name', '==', name]] }]);
    for (const session of this.#sessions) session.databaseGone(db);
    for (const listener of this.#dbListeners) listener();
    return db;
  }

  async convert(db: Database, schema: DatabaseSchema): Promise<void> {
    if (schema.name !== db.name) {
      throw new OvsdbError(
        'syntax error',
        `cannot convert database ${db.name} to schema of ${schema.name}`,
      );
    }
    const next = await db.whenQuiet(() => convertDatabase(db, schema));
    await this.removeDatabase(db.name);
    await this.addDatabase(next);
  }

  /** Starts to listen (`punix:` and so on) or to connect (`unix:` and so on). */
  async addRemote(remote: string): Promise<void> {
    if (this.#remotes.has(remote)) return;
    const parsed = parseRemote(remote);
    if (!parsed) throw new HeddleError(`"${remote}" is not a valid remote`);
    if (parsed.kind === 'punix' || parsed.kind === 'ptcp' || parsed.kind === 'pssl') {
      const sessions = new Set<Session>();
      const entry: Remote = { close: () => server.close(), active: false, sessions };
      const server: Server = await listenRemote(
        remote,
        (socket) => this.#accept(socket, entry),
        this.tls,
      );
      const address = server.address();
      if (address && typeof address === 'object') entry.boundPort = address.port;
      this.#remotes.set(remote, entry);
    } else this.#remotes.set(remote, this.#keepConnecting(remote));
  }

  /** How a remote fares, as ovs-vswitchd.conf.db(5) has it for managers. */
  remoteStatus(remote: string): RemoteStatus {
    const entry = this.#remotes.get(remote);
    const status = new Map<string, string>();
    if (!entry) return { isConnected: false, status };
    const n = entry.sessions.size;
    const since = (ms: number) => String(Math.floor((performance.now() - ms) / 1000));
    if (entry.boundPort !== undefined) status.set('bound_port', String(entry.boundPort));
    if (n > 1) status.set('n_connections', String(n));
    // Upstream, too, counts no seconds for a listener.
    if (!entry.active) {
      status.set('sec_since_connect', '0').set('sec_since_disconnect', '0');
      return { isConnected: n > 0, status };
    }
    if (entry.connectedMs !== undefined) {
      status.set('sec_since_connect', since(entry.connectedMs));
    }
    if (entry.disconnectedMs !== undefined) {
      status.set('sec_since_disconnect', since(entry.disconnectedMs));
    }
    status.set('state', n > 0 ? 'ACTIVE' : 'BACKOFF');
    return { isConnected: n > 0, status };
  }

  removeRemote(remote: string): boolean {
    const r = this.#remotes.get(remote);
    r?.close();
    for (const session of r?.sessions ?? []) session.destroy();
    return this.#remotes.delete(remote);
  }

  /** Cuts every client off (`ovsdb-server/reconnect`); they come back. */
  reconnect(): void {
    for (const session of this.#sessions) session.destroy();
  }

  forget(session: Session): void {
    this.#sessions.delete(session);
  }

  close(): void {
    for (const remote of this.#remotes.values()) remote.close();
    this.#remotes.clear();
    for (const session of this.#sessions) session.destroy();
    for (const db of this.databases.values()) db.close();
  }

  #accept(socket: Socket, remote: Remote): void {
    const session = new Session(this, socket);
    this.#sessions.add(session);
    remote.sessions.add(session);
    remote.connectedMs = performance.now();
    socket.once('close', () => {
      remote.sessions.delete(session);
      remote.disconnectedMs = performance.now();
    });
  }

  #keepConnecting(remote: string): Remote {
    let backoffMs = 1000;
    let closed = false;
    let socket: Socket | undefined;
    let timer: NodeJS.Timeout | undefined;
    const again = () => {
      if (closed) return;
      timer = setTimeout(attempt, backoffMs);
      backoffMs = Math.min(backoffMs * 2, 8000);
    };
    const attempt = () => {
      try {
        socket = connectRemote(remote, this.tls);
      } catch (error) {
        log.rl.warn(`${remote}: ${messageOf(error)}`);
        again();
        return;
      }
      socket.once('connect', () => {
        backoffMs = 1000;
        this.#accept(socket!, entry);
      });
      socket.on('error', (error) => log.rl.info(`${remote}: ${error.message}`));
      socket.once('close', again);
    };
    const entry: Remote = {
      active: true,
      sessions: new Set(),
      close() {
        closed = true;
        clearTimeout(timer);
        socket?.destroy();
      },
    };
    attempt();
    return entry;
  }
}
