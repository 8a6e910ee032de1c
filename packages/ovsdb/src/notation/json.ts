/**
 * JSON with exact 64-bit integers: an integer within +-2^53 is a number, beyond it and within 64
 * bits a bigint, and both print as they were.
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
const LONG_DIGITS = 16;
const INTEGER = /^-?\d+$/;

/** Parses one JSON text; throws SyntaxError. */
export function parseJson(text: string): Json {
  // The reviver costs a call per value: only texts that can need it pay.
  if (!LONG_INTEGER.test(text)) return JSON.parse(text) as Json;
  return JSON.parse(text, exactInteger as (key: string, value: unknown) => unknown) as Json;
}

/** What parses the JSON texts that are in these bytes, as `parseJson` does. */
export function parserFor(bytes: Uint8Array): (text: string) => Json {
  return hasLongInteger(bytes) ? parseJson : (text) => JSON.parse(text) as Json;
}

function hasLongInteger(bytes: Uint8Array): boolean {
  const isDigit = (at: number) => bytes[at]! >= 0x30 && bytes[at]! <= 0x39;
  // So many digits in a row are there at one of these places, whatever is before them.
  for (let at = LONG_DIGITS - 1; at < bytes.length; at += LONG_DIGITS) {
    if (!isDigit(at)) continue;
    let [start, end] = [at, at + 1];
    while (isDigit(start - 1)) start--;
    while (isDigit(end)) end++;
    if (end - start >= LONG_DIGITS) return true;
  }
  return false;
}

function exactInteger(_key: string, value: unknown, context: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  if (context.source === undefined || !INTEGER.test(context.source)) return value;
  const exact = BigInt(context.source);
  return BigInt.asIntN(64, exact) === exact ? exact : value;
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
  try {
    return JSON.stringify(json);
  } catch (error) {
    // A bigint is rare, and a replacer makes printing several times slower.
    if (!(error instanceof TypeError)) throw error;
    return JSON.stringify(json, replacer);
  }
}

/**
 * As `printJson`, members sorted by name and reals as C prints them: the canonical form that
 * upstream's tools print.
 */
export function printSortedJson(json: Json): string {
  return JSON.stringify(sorted(json), replacer);
}

function sorted(json: Json): Json {
  if (typeof json === 'number' && !Number.isSafeInteger(json)) {
    return JSON.rawJSON(realText(json)) as Json;
  }
  if (Array.isArray(json)) return (json as readonly Json[]).map(sorted);
  if (!isObject(json)) return json;
  const out: Record<string, Json> = {};
  for (const key of Object.keys(json).sort()) out[key] = sorted(json[key]!);
  return out;
}

/** A double as upstream prints it, `%.15g`; an integral one within 64 bits in full. */
export function realText(value: number): string {
  const rounded = Number(value.toPrecision(15));
  const size = Math.abs(rounded);
  if (Number.isInteger(rounded) && size < 2 ** 63) return BigInt(rounded).toString();
  if (size >= 1e-4 && size < 1e15) return String(rounded);
  return rounded.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
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
