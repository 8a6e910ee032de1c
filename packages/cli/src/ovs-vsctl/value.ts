/** Database values from text (ovs-vsctl(8), "Database Values"). */
import { typeText } from '@heddle/ovsdb/engine/condition';
import {
  type Atom,
  type BaseType,
  type ColumnType,
  checkAtom,
  type Datum,
  integerAtom,
  isUuid,
  makeDatum,
  OvsdbError,
} from '@heddle/ovsdb/notation/index';
import { VsctlError } from './errors.ts';
import { type Cursor, skipSpaces, takeToken, unexpected } from './token.ts';

/** The uuid that `@NAME` stands for, where a reference of that type is written. */
export type ResolveSymbol = (name: string, base: BaseType) => string;

const MAX_RANGE = 4096;

/** A whole column: a set in optional brackets, a map in optional braces. */
export function parseDatum(type: ColumnType, text: string, resolve: ResolveSymbol): Datum {
  const c: Cursor = { text, at: 0 };
  const keys: Atom[] = [];
  const values: Atom[] = [];
  const [open, close] = type.value ? ['{', '}'] : ['[', ']'];
  skipSpaces(c);
  if (c.at === text.length) {
    throw new VsctlError(
      `use "${open}${close}" to specify the empty ${type.value ? 'map' : 'set'}`,
    );
  }
  const enclosed = text[c.at] === open;
  if (enclosed) c.at++;
  skipSpaces(c);
  while (c.at < text.length && !(enclosed && text[c.at] === close)) {
    parseElement(c, type, keys, values, resolve);
    skipSpaces(c);
    if (text[c.at] === ',') {
      c.at++;
      skipSpaces(c);
    }
  }
  if (enclosed) finish(c, close!);
  checkCount(type, keys.length, text);
  const datum = type.value ? makeDatum(keys, values) : makeDatum(keys);
  if (datum.keys.length !== keys.length) {
    const what = type.value ? 'map contains duplicate key' : 'set contains duplicate value';
    throw new VsctlError(`${text}: ${what}`);
  }
  return datum;
}

function finish(c: Cursor, close: string): void {
  if (c.at === c.text.length) {
    throw new VsctlError(`${c.text}: missing "${close}" at end of data`);
  }
  c.at++;
  skipSpaces(c);
  if (c.at < c.text.length) {
    throw new VsctlError(`${c.text}: trailing garbage after "${close}"`);
  }
}

function checkCount({ value, min, max }: ColumnType, n: number, text: string): void {
  const what = value ? 'pair(s)' : 'value(s)';
  if (n < min) {
    throw new VsctlError(`${text}: ${n} ${what} specified but the minimum number is ${min}`);
  }
  if (n > max) {
    throw new VsctlError(`${text}: ${n} ${what} specified but the maximum number is ${max}`);
  }
}

function parseElement(
  c: Cursor,
  type: ColumnType,
  keys: Atom[],
  values: Atom[],
  resolve: ResolveSymbol,
): void {
  const start = c.at;
  const word = takeToken(c);
  if (word === '') {
    throw unexpected(c, `${c.text}: unexpected "`, `" parsing ${typeText(type)}`);
  }
  if (!type.value) {
    keys.push(...parseRange(type.key, word, resolve));
    return;
  }
  const key = parseAtom(type.key, word, resolve);
  skipSpaces(c);
  if (c.text[c.at] !== '=') {
    throw unexpected(c, `${c.text.slice(start)}: syntax error at "`, '" expecting "="');
  }
  c.at++;
  skipSpaces(c);
  keys.push(key);
  values.push(parseAtom(type.value, takeToken(c), resolve));
}

/** `FIRST-LAST` among integers stands for all of them. */
function parseRange(base: BaseType, word: string, resolve: ResolveSymbol): Atom[] {
  const m = base.type === 'integer' ? /^([-+]?\d+)-([-+]?\d+)$/.exec(word) : null;
  if (!m) return [parseAtom(base, word, resolve)];
  const [first, last] = [toInteger(m[1]!), toInteger(m[2]!)];
  if (first === undefined || last === undefined) throw notAnInteger(word);
  if (last < first) {
    throw new VsctlError(`"${word}" is not a valid range. Range end cannot be before start.`);
  }
  if (BigInt(last) - BigInt(first) >= MAX_RANGE) {
    throw new VsctlError(
      `constraint violation: Range "${word}" is too big. Maximum allowed size is ${MAX_RANGE}.`,
    );
  }
  checked(base, first);
  checked(base, last);
  const size = Number(BigInt(last) - BigInt(first)) + 1;
  return Array.from({ length: size }, (_, i) => integerAtom(BigInt(first) + BigInt(i)));
}

/** One atom, which takes up the whole text. */
export function parseAtom(base: BaseType, text: string, resolve: ResolveSymbol): Atom {
  switch (base.type) {
    case 'integer': {
      const atom = toInteger(text);
      if (atom === undefined) throw notAnInteger(text);
      return checked(base, atom);
    }
    case 'real':
      if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text)) {
        throw new VsctlError(`"${text}" is not a valid real number`);
      }
      return checked(base, Number(text));
    case 'boolean':
      if (['true', 'yes', 'on', '1'].includes(text)) return checked(base, true);
      if (['false', 'no', 'off', '0'].includes(text)) return checked(base, false);
      throw new VsctlError(`"${text}" is not a valid boolean (use "true" or "false")`);
    case 'string':
      return checked(base, parseString(text));
    case 'uuid':
      if (text.startsWith('@')) return resolve(text, base);
      if (!isUuid(text)) throw new VsctlError(`"${text}" is not a valid UUID`);
      return text.toLowerCase();
  }
}

function notAnInteger(text: string): VsctlError {
  return new VsctlError(`"${text}" is not a valid integer or range`);
}

function toInteger(text: string): Atom | undefined {
  if (!/^\s*[-+]?\d+$/.test(text)) return undefined;
  try {
    return integerAtom(BigInt(text.trim().replace('+', '')));
  } catch {
    return undefined;
  }
}

function parseString(text: string): string {
  if (text === '') {
    throw new VsctlError(
      'An empty string is not valid as input; use "" to represent the empty string',
    );
  }
  if (!text.startsWith('"')) return text;
  if (text.length < 2 || !text.endsWith('"')) {
    throw new VsctlError(`${text}: missing quote at end of quoted string`);
  }
  return unquote(text);
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ '"': '"', '\\': '\\', '/': '/', b: '\b' },
  ...{ f: '\f', n: '\n', r: '\r', t: '\t' },
};

/** The syntax is JSON's, as far as that goes: other characters need no escape. */
function unquote(quoted: string): string {
  const text = quoted.slice(1, -1);
  let out = '';
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== '\\') {
      out += text[at];
      continue;
    }
    const letter = text[++at];
    if (letter === undefined) {
      throw new VsctlError(`${quoted}: quoted string may not end with backslash`);
    }
    if (letter === 'u') {
      const hex = /^[0-9a-fA-F]{4}/.exec(text.slice(at + 1))?.[0];
      if (hex === undefined) throw new VsctlError(`${quoted}: malformed \\u escape`);
      out += String.fromCharCode(Number.parseInt(hex, 16));
      at += 4;
      continue;
    }
    if (ESCAPES[letter] === undefined) throw new VsctlError(`${quoted}: bad escape \\${letter}`);
    out += ESCAPES[letter];
  }
  return out;
}

function checked(base: BaseType, atom: Atom): Atom {
  try {
    checkAtom(base, atom);
  } catch (error) {
    if (!(error instanceof OvsdbError)) throw error;
    throw new VsctlError(`${error.error}: ${error.details ?? ''}`);
  }
  return atom;
}
