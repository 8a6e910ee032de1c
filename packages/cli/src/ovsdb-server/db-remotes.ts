import { encodeDatum, type Json, jsonEquals, type OvsdbServer } from '@heddle/ovsdb';
import { HeddleError, messageOf, vlog } from '@heddle/runtime';

/** How often the rows of remotes are told how these fare. */
const STATUS_MS = 2500;
const log = vlog.module('ovsdb_server');

/** `db:DATABASE,TABLE,COLUMN`: remotes that a column of a database names. */
interface Source {
  readonly spec: string;
  readonly db: string;
  readonly table: string;
  readonly column: string;
}

/** Remotes given by name, and those that databases name, kept in step with them. */
export class DatabaseRemotes {
  readonly #server: OvsdbServer;
  readonly #fixed = new Set<string>();
  readonly #sources = new Map<string, Source>();
  readonly #stops: (() => void)[] = [];
  #fromDb = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(server: OvsdbServer) {
    this.#server = server;
    server.onDatabasesChanged(() => {
      this.#follow();
      void this.#reconcile();
    });
  }

  async add(remote: string): Promise<void> {
    if (!remote.startsWith('db:')) {
      await this.#server.addRemote(remote);
      this.#fixed.add(remote);
      return;
    }
    const source = this.#parse(remote);
    this.#sources.set(remote, source);
    this.#follow();
    this.#timer ??= setInterval(() => void this.#writeStatus(), STATUS_MS).unref();
    await this.#reconcile();
  }

  /** Watches the databases as they are now: a conversion replaces one by another. */
  #follow(): void {
    for (const stop of this.#stops.splice(0)) stop();
    const names = new Set([...this.#sources.values()].map((s) => s.db));
    for (const name of names) {
      const db = this.#server.databases.get(name);
      if (db) this.#stops.push(db.onCommit(() => void this.#reconcile()));
    }
  }

  /** Tells the rows that name a remote how it fares. */
  async #writeStatus(): Promise<void> {
    for (const { db, table, column } of this.#sources.values()) {
      const database = this.#server.databases.get(db);
      const refTable = database?.schema.tables.get(table)?.columns.get(column)?.type.key.refTable;
      const rows = refTable === undefined ? undefined : database?.tables.get(refTable);
      const { target, is_connected, status } = Object.fromEntries(rows?.schema.columns ?? []);
      if (!rows || !target || !is_connected || !status) continue;
      const ops: Json[] = [];
      for (const row of rows.rows.values()) {
        const now = this.#server.remoteStatus(String(row.data[target.index]!.keys[0]));
        const wanted = { is_connected: now.isConnected, status: ['map', [...now.status]] };
        const before = {
          is_connected: row.data[is_connected.index]!.keys[0]!,
          status: encodeDatum(status.type, row.data[status.index]!),
        };
        if (jsonEquals(wanted, before)) continue;
        const where = [['_uuid', '==', ['uuid', row.uuid]]];
        ops.push({ op: 'update', table: rows.schema.name, where, row: wanted });
      }
      if (ops.length > 0) await database!.change(ops);
    }
  }

  remove(remote: string): boolean {
    if (this.#sources.delete(remote)) {
      void this.#reconcile();
      return true;
    }
    return this.#fixed.delete(remote) && this.#server.removeRemote(remote);
  }

  list(): string[] {
    return [...this.#fixed, ...this.#sources.keys()].sort();
  }

  close(): void {
    clearInterval(this.#timer);
    for (const stop of this.#stops) stop();
  }

  #parse(remote: string): Source {
    const words = remote.slice(3).split(',');
    if (words.length !== 3) throw new HeddleError(`"${remote}": invalid syntax`);
    const [db, table, column] = words as [string, string, string];
    const database = this.#server.databases.get(db);
    if (!database) throw new HeddleError(`"${remote}": no database named ${db}`);
    const schema = database.schema.tables.get(table);
    if (!schema) throw new HeddleError(`"${remote}": no table named ${table}`);
    if (!schema.columns.has(column)) {
      throw new HeddleError(`"${remote}": table "${table}" has no column "${column}"`);
    }
    return { spec: remote, db, table, column };
  }

  async #reconcile(): Promise<void> {
    const wanted = new Set<string>();
    for (const source of this.#sources.values())
      for (const r of this.#targets(source)) wanted.add(r);
    const before = this.#fromDb;
    this.#fromDb = wanted;
    for (const old of before) {
      if (!wanted.has(old) && !this.#fixed.has(old)) this.#server.removeRemote(old);
    }
    for (const remote of wanted) {
      if (before.has(remote)) continue;
      try {
        await this.#server.addRemote(remote);
      } catch (error) {
        log.rl.warn(`${remote}: ${messageOf(error)}`);
      }
    }
  }

  /** The column's strings, or the `target` of the rows that it refers to. */
  #targets({ db, table, column }: Source): string[] {
    const { tables } = this.#server.databases.get(db) ?? {};
    const from = tables?.byName.get(table);
    const schema = from?.schema.columns.get(column);
    if (!tables || !from || !schema) return [];
    const out: string[] = [];
    for (const row of from.rows.values()) {
      for (const atom of row.data[schema.index]!.keys) {
        const { refTable } = schema.type.key;
        if (refTable === undefined) out.push(String(atom));
        else {
          const to = tables.get(refTable);
          const target = to.schema.columns.get('target');
          const row2 = to.rows.get(String(atom));
          if (target && row2) out.push(...row2.data[target.index]!.keys.map(String));
        }
      }
    }
    return out;
  }
}
