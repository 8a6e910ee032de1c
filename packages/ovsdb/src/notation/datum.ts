import {
  type Atom,
  type AtomicType,
  compareAtoms,
  decodeAtom,
  defaultAtom,
  encodeAtom,
  type ResolveName,
  ZERO_UUID,
} from './atom.ts';
import { type BaseType, baseTypeToJson, checkAtom, parseBaseType } from './base-type.ts';
import { OvsdbError } from './errors.ts';
import { isArray, type Json, printSortedJson } from './json.ts';
import { LargeSet, MAX_PLAIN } from './large-set.ts';
import { Members } from './members.ts';

/** RFC 7047 section 3.2, <type>. */
export interface ColumnType {
  readonly key: BaseType;
  readonly value?: BaseType;
  readonly min: number;
  /** Infinity for "unlimited". */
  readonly max: number;
}

/**
 * The value of a column: a set of keys in order or, with `values`, a map. A scalar is a set of one.
 * Never changed once made.
 */
export interface Datum {
  readonly keys: readonly Atom[];
  readonly values?: readonly Atom[];
}

/** A set of one atom, the most frequent datum by far, in a third of the bytes of a plain one. */
class Scalar implements Datum {
  readonly atom: Atom;

  constructor(atom: Atom) {
    this.atom = atom;
  }

  get keys(): readonly Atom[] {
    return [this.atom];
  }
}

const EMPTY: readonly Atom[] = [];
export const EMPTY_SET: Datum = { keys: EMPTY };
const EMPTY_MAP: Datum = { keys: EMPTY, values: EMPTY };
/** Rows share their defaults. */
const DEFAULTS: Readonly<Record<AtomicType, Datum>> = {
  integer: new Scalar(0),
  real: new Scalar(0),
  boolean: new Scalar(false),
  string: new Scalar(''),
  uuid: new Scalar(ZERO_UUID),
};
/** How upstream prints "unlimited". */
const UINT_MAX = 4294967295;

export function parseColumnType(json: Json): ColumnType {
  if (typeof json === 'string') return { key: parseBaseType(json), min: 1, max: 1 };
  const members = new Members(json, 'ovsdb type');
  const key = members.required('key', 'string', 'object');
  const value = members.optional('value', 'string', 'object');
  const min = members.optional('min', 'integer');
  const max = members.optional('max', 'integer', 'string');
  members.finish();
  const type = {
    key: parseBaseType(key!),
    ...(value === undefined ? {} : { value: parseBaseType(value) }),
    min: parseSize(min),
    max: parseSize(max),
  };
  if (type.min > 1 || type.max < 1 || type.min > type.max) {
    const what = 'ovsdb type fails constraint checks';
    throw new OvsdbError('syntax error', what, printSortedJson(json));
  }
  return type;
}

function parseSize(json: Json | undefined): number {
  if (json === undefined) return 1;
  if (json === 'unlimited') return Infinity;
  if (typeof json === 'number' && json >= 0 && json < UINT_MAX) return json;
  throw new OvsdbError('syntax error', 'bad min or max value', printSortedJson(json));
}

export function columnTypeToJson(type: ColumnType): Json {
  if (type.min === 1 && type.max === 1 && !type.value) {
    const base = baseTypeToJson(type.key);
    return typeof base === 'string' ? base : { key: base };
  }
  return {
    key: baseTypeToJson(type.key),
    ...(type.value ? { value: baseTypeToJson(type.value) } : {}),
    ...(type.min === 1 ? {} : { min: type.min }),
    ...(type.max === 1 ? {} : { max: type.max === Infinity ? 'unlimited' : type.max }),
  };
}

export const isScalar = (t: ColumnType) => t.min === 1 && t.max === 1 && !t.value;
export const isOptionalScalar = (t: ColumnType) => t.min === 0 && t.max === 1 && !t.value;
export const isMap = (t: ColumnType) => t.value !== undefined;

export function defaultDatum(type: ColumnType): Datum {
  if (type.min === 0) return type.value ? EMPTY_MAP : EMPTY_SET;
  if (!type.value) return DEFAULTS[type.key.type];
  return { keys: [defaultAtom(type.key.type)], values: [defaultAtom(type.value.type)] };
}

/** The set of one atom. */
export function scalarDatum(atom: Atom): Datum {
  return new Scalar(atom);
}

/** The number of elements. */
export function datumSize(datum: Datum): number {
  if (datum instanceof Scalar) return 1;
  return datum instanceof LargeSet ? datum.size : datum.keys.length;
}

/** The only key of a set of one; undefined for other sets and for maps. */
export function onlyKey(datum: Datum): Atom | undefined {
  if (datum instanceof Scalar) return datum.atom;
  if (datum instanceof LargeSet) return undefined;
  return datum.keys.length === 1 && !datum.values ? datum.keys[0] : undefined;
}

/** Sorts and drops duplicate keys (the later value of a map's key wins). */
export function makeDatum(keys: readonly Atom[], values?: readonly Atom[]): Datum {
  if (keys.length === 0) return values ? EMPTY_MAP : EMPTY_SET;
  if (keys.length === 1) return values ? { keys, values } : new Scalar(keys[0]!);
  if (isAscending(keys)) return sortedDatum(keys, values);
  const order = keys.map((_, i) => i).sort((a, b) => compareAtoms(keys[a]!, keys[b]!) || a - b);
  const outKeys: Atom[] = [];
  const outValues: Atom[] = [];
  for (const i of order) {
    if (outKeys.length > 0 && outKeys[outKeys.length - 1] === keys[i]) outValues.pop();
    else outKeys.push(keys[i]!);
    if (values) outValues.push(values[i]!);
  }
  return sortedDatum(outKeys, values && outValues);
}

/** A datum of several keys in order. */
export function sortedDatum(keys: readonly Atom[], values: readonly Atom[] | undefined): Datum {
  if (values) return { keys, values };
  return keys.length > MAX_PLAIN ? LargeSet.of(keys) : { keys };
}

function isAscending(keys: readonly Atom[]): boolean {
  for (let i = 1; i < keys.length; i++) if (compareAtoms(keys[i - 1]!, keys[i]!) >= 0) return false;
  return true;
}

export interface DecodeOptions {
  readonly resolve?: ResolveName | undefined;
  /** Gives a uuid the string that stands for it, so that each is in memory once. */
  readonly intern?: ((uuid: string) => string) | undefined;
  /** Skip constraints, as for the operand of a mutation. */
  readonly lax?: boolean;
}

/** RFC 7047 section 5.1, <value>. Duplicates in a set or a map are an error. */
export function decodeDatum(type: ColumnType, json: Json, options: DecodeOptions = {}): Datum {
  return type.value ? decodeMap(type, type.value, json, options) : decodeSet(type, json, options);
}

function decodeSet(type: ColumnType, json: Json, options: DecodeOptions): Datum {
  const isSet = isArray(json) && json.length === 2 && json[0] === 'set' && isArray(json[1]);
  if (!isSet) return new Scalar(decodeElement(type.key, json, options));
  const items = json[1] as readonly Json[];
  checkSize(type, items.length, json);
  const keys = items.map((item) => decodeElement(type.key, item, options));
  const datum = makeDatum(keys);
  if (datumSize(datum) !== keys.length) {
    throw new OvsdbError('ovsdb error', 'set contains duplicate');
  }
  return datum;
}

function decodeElement(base: BaseType, json: Json, options: DecodeOptions): Atom {
  const atom = decodeAtom(base.type, json, options.resolve);
  if (!options.lax) checkAtom(base, atom);
  return options.intern && base.type === 'uuid' ? options.intern(atom as string) : atom;
}

function decodeMap(
  type: ColumnType,
  valueType: BaseType,
  json: Json,
  options: DecodeOptions,
): Datum {
  if (!(isArray(json) && json.length === 2 && json[0] === 'map' && isArray(json[1]))) {
    throw new OvsdbError('syntax error', 'expected ["map", <array>]', printSortedJson(json));
  }
  checkSize(type, json[1].length, json);
  const keys: Atom[] = [];
  const values: Atom[] = [];
  for (const pair of json[1]) {
    if (!isArray(pair) || pair.length !== 2) {
      throw new OvsdbError('syntax error', 'expected 2-element array', printSortedJson(pair));
    }
    keys.push(decodeElement(type.key, pair[0]!, options));
    values.push(decodeElement(valueType, pair[1]!, options));
  }
  const datum = makeDatum(keys, values);
  if (datum.keys.length !== keys.length) {
    throw new OvsdbError('ovsdb error', 'map contains duplicate key');
  }
  return datum;
}

function checkSize(type: ColumnType, n: number, json?: Json): void {
  if (n >= type.min && n <= type.max) return;
  const what = type.value ? 'map' : 'set';
  const size =
    type.max === 1 && type.min === 1
      ? 'exactly one member'
      : `${type.min} to ${type.max === Infinity ? UINT_MAX : type.max} members`;
  throw new OvsdbError(
    json === undefined ? 'constraint violation' : 'syntax error',
    `${what} must have ${size} but ${n} are present`,
    json === undefined ? undefined : printSortedJson(json),
  );
}

/** Checks a computed datum (a mutation's result) against its column's type. */
export function checkDatum(type: ColumnType, datum: Datum): void {
  checkSize(type, datumSize(datum));
  checkAtoms(type, datum);
}

/** Checks each atom of a datum against its column's type. */
export function checkAtoms(type: ColumnType, datum: Datum): void {
  for (const key of datum.keys) checkAtom(type.key, key);
  if (type.value) for (const value of datum.values!) checkAtom(type.value, value);
}

/** The JSON that upstream prints: a set of one is its bare atom. */
export function encodeDatum(type: ColumnType, datum: Datum): Json {
  if (type.value) {
    const value = type.value.type;
    return [
      'map',
      datum.keys.map((k, i) => [
        encodeAtom(type.key.type, k),
        encodeAtom(value, datum.values![i]!),
      ]),
    ];
  }
  const only = onlyKey(datum);
  if (only !== undefined) return encodeAtom(type.key.type, only);
  return ['set', datum.keys.map((k) => encodeAtom(type.key.type, k))];
}

export function datumEquals(a: Datum, b: Datum): boolean {
  if (a === b) return true;
  if (a instanceof Scalar) return a.atom === onlyKey(b);
  if (b instanceof Scalar) return b.atom === onlyKey(a);
  if (a instanceof LargeSet && b instanceof LargeSet) return a.equals(b);
  if (datumSize(a) !== datumSize(b)) return false;
  return atomsEqual(a.keys, b.keys) && atomsEqual(a.values ?? EMPTY, b.values ?? EMPTY);
}

function atomsEqual(a: readonly Atom[], b: readonly Atom[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The position of a key, or -1. */
export function findKey(datum: Datum, key: Atom): number {
  if (datum instanceof LargeSet) return datum.find(key);
  const { keys } = datum;
  let low = 0;
  let high = keys.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const order = compareAtoms(keys[middle]!, key);
    if (order === 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
