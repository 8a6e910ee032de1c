/** Rows as a `monitor` of another server tells of them. */
import { Row, type Table, type Tables } from '../engine/table.ts';
import type { RowChange } from '../engine/transaction.ts';
import {
  datumEquals,
  decodeDatum,
  isObject,
  isUuid,
  type Json,
  OvsdbError,
} from '../notation/index.ts';

/** The <table-updates> as changes of our rows; throws OvsdbError for what the schema forbids. */
export function readUpdates(tables: Tables, json: Json): RowChange[] {
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
      const old = table.rows.get(uuid);
      const now = isObject(update['new']) ? readRow(table, uuid, update['new'], old) : undefined;
      changes.push({ table, uuid, old, now });
    }
  }
  return changes;
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
