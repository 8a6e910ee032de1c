/** Database values as text (ovs-vsctl(8), "Database Values"). */
import {
  type Atom,
  type BaseType,
  type ColumnType,
  checkAtom,
  checkDatum,
  type Datum,
  integerAtom,
  isUuid,
  makeDatum,
  OvsdbError,
} from '@heddle/ovsdb';
import { VsctlError } from './errors.ts';

/** `@NAME` or a uuid, for a reference. */
export type ResolveRef = (text: string) => string;

interface Cursor {
  readonly text: string;
  at: number;
}

export function parseDatum(type: ColumnType, text: string, resolve: ResolveRef): Datum {
  const c: Cursor = { text, at: 0 };
  const keys: Atom[] = [];
  const values: Atom[] = [];
  skip(c);
  const close = { '{': '}', '[': ']' }[text[c.at] ?? ''];
  if (close !== undefined) c.at++;
  for (skip(c); c.at < text.length && text[c.at] !== close; skip(c)) {
    if (text[c.at] === ',') {
      c.at++;
      continue;
    }
    keys.push(parseAtom(type.key, token(c, type.value !== undefined), resolve));
    if (type.value) {
      skip(c);
      if (text[c.at] !== '=')
        throw new VsctlError(`${text}: syntax error at "${text.slice(c.at)}" expecting "="`);
      c.at++;
      values.push(parseAtom(type.value, token(c, false), resolve));
    }
  }
  if (close !== undefined && text[c.at] !== close) {
    throw new VsctlError(`${text}: missing "${close}" at end`);
  }
  const datum = type.value ? makeDatum(keys, values) : makeDatum(keys);
  return checked(() => checkDatum(type, datum), datum);
}

/** One atom, with or without quotes. */
export function parseAtomText(base: BaseType, text: string, resolve: ResolveRef): Atom {
  const c: Cursor = { text, at: 0 };
  const t = text.startsWith('"') ? token(c, false) : { text, quoted: false };
  return parseAtom(base, t, resolve);
}

function parseAtom(
  base: BaseType,
  t: { text: string; quoted: boolean },
  resolve: ResolveRef,
): Atom {
  const { text } = t;
  let atom: Atom;
  switch (base.type) {
    case 'integer':
      if (!/^[-+]?\d+$/.test(text))
        throw new VsctlError(`"${text}" is not a valid integer or range`);
      atom = integerAtom(BigInt(text));
      break;
    case 'real':
      if (text.trim() === '' || !Number.isFinite(Number(text)))
        throw new VsctlError(`"${text}" is not a valid real number`);
      atom = Number(text);
      break;
    case 'boolean':
      if (['true', 'yes', 'on', '1'].includes(text)) atom = true;
      else if (['false', 'no', 'off', '0'].includes(text)) atom = false;
      else throw new VsctlError(`"${text}" is not a valid boolean (use "true" or "false")`);
      break;
    case 'uuid':
      atom = isUuid(text) ? text.toLowerCase() : resolve(text);
      break;
    default:
      if (text === '' && !t.quoted)
        throw new VsctlError(
          'An empty string is not valid as input; use "" to represent the empty string',
        );
      atom = text;
  }
  return checked(() => checkAtom(base, atom), atom);
}

function checked<T>(check: () => void, value: T): T {
  try {
    check();
  } catch (error) {
    if (error instanceof OvsdbError)
      throw new VsctlError(`${error.error}: ${error.details ?? ''}`.replace(/: $/, ''));
    throw error;
  }
  return value;
}

function skip(c: Cursor): void {
  while (/\s/.test(c.text[c.at] ?? '')) c.at++;
}

function token(c: Cursor, isKey: boolean): { text: string; quoted: boolean } {
  skip(c);
  if (c.text[c.at] === '"') {
    const m = /"(?:[^"\\]|\\.)*"/y;
    m.lastIndex = c.at;
    const found = m.exec(c.text);
    if (!found) throw new VsctlError(`${c.text}: missing closing quote`);
    c.at += found[0].length;
    return { text: JSON.parse(found[0]) as string, quoted: true };
  }
  const start = c.at;
  const end = isKey ? /[,\]}=\s]/ : /[,\]}\s]/;
  while (c.at < c.text.length && !end.test(c.text[c.at]!)) c.at++;
  if (start === c.at) throw new VsctlError(`${c.text}: unexpected "${c.text[c.at] ?? ''}"`);
  return { text: c.text.slice(start, c.at), quoted: false };
}
