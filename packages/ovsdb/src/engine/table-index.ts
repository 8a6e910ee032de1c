import {
  type Atom,
  type Datum,
  isOptionalScalar,
  isScalar,
  onlyKey,
  printJson,
} from '../notation/index.ts';
import type { ColumnSchema } from '../schema/schema.ts';
import type { Row } from './table.ts';

/** An atom that is equal for equal datums of one column only. */
function datumKey({ type }: ColumnSchema, datum: Datum): Atom {
  const only = onlyKey(datum);
  if (isScalar(type) && only !== undefined) return only;
  if (!isOptionalScalar(type)) return printJson([datum.keys, datum.values ?? []]);
  if (only === undefined) return '';
  return typeof only === 'string' ? `s${only}` : only;
}

/** An index of the schema: no two rows have the same values in its columns. */
export class UniqueIndex {
  readonly columns: readonly ColumnSchema[];
  readonly #rows = new Map<Atom, string>();

  constructor(columns: readonly ColumnSchema[]) {
    this.columns = columns;
  }

  keyOf(row: Row): Atom {
    return this.key(this.columns.map((c) => row.data[c.index]!));
  }

  /** What stands for the values of the columns. */
  key(values: readonly Datum[]): Atom {
    const [column, ...more] = this.columns;
    if (more.length === 0) return datumKey(column!, values[0]!);
    return printJson(this.columns.map((c, i) => datumKey(c, values[i]!)));
  }

  /** The uuid of the row that has the key. */
  get(key: Atom): string | undefined {
    return this.#rows.get(key);
  }

  add(row: Row): void {
    this.#rows.set(this.keyOf(row), row.uuid);
  }

  remove(row: Row): void {
    const key = this.keyOf(row);
    if (this.#rows.get(key) === row.uuid) this.#rows.delete(key);
  }

  /** Whether both rows have the same values. */
  same(a: Row, b: Row): boolean {
    return this.columns.every((c) => a.data[c.index] === b.data[c.index]);
  }
}

/** Tables below this size are searched as fast. */
const MIN_ROWS = 200;
/** A search of all rows costs about a quarter of making an index. */
const SEARCHES = 4;
const MAX_INDEXES = 4;

interface ColumnIndex {
  readonly column: ColumnSchema;
  readonly rows: Map<Atom, string | Set<string>>;
}

/**
 * Indexes that the schema does not name: a column that conditions keep asking for with `==` gets
 * one, in place of the one that has not been asked for the longest.
 */
export class ColumnIndexes {
  readonly #rows: ReadonlyMap<string, Row>;
  readonly #searches = new Map<ColumnSchema, number>();
  /** The one asked for last is last. */
  #indexes: ColumnIndex[] = [];

  constructor(rows: ReadonlyMap<string, Row>) {
    this.#rows = rows;
  }

  /** The uuids of all rows that have the value; undefined when only a search can tell. */
  find(column: ColumnSchema, value: Datum): Iterable<string> | undefined {
    if (this.#rows.size < MIN_ROWS || column.type.max > 1) return undefined;
    const index = this.#indexes.find((i) => i.column === column) ?? this.#make(column);
    if (!index) return undefined;
    if (index !== this.#indexes.at(-1)) {
      this.#indexes = [...this.#indexes.filter((i) => i !== index), index];
    }
    const found = index.rows.get(datumKey(column, value));
    return typeof found === 'string' ? [found] : (found ?? []);
  }

  replace(old: Row | undefined, now: Row | undefined): void {
    for (const { column, rows } of this.#indexes) {
      const before = old?.data[column.index];
      const after = now?.data[column.index];
      if (before === after) continue;
      if (before) removeFrom(rows, datumKey(column, before), old!.uuid);
      if (after) addTo(rows, datumKey(column, after), now!.uuid);
    }
  }

  #make(column: ColumnSchema): ColumnIndex | undefined {
    const searches = (this.#searches.get(column) ?? 0) + 1;
    this.#searches.set(column, searches);
    if (searches <= SEARCHES) return undefined;
    this.#searches.delete(column);
    const index: ColumnIndex = { column, rows: new Map() };
    for (const row of this.#rows.values()) {
      addTo(index.rows, datumKey(column, row.data[column.index]!), row.uuid);
    }
    this.#indexes = [...this.#indexes.slice(-MAX_INDEXES + 1), index];
    return index;
  }
}

function addTo(rows: ColumnIndex['rows'], key: Atom, uuid: string): void {
  const there = rows.get(key);
  if (there === undefined) rows.set(key, uuid);
  else if (typeof there === 'string') rows.set(key, new Set([there, uuid]));
  else there.add(uuid);
}

function removeFrom(rows: ColumnIndex['rows'], key: Atom, uuid: string): void {
  const there = rows.get(key);
  if (there === uuid || (there instanceof Set && there.delete(uuid) && there.size === 0)) {
    rows.delete(key);
  }
}
