/** A row as a command line sees it: what the database has, and what is to become of it. */
import {
  type Atom,
  type Datum,
  datumEquals,
  defaultDatum,
  findKey,
  makeDatum,
} from '@heddle/ovsdb/notation/index';
import type { ColumnSchema, TableSchema } from '@heddle/ovsdb/schema/schema';

/** Elements to add to a column or to take away, whatever else it holds by then. */
export interface Partial {
  readonly insert: Datum;
  readonly delete: readonly Atom[];
}

const NOTHING: Partial = { insert: { keys: [] }, delete: [] };

export class Row {
  readonly table: TableSchema;
  readonly uuid: string;
  readonly isNew: boolean;
  /** A new row that asks for its uuid (`--id=UUID create`). */
  readonly fixedUuid: boolean;
  deleted = false;
  /** What the server told; a column that nobody asked for is not there. */
  readonly original = new Map<string, Datum>();
  readonly written = new Map<string, Datum>();
  readonly partial = new Map<string, Partial>();
  /** Columns that must not have changed when the transaction is made. */
  readonly verified = new Set<string>();
  readonly #changed: () => void;

  constructor(
    table: TableSchema,
    uuid: string,
    kind: 'stored' | 'new' | 'new with its uuid',
    changed: () => void,
  ) {
    this.table = table;
    this.uuid = uuid;
    this.isNew = kind !== 'stored';
    this.fixedUuid = kind === 'new with its uuid';
    this.#changed = changed;
  }

  column(name: string): ColumnSchema {
    return this.table.columns.get(name)!;
  }

  get(name: string): Datum {
    const whole =
      this.written.get(name) ?? this.original.get(name) ?? defaultDatum(this.column(name).type);
    const partial = this.partial.get(name);
    return partial ? apply(whole, partial) : whole;
  }

  /** What has been added to the column or taken away in parts is done to the whole, as upstream. */
  set(name: string, datum: Datum): void {
    this.#changed();
    const original = this.original.get(name);
    if (original && datumEquals(datum, original)) {
      this.written.delete(name);
      return;
    }
    this.written.set(name, datum);
  }

  /** Adds to a set, or sets keys of a map, without regard to what else becomes of the column. */
  insert(name: string, more: Datum): void {
    if (this.isNew) {
      this.set(name, merge(this.get(name), more));
      return;
    }
    const { insert, delete: gone } = this.partial.get(name) ?? NOTHING;
    const replaced = more.values ? more.keys.filter((k) => findKey(this.get(name), k) >= 0) : [];
    this.partial.set(name, {
      insert: merge(
        more.values ? { keys: insert.keys, values: insert.values ?? [] } : insert,
        more,
      ),
      delete: [...new Set([...gone, ...replaced])],
    });
    this.#changed();
  }

  /** Takes elements away, likewise. */
  remove(name: string, keys: readonly Atom[]): void {
    if (this.isNew) {
      this.set(name, without(this.get(name), keys));
      return;
    }
    const { insert, delete: gone } = this.partial.get(name) ?? NOTHING;
    this.partial.set(name, { insert: without(insert, keys), delete: [...gone, ...keys] });
    this.#changed();
  }

  verify(name: string): void {
    if (!this.isNew) this.verified.add(name);
  }

  /** The only key of a scalar or optional column. */
  scalar(name: string): string | undefined {
    const atom = this.get(name).keys[0];
    return atom === undefined ? undefined : String(atom);
  }

  mapValue(name: string, key: string): string | undefined {
    const datum = this.get(name);
    const at = findKey(datum, key);
    return at < 0 ? undefined : String(datum.values![at]);
  }
}

/** The later value of a key wins. */
export function merge(datum: Datum, more: Datum): Datum {
  const keys = [...datum.keys, ...more.keys];
  return more.values ? makeDatum(keys, [...(datum.values ?? []), ...more.values]) : makeDatum(keys);
}

export function without(datum: Datum, gone: readonly Atom[]): Datum {
  const keep = datum.keys.map((k) => !gone.includes(k));
  const keys = datum.keys.filter((_, i) => keep[i]);
  return datum.values ? { keys, values: datum.values.filter((_, i) => keep[i]) } : { keys };
}

function apply(datum: Datum, partial: Partial): Datum {
  const rest = partial.delete.length > 0 ? without(datum, partial.delete) : datum;
  return partial.insert.keys.length > 0 ? merge(rest, partial.insert) : rest;
}
