import { randomUUID } from 'node:crypto';
import { type Atom, checkDatum, type Datum, datumEquals, defaultDatum } from '../notation/index.ts';
import type { ColumnSchema, DatabaseSchema, TableSchema } from '../schema/schema.ts';
import { ColumnIndexes, UniqueIndex } from './table-index.ts';

/** Versions are this uuid with a count in place of its end. */
const VERSION_BASE = randomUUID().slice(0, 24);
let versions = 0;

/** A version of a row; never changed once made. `data` is indexed by `ColumnSchema.index`. */
export class Row {
  readonly uuid: string;
  readonly data: readonly Datum[];
  readonly #version = versions++;

  constructor(uuid: string, data: readonly Datum[]) {
    this.uuid = uuid;
    this.data = data;
  }

  /** `_version`: different for each version of each row. */
  get version(): string {
    return VERSION_BASE + this.#version.toString(16).padStart(12, '0');
  }
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
  /** One per index of the schema. */
  readonly indexes: readonly UniqueIndex[];
  /** Of columns that conditions keep asking for. */
  readonly columnIndexes = new ColumnIndexes(this.rows);
  /** Number of strong references to a row, by its uuid. */
  readonly strong = new Map<string, number>();
  /** Who refers weakly to a row, by its uuid. */
  readonly weak = new Map<string, WeakSource | Map<string, WeakSource>>();
  readonly strongColumns: readonly ColumnSchema[];
  readonly weakColumns: readonly ColumnSchema[];
  /** Columns whose default breaks their own constraints. */
  readonly unfitDefaults: readonly ColumnSchema[];
  readonly #defaults: readonly Datum[];
  /** The datum that each column got last, to be shared by the next row that has the same. */
  readonly #latest: Datum[];

  constructor(schema: TableSchema) {
    this.schema = schema;
    this.indexes = schema.indexes.map((columns) => new UniqueIndex(columns));
    const has = (c: ColumnSchema, t: 'strong' | 'weak') =>
      c.type.key.refType === t || c.type.value?.refType === t;
    this.strongColumns = schema.columnList.filter((c) => has(c, 'strong'));
    this.weakColumns = schema.columnList.filter((c) => has(c, 'weak'));
    this.#defaults = schema.columnList.map((c) => defaultDatum(c.type));
    this.#latest = [...this.#defaults];
    this.unfitDefaults = schema.columnList.filter((c) => !fits(c, this.#defaults[c.index]!));
  }

  /** The rows that refer weakly to one of this table. */
  weakSources(uuid: string): Iterable<WeakSource> {
    const sources = this.weak.get(uuid);
    if (!sources) return [];
    return sources instanceof Map ? sources.values() : [sources];
  }

  addWeakSource(uuid: string, source: WeakSource): void {
    const sources = this.weak.get(uuid);
    if (!sources) this.weak.set(uuid, source);
    else if (sources instanceof Map) sources.set(source.uuid, source);
    else if (sources.uuid !== source.uuid) {
      // Most rows have one referrer, if any: only more of them are worth a map.
      const both = [sources, source].map((s) => [s.uuid, s] as const);
      this.weak.set(uuid, new Map(both));
    }
  }

  removeWeakSource(uuid: string, source: string): void {
    const sources = this.weak.get(uuid);
    if (sources instanceof Map) {
      sources.delete(source);
      if (sources.size === 0) this.weak.delete(uuid);
    } else if (sources?.uuid === source) this.weak.delete(uuid);
  }

  /** The datums of a row in which nothing is set. */
  defaults(): Datum[] {
    return this.#defaults.slice();
  }

  isDefault(column: ColumnSchema, datum: Datum): boolean {
    return datumEquals(datum, this.#defaults[column.index]!);
  }

  /**
   * The datum or one that is equal and in memory already: most rows have defaults, what the row
   * before has, or at least its keys.
   */
  share({ index }: ColumnSchema, datum: Datum): Datum {
    const latest = this.#latest[index]!;
    if (datumEquals(latest, datum)) return latest;
    const normal = this.#defaults[index]!;
    if (datumEquals(normal, datum)) return normal;
    const { values } = datum;
    const shared =
      values && latest.values && datumEquals({ keys: datum.keys }, { keys: latest.keys })
        ? { keys: latest.keys, values }
        : datum;
    this.#latest[index] = shared;
    return shared;
  }
}

function fits({ type }: ColumnSchema, datum: Datum): boolean {
  try {
    checkDatum(type, datum);
    return true;
  } catch {
    return false;
  }
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

/** Calls back with the atoms of a column that are references, by the table that they refer to. */
export function forEachReferring(
  column: ColumnSchema,
  datum: Datum,
  kind: 'strong' | 'weak',
  callback: (table: string, uuids: readonly Atom[]) => void,
): void {
  const { key, value } = column.type;
  if (key.refTable !== undefined && key.refType === kind) callback(key.refTable, datum.keys);
  if (value?.refTable !== undefined && value.refType === kind) {
    callback(value.refTable, datum.values ?? []);
  }
}

/** Calls back for each reference that a datum of this column makes. */
export function forEachReference(
  column: ColumnSchema,
  datum: Datum,
  kind: 'strong' | 'weak',
  callback: (table: string, uuid: string) => void,
): void {
  forEachReferring(column, datum, kind, (table, uuids) => {
    for (const uuid of uuids) callback(table, uuid as string);
  });
}
