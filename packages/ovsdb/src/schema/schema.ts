/** RFC 7047 section 3.2: <database-schema>, <table-schema>, <column-schema>. */
import {
  type ColumnType,
  columnTypeToJson,
  OvsdbError,
  parseColumnType,
} from '../notation/index.ts';
import { isArray, type Json, type JsonObject, printSortedJson } from '../notation/json.ts';
import { Members } from '../notation/members.ts';

export interface ColumnSchema {
  readonly name: string;
  /** Position in a row's array of datums. */
  readonly index: number;
  readonly type: ColumnType;
  readonly mutable: boolean;
  readonly ephemeral: boolean;
}

export interface TableSchema {
  readonly name: string;
  /** Real columns in the order of their names; `_uuid` and `_version` are not among them. */
  readonly columns: ReadonlyMap<string, ColumnSchema>;
  readonly columnList: readonly ColumnSchema[];
  readonly isRoot: boolean;
  readonly maxRows: number;
  readonly indexes: readonly (readonly ColumnSchema[])[];
}

export interface DatabaseSchema {
  readonly name: string;
  readonly version: string;
  readonly cksum: string;
  readonly tables: ReadonlyMap<string, TableSchema>;
}

const ID = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const VERSION = /^\d+\.\d+\.\d+$/;

/** Throws OvsdbError with upstream's words. */
export function parseSchema(json: Json): DatabaseSchema {
  const members = new Members(json, 'database schema');
  const name = members.required('name', 'id') as string;
  const version = members.optional('version', 'string') as string | undefined;
  const cksum = (members.optional('cksum', 'string') ?? '') as string;
  const tablesJson = members.required('tables', 'object') as JsonObject;
  members.finish();
  if (version !== undefined && !VERSION.test(version)) {
    const what = `schema version "${version}" not in format x.y.z`;
    throw new OvsdbError('syntax error', what, printSortedJson(json));
  }
  const tables = new Map<string, TableSchema>();
  for (const [tableName, table] of Object.entries(tablesJson)) {
    checkId(tableName, json);
    tables.set(tableName, parseTable(tableName, table));
  }
  return finish({ name, version: version ?? '', cksum, tables });
}

/** References must name tables; a schema without isRoot makes every table a root. */
function finish(schema: DatabaseSchema): DatabaseSchema {
  const anyRoot = [...schema.tables.values()].some((t) => t.isRoot);
  for (const table of schema.tables.values()) {
    if (!anyRoot) (table as { isRoot: boolean }).isRoot = true;
    for (const column of table.columnList) {
      for (const [base, which] of [
        [column.type.key, 'key'],
        [column.type.value, 'value'],
      ] as const) {
        if (base?.refTable !== undefined && !schema.tables.has(base.refTable)) {
          throw new OvsdbError(
            'syntax error',
            `column ${column.name} ${which} refers to undefined table ${base.refTable}`,
          );
        }
      }
    }
  }
  return schema;
}

function parseTable(name: string, json: Json): TableSchema {
  const members = new Members(json, `table schema for table ${name}`);
  const columnsJson = members.required('columns', 'object') as JsonObject;
  const maxRows = members.optional('maxRows', 'integer') ?? Infinity;
  members.optional('mutable', 'boolean');
  const isRoot = members.optional('isRoot', 'boolean') === true;
  const indexes = (members.optional('indexes', 'array') ?? []) as readonly Json[];
  members.finish();
  if ((maxRows as number) < 1) {
    throw new OvsdbError('syntax error', 'maxRows must be at least 1', printSortedJson(json));
  }
  const names = Object.keys(columnsJson).sort();
  if (names.length === 0) {
    const what = 'table must have at least one column';
    throw new OvsdbError('syntax error', what, printSortedJson(json));
  }
  const columns = new Map<string, ColumnSchema>();
  for (const [index, column] of names.entries()) {
    checkId(column, json);
    columns.set(column, parseColumn(column, index, columnsJson[column]!));
  }
  return {
    name,
    columns,
    columnList: [...columns.values()],
    isRoot,
    maxRows: Number(maxRows),
    indexes: indexes.map((index) => parseIndex(json, columns, index)),
  };
}

function parseColumn(name: string, index: number, json: Json): ColumnSchema {
  const members = new Members(json, `schema for column ${name}`);
  const mutable = members.optional('mutable', 'boolean') !== false;
  const ephemeral = members.optional('ephemeral', 'boolean') === true;
  const typeJson = members.required('type', 'string', 'object');
  members.finish();
  const type = parseColumnType(typeJson!);
  // A weak reference may have to be removed by the database itself (ovsdb-server(7)).
  const weak = type.key.refType === 'weak' || type.value?.refType === 'weak';
  return { name, index, type, mutable: mutable || weak, ephemeral };
}

function parseIndex(
  table: Json,
  columns: ReadonlyMap<string, ColumnSchema>,
  json: Json,
): ColumnSchema[] {
  const fail = (what: string, where = json) =>
    new OvsdbError('syntax error', what, printSortedJson(where));
  const distinct = 'array of distinct column names expected';
  if (!isArray(json)) throw fail(distinct);
  if (json.length === 0) throw fail('index must have at least one column', table);
  const out = json.map((name) => {
    if (typeof name !== 'string') throw fail(distinct);
    const column = columns.get(name);
    if (!column) throw fail(`${name} is not a valid column name`);
    return column;
  });
  if (new Set(out).size < out.length) throw fail(distinct);
  return out.map((column) => {
    if (column.ephemeral)
      throw new OvsdbError(
        'syntax error',
        `ephemeral columns (such as ${column.name}) may not be indexed`,
        printSortedJson(json),
      );
    return column;
  });
}

function checkId(name: string, json: Json): void {
  if (!ID.test(name))
    throw new OvsdbError('syntax error', `name must be a valid id`, printSortedJson(json));
  if (name.startsWith('_')) {
    throw new OvsdbError(
      'syntax error',
      `names beginning with "_" are reserved`,
      printSortedJson(json),
    );
  }
}

export function schemaToJson(schema: DatabaseSchema): JsonObject {
  const tables: Record<string, Json> = {};
  const anyNonRoot = [...schema.tables.values()].some((t) => !t.isRoot);
  for (const [name, table] of [...schema.tables].sort(([a], [b]) => (a < b ? -1 : 1))) {
    tables[name] = tableToJson(table, anyNonRoot);
  }
  return {
    ...(schema.cksum === '' ? {} : { cksum: schema.cksum }),
    name: schema.name,
    tables,
    ...(schema.version === '' ? {} : { version: schema.version }),
  };
}

function tableToJson(table: TableSchema, anyNonRoot: boolean): Json {
  const columns: Record<string, Json> = {};
  for (const column of table.columnList) {
    columns[column.name] = {
      ...(column.ephemeral ? { ephemeral: true } : {}),
      ...(column.mutable ? {} : { mutable: false }),
      type: columnTypeToJson(column.type),
    };
  }
  return {
    columns,
    ...(table.indexes.length ? { indexes: table.indexes.map((i) => i.map((c) => c.name)) } : {}),
    ...(table.isRoot && anyNonRoot ? { isRoot: true } : {}),
    ...(table.maxRows === Infinity ? {} : { maxRows: table.maxRows }),
  };
}
