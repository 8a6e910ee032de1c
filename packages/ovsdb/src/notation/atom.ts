import { OvsdbError } from './errors.ts';
import { type Json, printSortedJson } from './json.ts';

/** RFC 7047 section 3.2, <atomic-type>. */
export const ATOMIC_TYPES = ['integer', 'real', 'boolean', 'string', 'uuid'] as const;
export type AtomicType = (typeof ATOMIC_TYPES)[number];

/**
 * An atom. An integer is a number, or a bigint beyond +-2^53 only (so that equal atoms are `===`);
 * a uuid is its 36 characters in lower case.
 */
export type Atom = number | bigint | boolean | string;

export const ZERO_UUID = '00000000-0000-0000-0000-000000000000';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** RFC 7047 section 3.1, <id>. */
const ID = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** Gives an integer its only representation; throws RangeError outside of 64 bits. */
export function integerAtom(value: number | bigint): number | bigint {
  if (typeof value === 'number' && Math.abs(value) < 2 ** 63) {
    return Object.is(value, -0) ? 0 : value;
  }
  if (value < MIN_INT64 || value > MAX_INT64) throw new RangeError('integer out of range');
  const n = Number(value);
  return Number.isSafeInteger(n) ? n : value;
}

export function defaultAtom(type: AtomicType): Atom {
  switch (type) {
    case 'integer':
    case 'real':
      return 0;
    case 'boolean':
      return false;
    case 'string':
      return '';
    case 'uuid':
      return ZERO_UUID;
  }
}

/** Orders atoms of one type as upstream does: numbers by value, the rest by their bytes. */
export function compareAtoms(a: Atom, b: Atom): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** What a row's named-uuid stands for within one transaction. */
export type ResolveName = (name: string) => string;

/** RFC 7047 section 5.1, <atom>. */
export function decodeAtom(type: AtomicType, json: Json, resolve?: ResolveName): Atom {
  switch (type) {
    case 'integer':
      if (typeof json === 'bigint' || (typeof json === 'number' && Number.isInteger(json))) {
        try {
          return integerAtom(json);
        } catch {
          break;
        }
      }
      break;
    case 'real':
      if (typeof json === 'number') return Object.is(json, -0) ? 0 : json;
      if (typeof json === 'bigint') return Number(json);
      break;
    case 'boolean':
      if (typeof json === 'boolean') return json;
      break;
    case 'string':
      if (typeof json === 'string') return checkString(json);
      break;
    case 'uuid':
      return decodeUuid(json, resolve);
  }
  throw new OvsdbError('syntax error', `expected ${type}`, printSortedJson(json));
}

function checkString(text: string): string {
  if (!text.isWellFormed()) {
    throw new OvsdbError('constraint violation', 'not a valid UTF-8 string');
  }
  return text;
}

function decodeUuid(json: Json, resolve: ResolveName | undefined): string {
  if (Array.isArray(json) && json.length === 2 && typeof json[1] === 'string') {
    const text = json[1];
    if (json[0] === 'uuid') {
      if (!isUuid(text))
        throw new OvsdbError(
          'syntax error',
          `"${text}" is not a valid UUID`,
          printSortedJson(json),
        );
      return text.toLowerCase();
    }
    if (json[0] === 'named-uuid' && resolve) {
      if (!ID.test(text)) {
        const what = 'named-uuid string is not a valid <id>';
        throw new OvsdbError('syntax error', what, printSortedJson(json));
      }
      return resolve(text);
    }
  }
  throw new OvsdbError('syntax error', 'expected ["uuid", <string>]', printSortedJson(json));
}

export function encodeAtom(type: AtomicType, atom: Atom): Json {
  if (type === 'uuid') return ['uuid', atom as string];
  // Upstream prints 15 digits of a real.
  if (type === 'real' && !Number.isInteger(atom)) return Number((atom as number).toPrecision(15));
  return atom;
}
