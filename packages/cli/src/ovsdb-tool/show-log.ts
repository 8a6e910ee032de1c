/** `show-log`: what each record of a database's file did. */
import {
  type DatabaseSchema,
  type Datum,
  datumToText,
  decodeDatum,
  isObject,
  type Json,
  type JsonObject,
  parseSchema,
  printSortedJson,
} from '@heddle/ovsdb';

/** The names of rows as records told them: they identify rows in later records. */
export type RowNames = Map<string, string>;

export function showSchema(
  record: JsonObject,
  word = '',
): { schema: DatabaseSchema; text: string } {
  const schema = parseSchema(record);
  const { name, version, cksum } = schema;
  return { schema, text: `"${name}"${word}, version="${version}", cksum="${cksum}"\n` };
}

/** One record as text; `names` is kept from record to record. */
export function showRecord(
  schema: DatabaseSchema,
  names: RowNames,
  record: JsonObject,
  verbosity: number,
): string {
  const { _date: date, _comment: comment } = record;
  let out = '';
  if (typeof date === 'number') out += ` ${dateText(date)}`;
  if (typeof comment === 'string') out += ` "${comment}"`;
  out += '\n';
  if (verbosity === 0) return out;
  for (const [table, rows] of Object.entries(record)) {
    if (table.startsWith('_') || !isObject(rows)) continue;
    for (const [uuid, row] of Object.entries(rows)) {
      out += showRow(schema, names, { table, uuid, row, isDiff: record['_is_diff'] === true });
      if (row === null) out += '    delete row\n';
      else if (verbosity > 1 && isObject(row)) out += showColumns(schema, table, row);
    }
  }
  return `${out}\n`;
}

interface RowChange {
  readonly table: string;
  readonly uuid: string;
  readonly row: Json;
  readonly isDiff: boolean;
}

/** `table T insert row "NAME" (UUID):` and its kin. */
function showRow(_schema: DatabaseSchema, names: RowNames, change: RowChange): string {
  const { table, uuid, row, isDiff } = change;
  const short = uuid.slice(0, 8);
  const key = `${table} ${uuid}`;
  const known = names.get(key);
  const named = isObject(row) ? row['name'] : undefined;
  if (row === null) names.delete(key);
  else if (named !== undefined) {
    names.set(key, typeof named === 'string' ? `"${named}"` : printSortedJson(named));
  } else if (known === undefined) names.set(key, short);
  if (known !== undefined)
    return `  table ${table} row ${known} (${short})${isDiff ? ' diff' : ''}:\n`;
  if (row === null) return `  table ${table} row ${short} (${short})${isDiff ? ' diff' : ''}:\n`;
  const now = names.get(key)!;
  return `  table ${table} insert row ${now}${now === short ? '' : ` (${short})`}:\n`;
}

function showColumns(schema: DatabaseSchema, table: string, row: JsonObject): string {
  const columns = schema.tables.get(table)?.columns;
  return Object.entries(row)
    .map(([name, json]) => {
      const type = columns?.get(name)?.type;
      if (!type) return `    ${name}=${printSortedJson(json)}\n`;
      const loose = { ...type, min: 0, max: type.max === 1 && !type.value ? 1 : Infinity };
      const datum: Datum = decodeDatum(loose, json, { lax: true });
      return `    ${name}=${datumToText(type, datum)}\n`;
    })
    .join('');
}

/** Before this, a date of 1971, records had seconds. */
const FIRST_DATE_IN_MS = 31_536_000_000;

/** `YYYY-MM-DD HH:MM:SS.mmm` in UTC. */
function dateText(date: number): string {
  return new Date(date < FIRST_DATE_IN_MS ? date * 1000 : date)
    .toISOString()
    .replace('T', ' ')
    .replace('Z', '');
}
