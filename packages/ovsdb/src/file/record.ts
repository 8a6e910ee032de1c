/** Transactions as records of the database file (ovsdb(5), "Transaction Records"). */
import { randomUUID } from 'node:crypto';
import { forEachReference, type Row, type Table, type Tables } from '../engine/table.ts';
import { applyChanges, type RowChange } from '../engine/transaction.ts';
import {
  applyDiff,
  type Datum,
  datumEquals,
  decodeDatum,
  defaultDatum,
  encodeDatum,
  isObject,
  type Json,
  type JsonObject,
  OvsdbError,
} from '../notation/index.ts';

/** undefined when nothing that the file keeps has changed. */
export function changesToRecord(
  changes: readonly RowChange[],
  comment: string | undefined,
  wallMs: number,
): JsonObject | undefined {
  const tables: Record<string, Record<string, Json>> = {};
  for (const { table, uuid, old, now } of changes) {
    const row = now ? rowRecord(table, old, now) : null;
    if (row !== null && old && Object.keys(row).length === 0) continue;
    let rows = tables[table.schema.name];
    if (!rows) {
      rows = {};
      tables[table.schema.name] = rows;
    }
    rows[uuid] = row;
  }
  if (Object.keys(tables).length === 0) return undefined;
  return { _date: wallMs, ...(comment === undefined ? {} : { _comment: comment }), ...tables };
}

function rowRecord(table: Table, old: Row | undefined, now: Row): Record<string, Json> {
  const out: Record<string, Json> = {};
  for (const column of table.schema.columnList) {
    if (column.ephemeral) continue;
    const datum = now.data[column.index]!;
    const before = old ? old.data[column.index]! : defaultDatum(column.type);
    if (!datumEquals(before, datum)) out[column.name] = encodeDatum(column.type, datum);
  }
  return out;
}

/** Everything that there is, as one record. */
export function snapshotRecord(
  tables: Tables,
  wallMs: number,
  comment = 'compacting database online',
): JsonObject {
  const out: Record<string, Json> = { _date: wallMs, _comment: comment };
  for (const table of tables.byName.values()) {
    if (table.rows.size === 0) continue;
    const rows: Record<string, Json> = {};
    for (const row of table.rows.values()) rows[row.uuid] = rowRecord(table, undefined, row);
    out[table.schema.name] = rows;
  }
  return out;
}

/** Applies a record read from a file; unknown tables and columns are an error. */
export function applyRecord(tables: Tables, record: JsonObject): void {
  const changes: RowChange[] = [];
  const isDiff = record['_is_diff'] === true;
  for (const [name, rows] of Object.entries(record)) {
    if (name.startsWith('_')) continue;
    const table = tables.byName.get(name);
    if (!table || !isObject(rows)) throw new OvsdbError('unknown table', `No table named ${name}.`);
    for (const [uuid, row] of Object.entries(rows)) {
      const old = table.rows.get(uuid);
      if (row !== null && !isObject(row))
        throw new OvsdbError('syntax error', 'row must be an object or null');
      changes.push({
        table,
        uuid,
        old,
        now: row === null ? undefined : decodeRow(table, uuid, old, row, isDiff),
      });
    }
  }
  applyChanges(tables, changes);
}

function decodeRow(
  table: Table,
  uuid: string,
  old: Row | undefined,
  json: JsonObject,
  isDiff: boolean,
): Row {
  const data: Datum[] = [...(old ?? table.newRow(uuid)).data];
  for (const [name, value] of Object.entries(json)) {
    const column = table.schema.columns.get(name);
    if (!column)
      throw new OvsdbError('unknown column', `No column ${name} in table ${table.schema.name}.`);
    const { type } = column;
    if (isDiff && old) {
      const loose = { ...type, min: 0, max: type.max === 1 && !type.value ? 1 : Infinity };
      data[column.index] = applyDiff(
        type,
        data[column.index]!,
        decodeDatum(loose, value, { lax: true }),
      );
    } else data[column.index] = decodeDatum(type, value);
  }
  return { uuid, version: randomUUID(), data };
}

/** Whether every strong reference has its target: a file that says otherwise is damaged. */
export function checkReferences(tables: Tables): void {
  for (const table of tables.byName.values()) {
    for (const column of table.strongColumns) {
      for (const row of table.rows.values()) {
        forEachReference(column, row.data[column.index]!, 'strong', (name, uuid) => {
          if (tables.get(name).rows.has(uuid)) return;
          throw new OvsdbError(
            'referential integrity violation',
            `Table ${table.schema.name} column ${column.name} row ${row.uuid} references nonexistent row ${uuid} in table ${name}.`,
          );
        });
      }
    }
  }
}
