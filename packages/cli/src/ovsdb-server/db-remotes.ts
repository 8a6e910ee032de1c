import {
  type Database,
  encodeDatum,
  type Json,
  jsonEquals,
  type OvsdbServer,
  type RemoteOptions,
} from '@heddle/ovsdb';
import { type DbSource, parseDbSource, sourceStrings } from './db-source.ts';

type Table = ReturnType<Database['tables']['get']>;
type Row = NonNullable<ReturnType<Table['rows']['get']>>;

/** How often the rows of remotes are told how these fare. */
const STATUS_MS = 2500;

/** Remotes given by name, and those that databases name, kept in step with them. */
export class DatabaseRemotes {
  readonly #server: OvsdbServer;
  readonly #fixed = new Set<string>();
  readonly #sources = new Map<string, DbSource>();
  readonly #timer = setInterval(() => void this.#writeStatus(), STATUS_MS).unref();
  #fromDb = new Set<string>();

  constructor(server: OvsdbServer) {
    this.#server = server;
  }

  get databases(): string[] {
    return [...this.#sources.values()].map(({ db }) => db);
  }

  /** Throws HeddleError for a `db:` that no database has. */
  async add(remote: string, options: RemoteOptions = {}): Promise<void> {
    if (!remote.startsWith('db:')) {
      this.#fixed.add(remote);
      await this.#server.addRemote(remote, options);
      return;
    }
    this.#sources.set(remote, parseDbSource(this.#server, remote));
    await this.update();
  }

  remove(remote: string): boolean {
    if (this.#sources.delete(remote)) {
      void this.update();
      return true;
    }
    if (!this.#fixed.delete(remote)) return false;
    if (!this.#fromDb.has(remote)) this.#server.removeRemote(remote);
    return true;
  }

  list(): string[] {
    return [...this.#fixed, ...this.#sources.keys()].sort();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Adds, changes and drops remotes as the databases say now. */
  async update(): Promise<void> {
    const wanted = new Map<string, RemoteOptions>();
    for (const source of this.#sources.values()) {
      for (const [target, options] of this.#targets(source)) wanted.set(target, options);
    }
    const before = this.#fromDb;
    this.#fromDb = new Set(wanted.keys());
    for (const old of before) {
      if (!wanted.has(old) && !this.#fixed.has(old)) this.#server.removeRemote(old);
    }
    await Promise.all(
      [...wanted].map(([target, options]) => this.#server.addRemote(target, options)),
    );
  }

  /** The column's strings, or the `target` of the rows that it refers to. */
  *#targets(source: DbSource): Generator<[string, RemoteOptions]> {
    for (const target of sourceStrings(this.#server, source)) yield [target, {}];
    for (const [table, row] of this.#rows(source)) {
      const get = (name: string) => {
        const column = table.schema.columns.get(name);
        return column && row.data[column.index]!.keys[0];
      };
      const target = get('target');
      if (typeof target !== 'string' || target === '') continue;
      const role = get('role');
      yield [
        target,
        {
          maxBackoffMs: numberOf(get('max_backoff')),
          probeMs: numberOf(get('inactivity_probe')),
          readOnly: get('read_only') === true,
          role: typeof role === 'string' ? role : undefined,
        },
      ];
    }
  }

  /** The rows that the column refers to, with their table. */
  *#rows({ db, table, column }: DbSource): Generator<[Table, Row]> {
    const tables = this.#server.databases.get(db)?.tables;
    const from = tables?.byName.get(table);
    const schema = from?.schema.columns.get(column);
    const refTable = schema?.type.key.refTable;
    if (!tables || !from || !schema || refTable === undefined) return;
    const to = tables.get(refTable);
    for (const row of from.rows.values()) {
      for (const uuid of row.data[schema.index]!.keys) {
        const found = to.rows.get(String(uuid));
        if (found) yield [to, found];
      }
    }
  }

  /** Tells the rows that name a remote how it fares; those of a backup or relay are another's. */
  async #writeStatus(): Promise<void> {
    if (this.#server.readOnly) return;
    for (const source of this.#sources.values()) {
      if (this.#server.relays.has(source.db)) continue;
      const ops: Json[] = [];
      for (const [table, row] of this.#rows(source)) {
        const op = this.#statusUpdate(table, row);
        if (op) ops.push(op);
      }
      if (ops.length > 0) await this.#server.databases.get(source.db)?.change(ops);
    }
  }

  #statusUpdate(table: Table, row: Row): Json | undefined {
    const { target, is_connected, status } = Object.fromEntries(table.schema.columns);
    if (!target || !is_connected || !status) return undefined;
    const now = this.#server.remoteStatus(String(row.data[target.index]!.keys[0]));
    const wanted = { is_connected: now.isConnected, status: ['map', [...now.status]] };
    const before = {
      is_connected: row.data[is_connected.index]!.keys[0]!,
      status: encodeDatum(status.type, row.data[status.index]!),
    };
    if (jsonEquals(wanted, before)) return undefined;
    const where = [['_uuid', '==', ['uuid', row.uuid]]];
    return { op: 'update', table: table.schema.name, where, row: wanted };
  }
}

function numberOf(atom: unknown): number | undefined {
  return typeof atom === 'number' ? atom : undefined;
}
