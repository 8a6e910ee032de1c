/** `COLUMN[:KEY][OPERATOR VALUE]`, as set, get, find and others take it. */
import type { ColumnSchema, TableSchema } from '@heddle/ovsdb/schema/schema';
import { VsctlError } from './errors.ts';
import { findColumn } from './lookup.ts';
import { type Cursor, takeToken } from './token.ts';

export interface Setting {
  readonly column: ColumnSchema;
  /** As it was given, quotes and all. */
  readonly key: string | undefined;
  readonly operator: string;
  readonly value: string;
}

/** Longer ones first. */
export const OPERATORS = [
  '{not-in}',
  '{in}',
  '{<=}',
  '{>=}',
  '{!=}',
  '{=}',
  '{<}',
  '{>}',
  '!=',
  '<=',
  '>=',
  '=',
  '<',
  '>',
] as const;

const SHOWN = [
  '=',
  '!=',
  '<',
  '>',
  '<=',
  '>=',
  '{=}',
  '{!=}',
  '{<}',
  '{>}',
  '{<=}',
  '{>=}',
  '{in}',
];

/** The name of the column that an argument begins with. */
export function columnWord(text: string): string {
  const name = takeToken({ text, at: 0 });
  if (name === '') throw new VsctlError(`${text}: missing column name`);
  return name;
}

/** Without an operator, for `get`. */
export function parsePath(
  table: TableSchema,
  text: string,
): { column: ColumnSchema; key: string | undefined } {
  const c: Cursor = { text, at: 0 };
  const path = takePath(c, table);
  if (c.at < text.length) {
    throw new VsctlError(`${text}: trailing garbage "${text.slice(c.at)}" in argument`);
  }
  return path;
}

/** `operators` are those that may be: `=` alone, or all. */
export function parseSetting(
  table: TableSchema,
  text: string,
  operators: readonly string[],
): Setting {
  const c: Cursor = { text, at: 0 };
  const path = takePath(c, table);
  const rest = text.slice(c.at);
  const operator = operators.find((o) => rest.startsWith(o) && rest.length > o.length);
  if (operator === undefined) {
    const expected =
      operators.length === 1 ? '"="' : `${SHOWN.map((o) => `"${o}"`).join(', ')}, or "{not-in}"`;
    throw new VsctlError(`${text}: argument does not end in ${expected} followed by a value.`);
  }
  return { ...path, operator, value: rest.slice(operator.length) };
}

function takePath(
  c: Cursor,
  table: TableSchema,
): { column: ColumnSchema; key: string | undefined } {
  const name = takeToken(c);
  if (name === '') throw new VsctlError(`${c.text}: missing column name`);
  const column = findColumn(table, name);
  if (c.text[c.at] !== ':') return { column, key: undefined };
  c.at++;
  return { column, key: takeToken(c) };
}
