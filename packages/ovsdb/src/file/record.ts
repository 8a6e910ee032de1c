/** Transactions as records of the database file (ovsdb(5), "Transaction Records"). */
import type { RowsOf } from '../engine/rows-before.ts';
import { forEachReference, Row, type Table, type Tables } from '../engine/table.ts';
import { applyChanges, type RowChange } from '../engine/transaction.ts';
import {
  applyDiff,
  type ColumnType,
  type Datum,
  datumEquals,
  decodeDatum,
  diffDatum,
  encodeDatum,
  isObject,
  type Json,
  type JsonObject,
  OvsdbError,
  parseJson,
  printJson,
} from '../notation/index.ts';

/**
 * The text of a record; undefined when nothing that the file keeps has changed. Rows that were
 * there before are differences.
 */
export function changesToText(
  changes: readonly RowChange[],
  comment: string | undefined,
  wallMs: number,
): string | undefined {
  // Put together as text: an object with a member for each uuid would cost several times as much.
  const tables = new Map<Table, string>();
  for (const { table, uuid, old, now } of changes) {
    const row = !now ? null : old ? rowDifference(table, old, now) : rowRecord(table, now);
    if (row === undefined) continue;
    const member = `"${uuid}":${printJson(row)}`;
    const others = tables.get(table);
    tables.set(table, others === undefined ? member : `${others},${member}`);
  }
  if (tables.size === 0) return undefined;
  let text = `{"_date":${wallMs}`;
  if (comment !== undefined) text += `,"_comment":${printJson(comment)}`;
  text += ',"_is_diff":true';
  for (const [table, rows] of tables) text += `,"${table.schema.name}":{${rows}}`;
  return `${text}}`;
}

/** As `changesToText`, as an object. */
export function changesToRecord(
  changes: readonly RowChange[],
  comment: string | undefined,
  wallMs: number,
): JsonObject | undefined {
  const text = changesToText(changes, comment, wallMs);
  return text === undefined ? undefined : (parseJson(text) as JsonObject);
}

/** What of a row differs from its defaults. */
export function rowRecord(table: Table, row: Row): Record<string, Json> {
  const out: Record<string, Json> = {};
  for (const column of table.schema.columnList) {
    const datum = row.data[column.index]!;
    if (column.ephemeral || table.isDefault(column, datum)) continue;
    out[column.name] = encodeDatum(column.type, datum);
  }
  return out;
}

/** undefined when nothing that the file keeps has changed. */
function rowDifference(table: Table, old: Row, now: Row): Record<string, Json> | undefined {
  const out: Record<string, Json> = {};
  let any = false;
  for (const { name, index, type, ephemeral } of table.schema.columnList) {
    const [before, after] = [old.data[index]!, now.data[index]!];
    if (ephemeral || datumEquals(before, after)) continue;
    out[name] = encodeDatum(type, diffDatum(type, before, after));
    any = true;
  }
  return any ? out : undefined;
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
    for (const row of table.rows.values()) rows[row.uuid] = rowRecord(table, row);
    out[table.schema.name] = rows;
  }
  return out;
}

/**
 * The text of a record of the rows, in pieces. The rows are those of now, whenever the pieces are
 * asked for.
 */
export function snapshotPieces(tables: Tables, rowsOf: RowsOf, wallMs: number): Iterator<string> {
  const there = [...tables.byName.values()].map((table) => ({ table, rows: rowsOf(table) }));
  return pieces(there, wallMs);
}

function* pieces(
  tables: readonly { table: Table; rows: readonly Row[] }[],
  wallMs: number,
): Generator<string, undefined> {
  yield `{"_date":${wallMs},"_comment":"compacting database online"`;
  for (const { table, rows } of tables) {
    if (rows.length === 0) continue;
    let separator = `,"${table.schema.name}":{`;
    for (const row of rows) {
      yield `${separator}"${row.uuid}":${printJson(rowRecord(table, row))}`;
      separator = ',';
    }
    yield '}';
  }
  yield '}\n';
  return undefined;
}

/** Applies a record read from a file; unknown tables and columns are an error. */
export function applyRecord(tables: Tables, record: JsonObject): void {
  const changes: RowChange[] = [];
  const isDiff = record['_is_diff'] === true;
  for (const [name, rows] of Object.entries(record)) {
    if (name.startsWith('_')) continue;
    const table = tableOf(tables, name);
    if (!isObject(rows)) throw new OvsdbError('unknown table', `No table named ${name}.`);
    for (const [uuid, row] of Object.entries(rows)) {
      changes.push(recordedChange(table, uuid, row, isDiff));
    }
  }
  applyChanges(tables, changes);
}

export function tableOf(tables: Tables, name: string): Table {
  const table = tables.byName.get(name);
  if (!table) throw new OvsdbError('unknown table', `No table named ${name}.`);
  return table;
}

/** What a record says of one row. `intern` gives a uuid the string that stands for it. */
export function recordedChange(
  table: Table,
  uuid: string,
  json: Json,
  isDiff: boolean,
  intern?: (uuid: string) => string,
): RowChange {
  const old = table.rows.get(uuid);
  if (json !== null && !isObject(json))
    throw new OvsdbError('syntax error', 'row must be an object or null');
  const now = json === null ? undefined : decodeRow(table, uuid, old, json, isDiff, intern);
  return { table, uuid, old, now };
}

function decodeRow(
  table: Table,
  uuid: string,
  old: Row | undefined,
  json: JsonObject,
  isDiff: boolean,
  intern: ((uuid: string) => string) | undefined,
): Row {
  const data: Datum[] = old ? old.data.slice() : table.defaults();
  const options = { resolve: undefined, intern };
  const loose = { ...options, lax: true };
  for (const name in json) {
    const column = table.schema.columns.get(name);
    if (!column)
      throw new OvsdbError('unknown column', `No column ${name} in table ${table.schema.name}.`);
    const { type, index } = column;
    const value = json[name]!;
    const datum =
      isDiff && old
        ? applyDiff(type, data[index]!, decodeDatum(looseType(type), value, loose))
        : decodeDatum(type, value, options);
    data[index] = table.share(column, datum);
  }
  return new Row(uuid, data);
}

/** The type of a difference of columns of a type. */
function looseType(type: ColumnType): ColumnType {
  return { ...type, min: 0, max: type.max === 1 ? 1 : Infinity };
}

/** Whether every strong reference has its target: a file that says otherwise is damaged. */
export function checkReferences(tables: Tables): void {
  for (const table of tables.byName.values()) {
    for (const column of table.strongColumns) {
      for (const row of table.rows.values()) {
        forEachReference(column, row.data[column.index]!, 'strong', (name, uuid) => {
          if (uuid === row.uuid || tables.get(name).rows.has(uuid)) return;
          throw new OvsdbError(
            'referential integrity violation',
            `Table ${table.schema.name} column ${column.name} row ${row.uuid} references nonexistent row ${uuid} in table ${name}.`,
          );
        });
      }
    }
  }
}
