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

export interface StoredRow {
  readonly data: readonly Datum[];
  readonly view: AnyRow;
}

export interface RowEvent {
  readonly table: string;
  readonly uuid: string;
  readonly old: AnyRow | undefined;
  readonly now: AnyRow | undefined;
}

export class Replica {
  readonly schema: DatabaseSchema;
  readonly tables = new Map<string, Map<string, StoredRow>>();

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
    const data = from ? [...from] : table.columnList.map((c) => defaultDatum(c.type));
    for (const [name, value] of Object.entries(json)) {
      const column = table.columns.get(name);
      if (!column) continue;
      data[column.index] = diff
        ? this.#patch(column, data[column.index]!, value)
        : lenient(column, value);
    }
    return data;
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
      return { table: table.name, uuid, old: old.view, now: undefined };
    }
    let changed = !old;
    const view: Record<string, unknown> = { _uuid: uuid };
    for (const { name, index, type } of table.columnList) {
      const same = old !== undefined && datumEquals(old.data[index]!, data[index]!);
      changed ||= !same;
      view[name] = same ? old.view[name] : valueOfDatum(type, data[index]!);
    }
    if (!changed) return undefined;
    const row = { data, view: view as AnyRow };
    rows.set(uuid, row);
    return { table: table.name, uuid, old: old?.view, now: row.view };
  }
}

/** The server has checked its constraints: a newer schema may allow more than ours. */
function lenient(column: ColumnSchema, json: Json): Datum {
  const { type } = column;
  return decodeDatum({ ...type, min: 0, max: Infinity }, json, { lax: true });
}
