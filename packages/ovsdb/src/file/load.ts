/** Reads a database file into tables. */
import { HeddleError, messageOf } from '@heddle/runtime';
import { type Table, Tables } from '../engine/table.ts';
import { applyChanges } from '../engine/transaction.ts';
import { isObject, type Json, type JsonObject, OvsdbError, parserFor } from '../notation/index.ts';
import { parseSchema } from '../schema/schema.ts';
import { decodeBody, type LogEnd, readRecords } from './format.ts';
import { MemberReader } from './member-reader.ts';
import { checkReferences, recordedChange, tableOf } from './record.ts';

/** Records above this size are read row by row: a snapshot can be larger than memory allows twice. */
const WHOLE_BYTES = 64 * 1024;

/** What the file's records make. */
export function loadTables(path: string, bytes: Buffer): LogEnd & { tables: Tables } {
  let tables: Tables | undefined;
  const uuids = new Map<string, string>();
  /** Each uuid is in memory once, whoever refers to it. */
  const intern = (uuid: string): string => {
    const known = uuids.get(uuid);
    if (known !== undefined) return known;
    uuids.set(uuid, uuid);
    return uuid;
  };
  const end = readRecords(path, bytes, (body, start) => {
    const large = tables !== undefined && body.length > WHOLE_BYTES;
    const record = large ? undefined : decodeBody(path, body, start);
    // A record that is whole and cannot be applied is no torn one.
    asDamage(path, () => {
      if (!tables) tables = new Tables(parseSchema(record!));
      else if (record) loadRecord(tables, record, intern);
      else loadLargeRecord(tables, body, intern);
    });
  });
  asDamage(path, () => checkReferences(tables!));
  return { tables: tables!, ...end };
}

function asDamage(path: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw new HeddleError(`${path}: ${messageOf(error)}`);
  }
}

type Intern = (uuid: string) => string;

function loadRecord(tables: Tables, record: JsonObject, intern: Intern): void {
  const isDiff = record['_is_diff'] === true;
  for (const name in record) {
    const rows = record[name]!;
    if (name.startsWith('_')) continue;
    const table = tableOf(tables, name);
    if (!isObject(rows)) throw new OvsdbError('syntax error', 'rows must be an object');
    for (const uuid in rows) loadRow(tables, table, uuid, rows[uuid]!, isDiff, intern);
  }
}

function loadLargeRecord(tables: Tables, body: Buffer, intern: Intern): void {
  const isDiff = findIsDiff(body);
  const reader = new MemberReader(body);
  const parse = parserFor(body);
  reader.members((name) => {
    if (name.startsWith('_')) return void reader.value();
    const table = tableOf(tables, name);
    reader.members((uuid) => {
      loadRow(tables, table, uuid, parse(reader.value()), isDiff, intern);
    });
  });
  reader.end();
}

/** Whether the record says that it is of differences: it may say so behind the rows. */
function findIsDiff(body: Buffer): boolean {
  if (!body.includes('"_is_diff"')) return false;
  const reader = new MemberReader(body);
  let isDiff = false;
  reader.members((name) => {
    const text = reader.value();
    if (name === '_is_diff') isDiff = text === 'true';
  });
  return isDiff;
}

function loadRow(
  tables: Tables,
  table: Table,
  uuid: string,
  json: Json,
  isDiff: boolean,
  intern: Intern,
): void {
  const change = recordedChange(table, intern(uuid), json, isDiff, intern);
  applyChanges(tables, [change]);
}
