/** RFC 7047 section 5.1, <condition>. */
import {
  type Atom,
  type ColumnType,
  type Datum,
  datumEquals,
  decodeDatum,
  findKey,
  isArray,
  isOptionalScalar,
  isScalar,
  type Json,
  OvsdbError,
  onlyKey,
  printSortedJson,
  type ResolveName,
  scalarDatum,
} from '../notation/index.ts';
import type { ColumnSchema, TableSchema } from '../schema/schema.ts';
import type { Row, Table } from './table.ts';
import type { Transaction } from './transaction.ts';

const FUNCTIONS = ['<', '<=', '==', '!=', '>=', '>', 'includes', 'excludes'] as const;
type ConditionFunction = (typeof FUNCTIONS)[number];

/** `_uuid` and `_version` stand as columns whose index is below zero. */
export const UUID_COLUMN: ColumnSchema = pseudo('_uuid', -1);
export const VERSION_COLUMN: ColumnSchema = pseudo('_version', -2);

function pseudo(name: string, index: number): ColumnSchema {
  const type: ColumnType = { key: { type: 'uuid' }, min: 1, max: 1 };
  return { name, index, type, mutable: false, ephemeral: false };
}

export type Clause =
  | boolean
  | { readonly column: ColumnSchema; readonly fn: ConditionFunction; readonly arg: Datum };

export function columnOf(table: TableSchema, name: string): ColumnSchema | undefined {
  if (name === '_uuid') return UUID_COLUMN;
  if (name === '_version') return VERSION_COLUMN;
  return table.columns.get(name);
}

export function columnValue(row: Row, column: ColumnSchema): Datum {
  if (column.index >= 0) return row.data[column.index]!;
  return scalarDatum(column.index === -1 ? row.uuid : row.version);
}

export function parseCondition(
  table: TableSchema,
  json: Json | undefined,
  resolve?: ResolveName,
): Clause[] {
  if (!isArray(json))
    throw new OvsdbError('syntax error', 'array expected', printSortedJson(json ?? null));
  return json.map((clause) => parseClause(table, clause, resolve));
}

export function parseClause(table: TableSchema, json: Json, resolve?: ResolveName): Clause {
  if (typeof json === 'boolean') return json;
  if (!isArray(json) || json.length !== 3 || typeof json[0] !== 'string') {
    throw new OvsdbError('syntax error', 'Parse error in condition.', printSortedJson(json));
  }
  const column = columnOf(table, json[0]);
  if (!column)
    throw new OvsdbError(
      'unknown column',
      `No column ${json[0]} in table ${table.name}.`,
      printSortedJson(json),
    );
  if (typeof json[1] !== 'string') {
    throw new OvsdbError('syntax error', 'Parse error in condition.', printSortedJson(json));
  }
  const fn = json[1] as ConditionFunction;
  if (!FUNCTIONS.includes(fn))
    throw new OvsdbError('unknown function', `No function named ${String(json[1])}.`);
  const { type } = column;
  if (fn === '<' || fn === '<=' || fn === '>' || fn === '>=') {
    const numeric = type.key.type === 'integer' || type.key.type === 'real';
    if (!numeric || type.value || type.max !== 1) {
      throw new OvsdbError(
        'syntax error',
        `Type mismatch: "${fn}" operator may not be applied to column ${column.name} of type ${typeText(type)}.`,
        printSortedJson(json),
      );
    }
    return { column, fn, arg: decodeDatum({ ...type, min: 1 }, json[2]!, { resolve }) };
  }
  return {
    column,
    fn,
    arg: decodeDatum(operandType(type, fn), json[2]!, { resolve }),
  };
}

/** `includes` and `excludes` take fewer elements than the column must have, `excludes` also more. */
function operandType(type: ColumnType, fn: ConditionFunction): ColumnType {
  if (isScalar(type)) return type;
  if (fn === 'includes') return { ...type, min: 0 };
  return fn === 'excludes' ? { ...type, min: 0, max: Infinity } : type;
}

/** A type in upstream's words: `set of up to 3 integers`, `map of 1 to 2 (real, uuid) pairs`. */
export function typeText({ key, value, min, max }: ColumnType): string {
  if (min === 1 && max === 1 && !value) return key.type;
  const size =
    max === Infinity
      ? min > 0
        ? `${min} or more `
        : ''
      : min > 0
        ? `${min} to ${max} `
        : `up to ${max} `;
  return value ? `map of ${size}(${key.type}, ${value.type}) pairs` : `set of ${size}${key.type}s`;
}

/** All clauses hold (RFC 7047: a condition is the conjunction of its clauses). */
export function matches(row: Row, clauses: readonly Clause[]): boolean {
  for (const clause of clauses) if (!holds(row, clause)) return false;
  return true;
}

export function holds(row: Row, clause: Clause): boolean {
  if (typeof clause === 'boolean') return clause;
  const value = columnValue(row, clause.column);
  const { arg, fn } = clause;
  switch (fn) {
    case '==':
      return datumEquals(value, arg);
    case '!=':
      return !datumEquals(value, arg);
    case 'includes':
      return includesAll(value, arg);
    case 'excludes':
      return excludesAll(value, arg);
    default:
      return compare(fn, value, arg, isOptionalScalar(clause.column.type));
  }
}

function compare(
  fn: '<' | '<=' | '>' | '>=',
  value: Datum,
  arg: Datum,
  optional: boolean,
): boolean {
  if (optional && value.keys.length === 0) return false;
  const [a, b] = [value.keys[0] as Atom, arg.keys[0] as Atom];
  if (fn === '<') return a < b;
  if (fn === '<=') return a <= b;
  return fn === '>' ? a > b : a >= b;
}

function includesAll(value: Datum, arg: Datum): boolean {
  return arg.keys.every((key, i) => {
    const at = findKey(value, key);
    return at >= 0 && (!arg.values || value.values![at] === arg.values[i]);
  });
}

function excludesAll(value: Datum, arg: Datum): boolean {
  return arg.keys.every((key, i) => {
    const at = findKey(value, key);
    return at < 0 || (arg.values !== undefined && value.values![at] !== arg.values[i]);
  });
}

/** The rows that match; by uuid or by an index where the condition pins one, else by a scan. */
export function select(txn: Transaction, table: Table, clauses: readonly Clause[]): Row[] {
  const uuid = equalTo(clauses, UUID_COLUMN);
  if (uuid) {
    const row = txn.get(table, onlyKey(uuid) as string);
    return row && matches(row, clauses) ? [row] : [];
  }
  const found = byIndex(table, clauses);
  const out: Row[] = [];
  if (!found) {
    for (const row of txn.rows(table)) if (matches(row, clauses)) out.push(row);
    return out;
  }
  for (const id of found) {
    const row = txn.isChanged(table, id) ? undefined : table.rows.get(id);
    if (row && matches(row, clauses)) out.push(row);
  }
  for (const { now } of txn.changedRows(table)) if (now && matches(now, clauses)) out.push(now);
  return out;
}

/** The uuids of rows among which are all that match; undefined when no index tells. */
function byIndex(table: Table, clauses: readonly Clause[]): Iterable<string> | undefined {
  for (const index of table.indexes) {
    const values = index.columns.map((c) => equalTo(clauses, c));
    if (values.some((v) => v === undefined)) continue;
    const id = index.get(index.key(values as Datum[]));
    return id === undefined ? [] : [id];
  }
  for (const clause of clauses) {
    if (typeof clause !== 'object' || clause.fn !== '==' || clause.column.index < 0) continue;
    const found = table.columnIndexes.find(clause.column, clause.arg);
    if (found) return found;
  }
  return undefined;
}

function equalTo(clauses: readonly Clause[], column: ColumnSchema): Datum | undefined {
  for (const c of clauses)
    if (typeof c === 'object' && c.column === column && c.fn === '==') return c.arg;
  return undefined;
}
