/** Commands about servers and schemas. */

import { columnTypeToJson, jsonEquals } from '@heddle/ovsdb/notation/index';
import { schemaToJson } from '@heddle/ovsdb/schema/schema';
import { HeddleError } from '@heddle/runtime/errors';
import { print } from '@heddle/runtime/stdio';
import { readSchema } from '../ovsdb-tool/files.ts';
import { text } from '../table/table.ts';
import { ask, type Context, databases } from './context.ts';

export async function listDbs({ rpc }: Context): Promise<void> {
  print((await databases(rpc)).map((name) => `${name}\n`).join(''));
}

export async function getSchema(context: Context, database: string): Promise<void> {
  context.printJson(schemaToJson(await context.schema(database)));
}

export async function getSchemaVersion(context: Context, database: string): Promise<void> {
  print(`${(await context.schema(database)).version}\n`);
}

export async function getSchemaCksum(context: Context, database: string): Promise<void> {
  print(`${(await context.schema(database)).cksum}\n`);
}

export async function listTables(context: Context, database: string): Promise<void> {
  const schema = await context.schema(database);
  const names = [...schema.tables.keys()].sort();
  context.printTable({ headings: ['Table'], rows: names.map((name) => [text(name)]) });
}

export async function listColumns(
  context: Context,
  database: string,
  [only]: readonly string[],
): Promise<void> {
  const schema = await context.schema(database);
  const headings = [...(only === undefined ? ['Table'] : []), 'Column', 'Type'];
  const tables = [...schema.tables.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const rows = tables
    .filter((table) => only === undefined || table.name === only)
    .flatMap((table) => {
      const own = table.columnList.map((c) => [c.name, columnTypeToJson(c.type)] as const);
      const columns = [['_uuid', 'uuid'], ['_version', 'uuid'], ...own] as const;
      return columns.map(([name, type]) => [
        ...(only === undefined ? [text(table.name)] : []),
        text(name),
        { kind: 'json', json: type } as const,
      ]);
    });
  context.printTable({ headings, rows });
}

export async function convert({ rpc }: Context, [file]: readonly string[]): Promise<void> {
  const schema = readSchema(file!);
  await ask(rpc, 'convert', [schema.name, schemaToJson(schema)]);
}

export async function needsConversion(context: Context, [file]: readonly string[]): Promise<void> {
  const wanted = readSchema(file!);
  const names = await databases(context.rpc);
  if (!names.includes(wanted.name)) {
    throw new HeddleError(`server does not have database ${wanted.name}`);
  }
  const there = await context.schema(wanted.name);
  print(jsonEquals(schemaToJson(wanted), schemaToJson(there)) ? 'no\n' : 'yes\n');
}
