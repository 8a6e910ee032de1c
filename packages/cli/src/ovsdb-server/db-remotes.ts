import type { OvsdbServer } from '@heddle/ovsdb';
import { HeddleError, messageOf, vlog } from '@heddle/runtime';

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

  constructor(server: OvsdbServer) {
    this.#server = server;
  }

  async add(remote: string): Promise<void> {
    if (!remote.startsWith('db:')) {
      await this.#server.addRemote(remote);
      this.#fixed.add(remote);
      return;
    }
    const source = this.#parse(remote);
    this.#sources.set(remote, source);
    const db = this.#server.databases.get(source.db)!;
    this.#stops.push(db.onCommit(() => void this.#reconcile()));
    await this.#reconcile();
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
