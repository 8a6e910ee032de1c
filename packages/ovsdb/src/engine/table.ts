import { randomUUID } from 'node:crypto';
import { type Atom, type Datum, defaultDatum, printJson } from '../notation/index.ts';
import type { ColumnSchema, DatabaseSchema, TableSchema } from '../schema/schema.ts';

/** A version of a row; never changed once made. `data` is indexed by `ColumnSchema.index`. */
export interface Row {
  readonly uuid: string;
  readonly version: string;
  readonly data: readonly Datum[];
}

/** A row that refers weakly to another. */
export interface WeakSource {
  readonly table: Table;
  readonly uuid: string;
}

/** The rows of a table, what finds them, and what refers to them. */
export class Table {
  readonly schema: TableSchema;
  readonly rows = new Map<string, Row>();
  /** One map per index of the schema: from the text of the indexed values to the row. */
  readonly indexes: readonly Map<string, string>[];
  /** Number of strong references to a row, by its uuid. */
  readonly strong = new Map<string, number>();
  /** Who refers weakly to a row, by its uuid. */
  readonly weak = new Map<string, Map<string, WeakSource>>();
  readonly strongColumns: readonly ColumnSchema[];
  readonly weakColumns: readonly ColumnSchema[];

  constructor(schema: TableSchema) {
    this.schema = schema;
    this.indexes = schema.indexes.map(() => new Map());
    const has = (c: ColumnSchema, t: 'strong' | 'weak') =>
      c.type.key.refType === t || c.type.value?.refType === t;
    this.strongColumns = schema.columnList.filter((c) => has(c, 'strong'));
    this.weakColumns = schema.columnList.filter((c) => has(c, 'weak'));
  }

  newRow(uuid: string = randomUUID()): Row {
    const data = this.schema.columnList.map((c) => defaultDatum(c.type));
    return { uuid, version: randomUUID(), data };
  }

  /** The text under which index number `i` holds a row. */
  indexKey(i: number, row: Row): string {
    return this.schema.indexes[i]!.map((c) => datumText(row.data[c.index]!)).join('\0');
  }
}

/** A text that is equal for equal datums of one column only. */
export function datumText(datum: Datum): string {
  if (datum.keys.length === 1 && !datum.values) return `s${String(datum.keys[0])}`;
  return `c${printJson([datum.keys as readonly Atom[], (datum.values ?? []) as readonly Atom[]])}`;
}

export class Tables {
  readonly schema: DatabaseSchema;
  readonly byName: ReadonlyMap<string, Table>;

  constructor(schema: DatabaseSchema) {
    this.schema = schema;
    this.byName = new Map([...schema.tables].map(([name, t]) => [name, new Table(t)]));
  }

  get(name: string): Table {
    const table = this.byName.get(name);
    if (!table) throw new Error(`no table ${name}`);
    return table;
  }

  get rowCount(): number {
    let n = 0;
    for (const table of this.byName.values()) n += table.rows.size;
    return n;
  }
}

/** Calls back for each reference that a datum of this column makes. */
export function forEachReference(
  column: ColumnSchema,
  datum: Datum,
  kind: 'strong' | 'weak',
  callback: (table: string, uuid: string) => void,
): void {
  const { key, value } = column.type;
  if (key.refTable !== undefined && key.refType === kind) {
    for (const atom of datum.keys) callback(key.refTable, atom as string);
  }
  if (value?.refTable !== undefined && value.refType === kind) {
    for (const atom of datum.values ?? []) callback(value.refTable, atom as string);
  }
}
