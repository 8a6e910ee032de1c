/**
 * JSON with exact 64-bit integers: an integer within +-2^53 is a number, beyond it a bigint, and
 * both print as they were.
 */
export type Json =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

export type JsonObject = { readonly [key: string]: Json };

const LONG_INTEGER = /\d{16}/;
const INTEGER = /^-?\d+$/;

/** Parses one JSON text; throws SyntaxError. */
export function parseJson(text: string): Json {
  // The reviver costs a call per value: only texts that can need it pay.
  if (!LONG_INTEGER.test(text)) return JSON.parse(text) as Json;
  return JSON.parse(text, exactInteger as (key: string, value: unknown) => unknown) as Json;
}

function exactInteger(_key: string, value: unknown, context: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  return context.source !== undefined && INTEGER.test(context.source)
    ? BigInt(context.source)
    : value;
}

declare global {
  interface JSON {
    /** ECMA-262 proposal "JSON.parse source text access", in Node 22 and later. */
    rawJSON(text: string): unknown;
  }
}

function replacer(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? JSON.rawJSON(value.toString()) : value;
}

/** Prints in one line, members in the order that they have. */
export function printJson(json: Json): string {
  return JSON.stringify(json, replacer);
}

/** As `printJson`, members sorted by name: the canonical form that upstream prints and hashes. */
export function printSortedJson(json: Json): string {
  return JSON.stringify(sorted(json), replacer);
}

function sorted(json: Json): Json {
  if (Array.isArray(json)) return (json as readonly Json[]).map(sorted);
  if (!isObject(json)) return json;
  const out: Record<string, Json> = {};
  for (const key of Object.keys(json).sort()) out[key] = sorted(json[key]!);
  return out;
}

export function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

export function isArray(json: Json | undefined): json is readonly Json[] {
  return Array.isArray(json);
}

/** Whether two JSON values are the same, whatever the order of members. */
export function jsonEquals(a: Json, b: Json): boolean {
  return a === b || printSortedJson(a) === printSortedJson(b);
}
