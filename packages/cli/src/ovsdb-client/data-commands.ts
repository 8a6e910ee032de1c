/** Commands that read and write a database: transact, query, dump. */

import {
  type ColumnType,
  compareAtoms,
  type Datum,
  decodeDatum,
  isArray,
  isObject,
  type Json,
  printSortedJson,
} from '@heddle/ovsdb/notation/index';
import type { DatabaseSchema, TableSchema } from '@heddle/ovsdb/schema/schema';
import { HeddleError } from '@heddle/runtime/errors';
import { parseArgument } from '../ovsdb-tool/files.ts';
import { ask, type Context } from './context.ts';

export const UUID_TYPE: ColumnType = { key: { type: 'uuid' }, min: 1, max: 1 };

export async function transact(context: Context, args: readonly string[]): Promise<void> {
  context.printJson(await ask(context.rpc, 'transact', parseTransaction(args.at(-1)!)));
}

/** An `abort` at the end undoes it all; its own result is not for the caller. */
export async function query(context: Context, args: readonly string[]): Promise<void> {
  const params = [...parseTransaction(args.at(-1)!), { op: 'abort' }];
  const reply = await ask(context.rpc, 'transact', params);
  const last = isArray(reply) ? reply.at(-1) : undefined;
  const aborted = isObject(last) && last['error'] === 'aborted';
  context.printJson(aborted ? (reply as readonly Json[]).slice(0, -1) : reply);
}

/** The database's name, then operations. */
function parseTransaction(argument: string): readonly Json[] {
  const json = parseArgument(argument);
  if (!isArray(json) || typeof json[0] !== 'string') {
    throw new HeddleError('not a valid OVSDB query');
  }
  return json;
}

export async function dump(
  context: Context,
  database: string,
  [only, ...columns]: readonly string[],
): Promise<void> {
  const schema = await context.schema(database);
  for (const { name, headings, types, rows } of await fetch(context, schema, only, columns)) {
    context.printTable({
      caption: `${name} table`,
      headings,
      rows: rows.map((row) => row.map((datum, i) => ({ kind: 'datum', type: types[i]!, datum }))),
    });
  }
}

interface Fetched {
  readonly name: string;
  readonly headings: readonly string[];
  readonly types: readonly ColumnType[];
  /** In the order of their cells. */
  readonly rows: readonly (readonly Datum[])[];
}

/** All tables at one moment. */
async function fetch(
  { rpc }: Context,
  schema: DatabaseSchema,
  only: string | undefined,
  names: readonly string[],
): Promise<Fetched[]> {
  const tables = chosenTables(schema, only).map((table) => {
    const columns = chosenColumns(table, names);
    const types = columns.map((name) => table.columns.get(name)?.type ?? UUID_TYPE);
    return { name: table.name, headings: columns, types };
  });
  const ops = tables.map((table) => ({
    op: 'select',
    table: table.name,
    where: [],
    columns: [...table.headings],
  }));
  const reply = await ask(rpc, 'transact', [schema.name, ...ops]);
  return tables.map((table, i) => ({
    ...table,
    rows: rowsOf(reply, i)
      .map((row) => table.headings.map((h, k) => decodeDatum(table.types[k]!, row[h] ?? null)))
      .sort(rowOrder(table.types)),
  }));
}

/** The rows of the i-th `select`. */
export function rowsOf(reply: Json, i: number): readonly { readonly [column: string]: Json }[] {
  const result = isArray(reply) ? reply[i] : undefined;
  const rows = isObject(result) ? result['rows'] : undefined;
  if (!isArray(rows)) {
    throw new HeddleError(`server returned error reply: ${printSortedJson(result ?? null)}`);
  }
  return rows.filter((row) => isObject(row));
}

function chosenTables(schema: DatabaseSchema, only: string | undefined): TableSchema[] {
  const all = [...schema.tables.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  if (only === undefined) return all;
  const table = schema.tables.get(only);
  if (!table) throw new HeddleError(`No table "${only}" found.`);
  return [table];
}

function chosenColumns(table: TableSchema, names: readonly string[]): string[] {
  for (const name of names) {
    if (table.columns.has(name) || name === '_uuid' || name === '_version') continue;
    throw new HeddleError(`Table "${table.name}" has no column ${name}.`);
  }
  return names.length > 0 ? [...new Set(names)].sort() : ['_uuid', ...table.columns.keys()];
}

/** By the columns from left to right, those that hold uuids, which mean little, after the others. */
function rowOrder(types: readonly ColumnType[]) {
  const isUuid = ({ key }: ColumnType) => key.type === 'uuid';
  const places = [...types.keys()];
  const order = [
    ...places.filter((i) => !isUuid(types[i]!)),
    ...places.filter((i) => isUuid(types[i]!)),
  ];
  return (a: readonly Datum[], b: readonly Datum[]): number => {
    for (const i of order) {
      const sign = compareData(a[i]!, b[i]!);
      if (sign !== 0) return sign;
    }
    return 0;
  };
}

/** The smaller set first, equal sizes by their elements, then by the values of a map. */
function compareData(a: Datum, b: Datum): number {
  if (a.keys.length !== b.keys.length) return a.keys.length - b.keys.length;
  for (const [x, y] of [
    [a.keys, b.keys],
    [a.values ?? [], b.values ?? []],
  ] as const) {
    for (let i = 0; i < x.length; i++) {
      const order = compareAtoms(x[i]!, y[i]!);
      if (order !== 0) return order;
    }
  }
  return 0;
}
