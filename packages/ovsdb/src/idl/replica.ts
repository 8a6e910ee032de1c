/** The local copy of the monitored tables, kept by the server's updates. */
import {
  applyDiff,
  type Datum,
  datumEquals,
  decodeDatum,
  defaultDatum,
  isObject,
  type Json,
  type JsonObject,
  OvsdbError,
} from '../notation/index.ts';
import type { ColumnSchema, DatabaseSchema, TableSchema } from '../schema/schema.ts';
import { valueOfDatum } from './values.ts';

/** A row as programs see it: columns by name, and its uuid. Never changed once made. */
export type AnyRow = { readonly _uuid: string } & { readonly [column: string]: unknown };

/** A version of a row. What programs see of it is made when one looks. */
export class StoredRow {
  readonly uuid: string;
  readonly data: readonly Datum[];
  readonly #table: TableSchema;
  #view: AnyRow | undefined;

  constructor(table: TableSchema, uuid: string, data: readonly Datum[]) {
    this.#table = table;
    this.uuid = uuid;
    this.data = data;
  }

  get view(): AnyRow {
    this.#view ??= this.#makeView();
    return this.#view;
  }

  #makeView(): AnyRow {
    const view: Record<string, unknown> = { _uuid: this.uuid };
    for (const { name, index, type } of this.#table.columnList) {
      view[name] = valueOfDatum(type, this.data[index]!);
    }
    return view as AnyRow;
  }
}

/** A change of one row; `old` is undefined for a new one, `now` for one that went. */
export class RowEvent {
  readonly table: string;
  readonly uuid: string;
  readonly #old: StoredRow | undefined;
  readonly #now: StoredRow | undefined;

  constructor(table: string, uuid: string, old: StoredRow | undefined, now: StoredRow | undefined) {
    this.table = table;
    this.uuid = uuid;
    this.#old = old;
    this.#now = now;
  }

  get old(): AnyRow | undefined {
    return this.#old?.view;
  }

  get now(): AnyRow | undefined {
    return this.#now?.view;
  }
}

export class Replica {
  readonly schema: DatabaseSchema;
  readonly tables = new Map<string, Map<string, StoredRow>>();
  /** Of each table; rows share them. */
  readonly #defaults = new Map<string, readonly Datum[]>();

  constructor(schema: DatabaseSchema) {
    this.schema = schema;
    for (const name of schema.tables.keys()) this.tables.set(name, new Map());
  }

  /** `update` (RFC 7047 4.1.6): rows as {old, new}. */
  apply1(updates: Json): RowEvent[] {
    return this.#each(updates, (table, uuid, update) => {
      const fresh = update['new'];
      if (!isObject(fresh)) return this.#set(table, uuid, undefined);
      const old = this.tables.get(table.name)!.get(uuid);
      return this.#set(table, uuid, this.#decode(table, old?.data, fresh, false));
    });
  }

  /** `update2`, `update3` (ovsdb-server(7)): rows as {initial | insert | modify | delete}. */
  apply2(updates: Json): RowEvent[] {
    return this.#each(updates, (table, uuid, update) => {
      if ('delete' in update) return this.#set(table, uuid, undefined);
      const whole = update['initial'] ?? update['insert'];
      if (isObject(whole))
        return this.#set(table, uuid, this.#decode(table, undefined, whole, false));
      const old = this.tables.get(table.name)!.get(uuid);
      const diff = update['modify'];
      if (!isObject(diff)) return undefined;
      if (!old) throw new OvsdbError('syntax error', `modification of unknown row ${uuid}`);
      return this.#set(table, uuid, this.#decode(table, old.data, diff, true));
    });
  }

  /** What a fresh start leaves out goes; the rest is compared with what was there. */
  replaceAll(updates: Json, version: 1 | 2): RowEvent[] {
    const events: RowEvent[] = [];
    for (const [name, rows] of this.tables) {
      const wanted = isObject(updates) && isObject(updates[name]) ? updates[name] : {};
      for (const uuid of [...rows.keys()]) {
        if (uuid in wanted) continue;
        const event = this.#set(this.schema.tables.get(name)!, uuid, undefined);
        if (event) events.push(event);
      }
    }
    events.push(...(version === 1 ? this.apply1(updates) : this.apply2(updates)));
    return events;
  }

  /** A row of default values, which is in no table; its uuid is empty. */
  blank(table: string): AnyRow {
    const schema = this.schema.tables.get(table)!;
    return new StoredRow(schema, '', this.#defaultsOf(schema)).view;
  }

  #each(
    updates: Json,
    apply: (table: TableSchema, uuid: string, update: JsonObject) => RowEvent | undefined,
  ): RowEvent[] {
    const events: RowEvent[] = [];
    if (!isObject(updates)) throw new OvsdbError('syntax error', 'table-updates is not an object');
    for (const [name, rows] of Object.entries(updates)) {
      const table = this.schema.tables.get(name);
      if (!table || !isObject(rows)) continue;
      for (const [uuid, update] of Object.entries(rows)) {
        const event = isObject(update) ? apply(table, uuid, update) : undefined;
        if (event) events.push(event);
      }
    }
    return events;
  }

  #decode(
    table: TableSchema,
    from: readonly Datum[] | undefined,
    json: JsonObject,
    diff: boolean,
  ): Datum[] {
    const data = [...(from ?? this.#defaultsOf(table))];
    for (const [name, value] of Object.entries(json)) {
      const column = table.columns.get(name);
      if (!column) continue;
      data[column.index] = diff
        ? this.#patch(column, data[column.index]!, value)
        : lenient(column, value);
    }
    return data;
  }

  #defaultsOf(table: TableSchema): readonly Datum[] {
    let defaults = this.#defaults.get(table.name);
    if (!defaults) {
      defaults = table.columnList.map((c) => defaultDatum(c.type));
      this.#defaults.set(table.name, defaults);
    }
    return defaults;
  }

  #patch(column: ColumnSchema, from: Datum, json: Json): Datum {
    return applyDiff(column.type, from, lenient(column, json));
  }

  #set(table: TableSchema, uuid: string, data: Datum[] | undefined): RowEvent | undefined {
    const rows = this.tables.get(table.name)!;
    const old = rows.get(uuid);
    if (!data) {
      if (!old) return undefined;
      rows.delete(uuid);
      return new RowEvent(table.name, uuid, old, undefined);
    }
    if (old && data.every((datum, i) => datumEquals(datum, old.data[i]!))) return undefined;
    const row = new StoredRow(table, uuid, data);
    rows.set(uuid, row);
    return new RowEvent(table.name, uuid, old, row);
  }
}

/** The server has checked its constraints: a newer schema may allow more than ours. */
function lenient(column: ColumnSchema, json: Json): Datum {
  const { type } = column;
  return decodeDatum({ ...type, min: 0, max: Infinity }, json, { lax: true });
}
