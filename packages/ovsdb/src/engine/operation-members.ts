/** Which members an operation of a transaction has, and of which types (RFC 7047 section 5.2). */
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  OvsdbError,
  printSortedJson,
} from '../notation/index.ts';
import type { Tables } from './table.ts';

function isId(json: Json): boolean {
  return typeof json === 'string' && /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(json);
}

const isString = (json: Json) => typeof json === 'string';
const anything = () => true;
const TYPES = new Map<string, (json: Json) => boolean>([
  ['where', isArray],
  ['row', isObject],
  ['rows', isArray],
  ['mutations', isArray],
  ['columns', isArray],
  ['comment', isString],
  ['lock', isId],
  ['uuid', isString],
  ['durable', (json) => typeof json === 'boolean'],
  ['timeout', (json) => Number.isInteger(json)],
  ['until', isString],
  ['uuid-name', isId],
]);

/**
 * The members that an operation must have, in the order of complaints, and those that it may, each
 * with what tells whether its type is right.
 */
function members(required: readonly string[], optional: readonly string[] = []) {
  const allowed = ['op', ...required, ...optional];
  return { required, allowed: new Map(allowed.map((name) => [name, TYPES.get(name) ?? anything])) };
}

const MEMBERS = new Map([
  ['insert', members(['table', 'row'], ['uuid', 'uuid-name'])],
  ['select', members(['table', 'where'], ['columns'])],
  ['update', members(['table', 'where', 'row'])],
  ['mutate', members(['table', 'where', 'mutations'])],
  ['delete', members(['where', 'table'])],
  ['wait', members(['where', 'until', 'rows', 'table'], ['timeout', 'columns'])],
  ['commit', members(['durable'])],
  ['abort', members([])],
  ['comment', members(['comment'])],
  ['assert', members(['lock'])],
]);

/** Returns which operation it is, the `n`th of so many; throws OvsdbError. */
export function checkMembers(tables: Tables, json: Json, n: number, of: number): string {
  if (!isObject(json)) throw misshapen(json, n, of, 'Object expected.');
  const { op, table } = json;
  if (op === undefined) throw misshapen(json, n, of, "Required 'op' member is missing.");
  if (typeof op !== 'string') throw misshapen(json, n, of, "Type mismatch for member 'op'.");
  const members = MEMBERS.get(op);
  if (!members) throw misshapen(json, n, of, `No operation "${op}"`);
  for (const name of members.required) {
    if (json[name] === undefined) {
      throw misshapen(json, n, of, `Required '${name}' member is missing.`);
    }
    if (name !== 'table') continue;
    if (typeof table !== 'string') {
      throw misshapen(json, n, of, "Type mismatch for member 'table'.");
    }
    if (!tables.byName.has(table)) throw misshapen(json, n, of, `No table named ${table}.`);
  }
  for (const name in json) {
    if (!members.allowed.get(name)?.(json[name]!)) throw wrongMember(json, n, of, members.allowed);
  }
  return op;
}

/** Of members of a wrong type and members that are not allowed: the former come first. */
function wrongMember(
  json: JsonObject,
  n: number,
  of: number,
  allowed: ReadonlyMap<string, unknown>,
): OvsdbError {
  const names = Object.keys(json);
  const mistyped = names.find((name) => TYPES.get(name)?.(json[name]!) === false);
  if (mistyped !== undefined) {
    return misshapen(json, n, of, `Type mismatch for member '${mistyped}'.`);
  }
  const stray = names.find((name) => !allowed.has(name));
  return misshapen(json, n, of, `Member '${stray}' is present but not allowed here.`);
}

function misshapen(json: Json, n: number, of: number, what: string): OvsdbError {
  return new OvsdbError(
    'syntax error',
    `Parsing ovsdb operation ${n} of ${of} failed: ${what}`,
    isObject(json) ? printSortedJson(json) : undefined,
  );
}
