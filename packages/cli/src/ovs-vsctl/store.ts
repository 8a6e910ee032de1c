/** What a command line reads of the database, with the changes that it makes to it. */
import { randomUUID } from 'node:crypto';
import { decodeDatum, isArray, isObject, type Json } from '@heddle/ovsdb/notation/index';
import { Row } from './row.ts';
import { SCHEMA } from './schema.ts';

export { Row };

/** Columns wanted, by table. */
export type Wanted = Map<string, Set<string>>;

export class Store {
  readonly #rows = new Map<string, Map<string, Row>>();
  /** Grows with every change, for what is derived from the rows. */
  version = 0;
  /** Rows that must not be there when the transaction is made. */
  readonly absent: { readonly table: string; readonly name: string }[] = [];
  readonly #changed = () => {
    this.version++;
  };

  readonly #lacking: ReadonlySet<string>;

  /** `lacking`: TABLE.COLUMN for what the server does not have. */
  constructor(lacking: ReadonlySet<string>) {
    this.#lacking = lacking;
    for (const name of SCHEMA.tables.keys()) this.#rows.set(name, new Map());
  }

  /** The `select` operations that fetch what is wanted. */
  static selects(wanted: Wanted): Json[] {
    return [...wanted].map(([table, columns]) => ({
      op: 'select',
      table,
      where: [],
      columns: ['_uuid', ...columns],
    }));
  }

  load(wanted: Wanted, results: readonly Json[]): void {
    [...wanted.keys()].forEach((name, i) => {
      const result = results[i];
      const rows = isObject(result) && isArray(result['rows']) ? result['rows'] : [];
      for (const json of rows) this.#loadRow(name, json);
    });
  }

  #loadRow(tableName: string, json: Json): void {
    if (!isObject(json) || !isArray(json['_uuid'])) return;
    const table = SCHEMA.tables.get(tableName)!;
    const row = new Row(table, String(json['_uuid'][1]), 'stored', this.#changed);
    for (const [name, value] of Object.entries(json)) {
      const column = table.columns.get(name);
      if (!column) continue;
      // The server's constraints may be wider than ours.
      const type = { ...column.type, min: 0, max: Infinity };
      row.original.set(name, decodeDatum(type, value, { lax: true }));
    }
    this.#rows.get(tableName)!.set(row.uuid, row);
  }

  /** Whether the server's version of a table is without a column that ours has. */
  isLacking(table: string, column: string): boolean {
    return this.#lacking.has(`${table}.${column}`);
  }

  *everything(): Iterable<Row> {
    for (const rows of this.#rows.values()) yield* rows.values();
  }

  all(table: string): Row[] {
    return [...this.#rows.get(table)!.values()].filter((r) => !r.deleted);
  }

  get(table: string, uuid: string): Row | undefined {
    const row = this.#rows.get(table)!.get(uuid);
    return row?.deleted ? undefined : row;
  }

  /** The row that a reference names, even if it is to be deleted. */
  target(table: string, uuid: string): Row | undefined {
    return this.#rows.get(table)!.get(uuid);
  }

  /** The rows that a column of references names. */
  refs(row: Row, column: string): Row[] {
    const { refTable } = row.column(column).type.key;
    return row.get(column).keys.flatMap((k) => this.target(refTable!, String(k)) ?? []);
  }

  /** Without `uuid` the server chooses one; `fixed` asks it for this one. */
  insert(table: string, uuid: string = randomUUID(), fixed = false): Row {
    const kind = fixed ? 'new with its uuid' : 'new';
    const row = new Row(SCHEMA.tables.get(table)!, uuid, kind, this.#changed);
    this.#rows.get(table)!.set(row.uuid, row);
    this.#changed();
    return row;
  }

  delete(row: Row): void {
    row.deleted = true;
    if (row.isNew) this.#rows.get(row.table.name)!.delete(row.uuid);
    this.#changed();
  }
}
