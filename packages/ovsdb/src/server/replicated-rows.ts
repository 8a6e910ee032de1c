/** Rows as a `monitor` of another server tells of them. */
import { Row, type Table, type Tables } from '../engine/table.ts';
import type { RowChange } from '../engine/transaction.ts';
import { recordedChange } from '../file/record.ts';
import {
  datumEquals,
  decodeDatum,
  isObject,
  isUuid,
  type Json,
  type JsonObject,
  OvsdbError,
} from '../notation/index.ts';

/** The <table-updates> of `monitor` as changes of our rows; throws OvsdbError. */
export function readUpdates(tables: Tables, json: Json): RowChange[] {
  return readEach(tables, json, (table, uuid, update) => {
    const old = table.rows.get(uuid);
    const now = isObject(update['new']) ? readRow(table, uuid, update['new'], old) : undefined;
    return { table, uuid, old, now };
  });
}

/** The <table-updates2> of `monitor_cond_since` as changes of our rows; throws OvsdbError. */
export function readUpdates2(tables: Tables, json: Json): RowChange[] {
  return readEach(tables, json, (table, uuid, update) => {
    const old = table.rows.get(uuid);
    const values = update['initial'] ?? update['insert'];
    if (isObject(values)) return { table, uuid, old, now: readRow(table, uuid, values, undefined) };
    const diff = update['modify'];
    if (isObject(diff) && old) return recordedChange(table, uuid, diff, true);
    if (update['delete'] === null && old) return { table, uuid, old, now: undefined };
    throw new OvsdbError(
      'ovsdb error',
      `bad <row_update2> for ${uuid} in table ${table.schema.name}`,
    );
  });
}

/** As `readUpdates2`, where each update is a whole row. */
export function readRows(tables: Tables, json: Json): RowChange[] {
  return readEach(tables, json, (table, uuid, update) => {
    const now = readRow(table, uuid, update['initial'] ?? {}, undefined);
    return { table, uuid, old: table.rows.get(uuid), now };
  });
}

/** The changes that leave nothing in the tables named but `rows`. */
export function replacing(
  tables: Tables,
  names: readonly string[],
  rows: readonly RowChange[],
): RowChange[] {
  const kept = new Map<Table, Set<string>>();
  for (const { table, uuid } of rows) {
    kept.set(table, (kept.get(table) ?? new Set()).add(uuid));
  }
  const changes = rows.filter(({ old, now }) => !old || !now || !same(old, now));
  for (const name of names) {
    const table = tables.get(name);
    for (const old of table.rows.values()) {
      if (kept.get(table)?.has(old.uuid)) continue;
      changes.push({ table, uuid: old.uuid, old, now: undefined });
    }
  }
  return changes;
}

function readEach(
  tables: Tables,
  json: Json,
  read: (table: Table, uuid: string, update: JsonObject) => RowChange,
): RowChange[] {
  if (!isObject(json)) throw new OvsdbError('ovsdb error', '<table_updates> is not an object');
  const changes: RowChange[] = [];
  for (const [name, rows] of Object.entries(json)) {
    const table = tables.byName.get(name);
    if (!table || !isObject(rows)) {
      throw new OvsdbError('ovsdb error', `unknown table ${name} in <table_updates>`);
    }
    for (const [uuid, update] of Object.entries(rows)) {
      if (!isUuid(uuid) || !isObject(update)) {
        throw new OvsdbError('ovsdb error', `bad <row_update> for ${uuid} in table ${name}`);
      }
      changes.push(read(table, uuid, update));
    }
  }
  return changes;
}

function readRow(table: Table, uuid: string, json: Json, old: Row | undefined): Row {
  const data = old ? old.data.slice() : table.defaults();
  for (const [name, value] of Object.entries(json as Record<string, Json>)) {
    const column = table.schema.columns.get(name);
    if (!column) continue;
    data[column.index] = table.share(column, decodeDatum(column.type, value));
  }
  return new Row(uuid, data);
}

function same(a: Row, b: Row): boolean {
  return a.data.every((datum, i) => datumEquals(datum, b.data[i]!));
}
