/** backup and restore: a database as the file of a standalone one. */
import { readFileSync } from 'node:fs';
import { Tables } from '@heddle/ovsdb/engine/table';
import { decodeLog, encodeRecord } from '@heddle/ovsdb/file/format';
import { applyRecord } from '@heddle/ovsdb/file/record';
import {
  type ColumnType,
  datumEquals,
  defaultDatum,
  encodeDatum,
  isArray,
  isObject,
  type Json,
  jsonEquals,
  printSortedJson,
} from '@heddle/ovsdb/notation/index';
import { type DatabaseSchema, parseSchema, schemaToJson } from '@heddle/ovsdb/schema/schema';
import { HeddleError } from '@heddle/runtime/errors';
import { print } from '@heddle/runtime/stdio';
import { vlog } from '@heddle/runtime/vlog';
import { ask, type Context } from './context.ts';
import { rowsOf } from './data-commands.ts';

const INPUT = '/dev/stdin';

export async function backup(context: Context, database: string): Promise<void> {
  const schema = await context.schema(database);
  const tables = [...schema.tables.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const ops = tables.map((table) => ({
    op: 'select',
    table: table.name,
    where: [],
    columns: ['_uuid', ...table.columnList.filter((c) => !c.ephemeral).map((c) => c.name)],
  }));
  const reply = await ask(context.rpc, 'transact', [database, ...ops]);
  const record: Record<string, Json> = {
    _comment: 'produced by "ovsdb-client backup"',
    _date: Date.now(),
    _is_diff: true,
  };
  for (const [i, table] of tables.entries()) {
    const rows: Record<string, Json> = {};
    for (const { _uuid, ...row } of rowsOf(reply, i)) {
      if (isArray(_uuid)) rows[String(_uuid[1])] = row;
    }
    if (Object.keys(rows).length > 0) record[table.name] = rows;
  }
  for (const part of [schemaToJson(schema), record]) print(encodeRecord(part).toString());
}

/** Replaces all rows in one transaction; they get new uuids, and references follow them. */
export async function restore(context: Context, database: string): Promise<void> {
  const { schema, tables } = readBackup();
  checkSchema(context, schema, await context.schema(database));
  const uuids = new Set([...schema.tables.keys()].flatMap((t) => [...tables.get(t).rows.keys()]));
  const ops: Json[] = [];
  for (const name of [...schema.tables.keys()].sort()) {
    ops.push({ op: 'delete', table: name, where: [] });
    for (const { uuid, data } of tables.get(name).rows.values()) {
      const values: Record<string, Json> = {};
      for (const column of schema.tables.get(name)!.columnList) {
        const datum = data[column.index]!;
        if (column.ephemeral || datumEquals(datum, defaultDatum(column.type))) continue;
        values[column.name] = renameRefs(column.type, encodeDatum(column.type, datum), uuids);
      }
      ops.push({ op: 'insert', table: name, row: values, 'uuid-name': rowName(uuid) });
    }
  }
  const reply = await ask(context.rpc, 'transact', [database, ...ops]);
  const failed = isArray(reply)
    ? reply.find((r) => isObject(r) && r['error'] !== undefined)
    : reply;
  if (failed !== undefined) {
    throw new HeddleError(`server returned error reply: ${printSortedJson(failed)}`);
  }
}

function readBackup(): { schema: DatabaseSchema; tables: Tables } {
  const { records, torn } = decodeLog(INPUT, readFileSync(0));
  if (torn) throw torn;
  const schema = parseSchema(records[0]!);
  const tables = new Tables(schema);
  for (const record of records.slice(1)) applyRecord(tables, record);
  return { schema, tables };
}

function checkSchema({ settings }: Context, backup: DatabaseSchema, there: DatabaseSchema): void {
  if (jsonEquals(schemaToJson(backup), schemaToJson(there))) return;
  const what =
    backup.version === there.version
      ? `backup schema and database schema are both version ${backup.version} but still differ`
      : `backup schema has version "${backup.version}" but database schema has version "${there.version}"`;
  if (!settings.force) {
    throw new HeddleError(
      `${what} (use --force to override differences, or "ovsdb-client convert" to change the schema)`,
    );
  }
  vlog.module('ovsdb_client').info(what);
}

function rowName(uuid: string): string {
  return `row${uuid.replaceAll('-', '_')}`;
}

/** References among the rows of the backup become names; others stay as they are. */
function renameRefs(type: ColumnType, json: Json, uuids: ReadonlySet<string>): Json {
  if (type.key.type !== 'uuid' && type.value?.type !== 'uuid') return json;
  const rename = (item: Json): Json => {
    if (!isArray(item)) return item;
    if (item[0] === 'uuid' && item.length === 2 && uuids.has(String(item[1]))) {
      return ['named-uuid', rowName(String(item[1]))];
    }
    return item.map(rename);
  };
  return rename(json);
}
