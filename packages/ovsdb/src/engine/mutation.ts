/** RFC 7047 section 5.1, <mutation>. */
import {
  type Atom,
  type BaseType,
  type ColumnType,
  checkAtoms,
  type Datum,
  datumSize,
  decodeDatum,
  insertElements,
  integerAtom,
  isArray,
  type Json,
  makeDatum,
  OvsdbError,
  printSortedJson,
  type ResolveName,
  removeElements,
} from '../notation/index.ts';
import type { ColumnSchema, TableSchema } from '../schema/schema.ts';
import { columnOf, typeText } from './condition.ts';

const ARITHMETIC = ['+=', '-=', '*=', '/=', '%='] as const;
type Arithmetic = (typeof ARITHMETIC)[number];

export interface Mutation {
  readonly column: ColumnSchema;
  readonly mutator: Arithmetic | 'insert' | 'delete';
  readonly arg: Datum;
  /** A set of keys to delete from a map, whatever their values. */
  readonly byKey: boolean;
}

export function parseMutation(table: TableSchema, json: Json, resolve: ResolveName): Mutation {
  if (!isArray(json) || json.length !== 3 || typeof json[0] !== 'string') {
    throw new OvsdbError('syntax error', 'Parse error in mutation.', printSortedJson(json));
  }
  const column = columnOf(table, json[0]);
  if (!column || column.index < 0) {
    if (column)
      throw new OvsdbError(
        'constraint violation',
        `Cannot mutate immutable column ${json[0]} in table ${table.name}.`,
        printSortedJson(json),
      );
    throw new OvsdbError(
      'unknown column',
      `No column ${json[0]} in table ${table.name}.`,
      printSortedJson(json),
    );
  }
  if (typeof json[1] !== 'string') {
    throw new OvsdbError('syntax error', 'Parse error in mutation.', printSortedJson(json));
  }
  const mutator = json[1] as Mutation['mutator'];
  if (!column.mutable) {
    throw new OvsdbError(
      'constraint violation',
      `Cannot mutate immutable column ${column.name} in table ${table.name}.`,
      printSortedJson(json),
    );
  }
  const { type } = column;
  if ((ARITHMETIC as readonly string[]).includes(mutator)) {
    return { column, mutator, arg: arithmeticArg(column, mutator, json), byKey: false };
  }
  if (mutator !== 'insert' && mutator !== 'delete') {
    throw new OvsdbError('unknown mutator', `No mutator named ${String(mutator)}.`);
  }
  if (type.max === 1 && type.min === 1) throw mismatch(column, mutator, json);
  if (mutator === 'insert') {
    const arg = decodeDatum({ ...type, min: 0 }, json[2]!, { resolve });
    return { column, mutator, arg, byKey: false };
  }
  return { column, mutator, ...deletionArg(type, json[2]!, resolve) };
}

/** What to delete: elements or, from a map and only if it is none, a set of keys. */
function deletionArg(type: ColumnType, json: Json, resolve: ResolveName) {
  const elements = { ...type, min: 0, max: Infinity };
  if (!type.value) return { arg: decodeDatum(elements, json, { resolve }), byKey: false };
  try {
    return { arg: decodeDatum(elements, json, { resolve }), byKey: false };
  } catch (error) {
    if (!(error instanceof OvsdbError)) throw error;
    const keys = { key: type.key, min: 0, max: Infinity };
    return { arg: decodeDatum(keys, json, { resolve }), byKey: true };
  }
}

function arithmeticArg(column: ColumnSchema, mutator: string, json: readonly Json[]): Datum {
  const { type } = column;
  const base = type.key.type;
  const numeric = base === 'integer' || (base === 'real' && mutator !== '%=');
  if (!numeric || type.value) throw mismatch(column, mutator, json);
  return decodeDatum({ key: { type: base }, min: 1, max: 1 }, json[2]!);
}

function mismatch(column: ColumnSchema, mutator: string, json: readonly Json[]): OvsdbError {
  return new OvsdbError(
    'syntax error',
    `Type mismatch: "${mutator}" operator may not be applied to column ${column.name} of type ${typeText(column.type)}.`,
    printSortedJson(json),
  );
}

/** The column's new value; throws OvsdbError. */
export function mutate(value: Datum, { column, mutator, arg, byKey }: Mutation): Datum {
  let result: Datum;
  if (mutator === 'insert') result = insertElements(value, arg);
  else if (mutator === 'delete') result = removeElements(value, arg, byKey);
  else {
    const keys = value.keys.map((key) => arithmetic(column.type.key, mutator, key, arg.keys[0]!));
    result = makeDatum(keys);
    if (result.keys.length !== keys.length)
      throw new OvsdbError(
        'constraint violation',
        `Result of "${mutator}" operation contains duplicates.`,
      );
  }
  const { type } = column;
  const n = datumSize(result);
  if (n < type.min || n > type.max) {
    throw new OvsdbError(
      'constraint violation',
      `Attempted to store ${n} elements in ${typeText(type)}.`,
    );
  }
  // The elements of `insert` have been checked already.
  if (mutator !== 'insert' && mutator !== 'delete') checkAtoms(type, result);
  return result;
}

function arithmetic(base: BaseType, mutator: Arithmetic, a: Atom, b: Atom): Atom {
  if (base.type === 'real') return realArithmetic(mutator, a as number, b as number);
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = mutator === '+=' ? a + b : mutator === '-=' ? a - b : Number.NaN;
    if (Number.isSafeInteger(sum)) return sum;
  }
  const [x, y] = [BigInt(a as number), BigInt(b as number)];
  if (y === 0n && (mutator === '/=' || mutator === '%='))
    throw new OvsdbError('domain error', 'Division by zero.');
  const result = {
    '+=': () => x + y,
    '-=': () => x - y,
    '*=': () => x * y,
    '/=': () => x / y,
    '%=': () => x % y,
  }[mutator]();
  try {
    return integerAtom(result);
  } catch {
    throw new OvsdbError('range error', `Result of "${mutator}" operation is out of range.`);
  }
}

function realArithmetic(mutator: Arithmetic, a: number, b: number): number {
  if (b === 0 && mutator === '/=') throw new OvsdbError('domain error', 'Division by zero.');
  const result =
    mutator === '+=' ? a + b : mutator === '-=' ? a - b : mutator === '*=' ? a * b : a / b;
  if (!Number.isFinite(result))
    throw new OvsdbError('range error', `Result of "${mutator}" operation is out of range.`);
  return result;
}
