/** RFC 7047 section 3.2: <database-schema>, <table-schema>, <column-schema>. */
import {
  type ColumnType,
  columnTypeToJson,
  OvsdbError,
  parseColumnType,
} from '../notation/index.ts';
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  printSortedJson,
} from '../notation/json.ts';

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
  if (!isObject(json))
    throw new OvsdbError('syntax error', 'Parsing database schema failed: Object expected.');
  allow(json, 'database schema', ['name', 'version', 'cksum', 'tables']);
  const name = json['name'];
  if (typeof name !== 'string' || !ID.test(name)) throw missing('database schema', 'name', json);
  const version = json['version'] ?? '';
  if (typeof version !== 'string' || (version !== '' && !VERSION.test(version))) {
    throw new OvsdbError('syntax error', `schema version "${String(version)}" not in format x.y.z`);
  }
  if (!isObject(json['tables'])) throw missing('database schema', 'tables', json);
  const tables = new Map<string, TableSchema>();
  for (const [tableName, table] of Object.entries(json['tables'])) {
    checkId(tableName, json);
    tables.set(tableName, parseTable(tableName, table));
  }
  const schema = { name, version, cksum: String(json['cksum'] ?? ''), tables };
  return finish(schema);
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
  if (!isObject(json) || !isObject(json['columns']))
    throw missing(`table schema for table ${name}`, 'columns', json);
  allow(json, `table schema for table ${name}`, ['columns', 'maxRows', 'isRoot', 'indexes']);
  const columns = new Map<string, ColumnSchema>();
  const names = Object.keys(json['columns']).sort();
  if (names.length === 0)
    throw new OvsdbError(
      'syntax error',
      'table must have at least one column',
      printSortedJson(json),
    );
  for (const [index, column] of names.entries()) {
    checkId(column, json);
    columns.set(column, parseColumn(column, index, json['columns'][column]!));
  }
  const maxRows = json['maxRows'] ?? Infinity;
  if (typeof maxRows !== 'number' || maxRows < 1) {
    throw new OvsdbError('syntax error', 'maxRows must be at least 1', printSortedJson(json));
  }
  const indexes = isArray(json['indexes'] ?? []) ? (json['indexes'] ?? []) : [];
  return {
    name,
    columns,
    columnList: [...columns.values()],
    isRoot: json['isRoot'] === true,
    maxRows,
    indexes: (indexes as readonly Json[]).map((index) => parseIndex(name, columns, index)),
  };
}

function parseColumn(name: string, index: number, json: Json): ColumnSchema {
  const where = `schema for column ${name}`;
  if (!isObject(json) || json['type'] === undefined) throw missing(where, 'type', json);
  allow(json, where, ['type', 'mutable', 'ephemeral']);
  const type = parseColumnType(json['type']);
  const mutable = json['mutable'] !== false;
  // A weak reference may have to be removed by the database itself (ovsdb-server(7)).
  const weak = type.key.refType === 'weak' || type.value?.refType === 'weak';
  return { name, index, type, mutable: mutable || weak, ephemeral: json['ephemeral'] === true };
}

function parseIndex(
  table: string,
  columns: ReadonlyMap<string, ColumnSchema>,
  json: Json,
): ColumnSchema[] {
  if (!isArray(json) || json.length === 0) {
    throw new OvsdbError('syntax error', 'array of column names expected', printSortedJson(json));
  }
  return json.map((name) => {
    const column = columns.get(String(name));
    if (!column)
      throw new OvsdbError(
        'syntax error',
        `no column named "${String(name)}" in table ${table}`,
        printSortedJson(json),
      );
    if (column.ephemeral)
      throw new OvsdbError(
        'syntax error',
        `ephemeral columns (such as ${column.name}) may not be indexed`,
        printSortedJson(json),
      );
    return column;
  });
}

function allow(json: JsonObject, where: string, names: readonly string[]): void {
  for (const key of Object.keys(json)) {
    if (!names.includes(key)) {
      throw new OvsdbError(
        'syntax error',
        `Parsing ${where} failed: Member '${key}' is present but not allowed here.`,
        printSortedJson(json),
      );
    }
  }
}

function missing(where: string, member: string, json: Json): OvsdbError {
  return new OvsdbError(
    'syntax error',
    `Parsing ${where} failed: Required '${member}' member is missing.`,
    printSortedJson(json),
  );
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
