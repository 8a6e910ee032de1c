/** The database commands that change columns: set, add, remove, clear. */
import { type Datum, defaultDatum, findKey } from '@heddle/ovsdb/notation/index';
import type { ColumnSchema, TableSchema } from '@heddle/ovsdb/schema/schema';
import type { Command, Invocation, Preparation } from '../command.ts';
import { VsctlError } from '../errors.ts';
import { findColumn, findTable, RECORD_NAMES, requireRecord } from '../lookup.ts';
import { merge, without } from '../row.ts';
import { columnWord, parseSetting } from '../setting.ts';
import type { Row } from '../store.ts';
import { parseAtom, parseDatum } from '../value.ts';

/** The table that the first word names, and what its records are looked up by. */
export function prepareTable({ args, want }: Preparation): TableSchema {
  const table = findTable(args[0]!);
  want(table.name, []);
  const way = RECORD_NAMES[table.name];
  if (way) want(way.table, way.ref === undefined ? [way.name] : [way.name, way.ref]);
  return table;
}

/** Names that no column has are refused; the columns are fetched. */
export function prepareColumns(
  { want }: Preparation,
  table: TableSchema,
  words: readonly string[],
): void {
  want(
    table.name,
    words.map((word) => findColumn(table, word).name),
  );
}

/** The record that the second word names; undefined when there is none and `--if-exists`. */
export function record(cmd: Invocation, table: TableSchema): Row | undefined {
  return requireRecord(cmd.store, table, cmd.args[1]!, cmd.has('if-exists'));
}

function checkMutable(row: Row, column: ColumnSchema): void {
  if (column.mutable || row.isNew) return;
  throw new VsctlError(`cannot modify read-only column ${column.name} in table ${row.table.name}`);
}

/** `COLUMN[:KEY]=VALUE`: a whole column, or one key of a map. */
export function setColumn(cmd: Invocation, row: Row, text: string): void {
  const { symbols } = cmd;
  const { column, key, value } = parseSetting(row.table, text, ['=']);
  checkMutable(row, column);
  const { type } = column;
  if (key === undefined) {
    row.set(column.name, parseDatum(type, value, symbols.refer));
    return;
  }
  if (!type.value) {
    throw new VsctlError(`cannot specify key to set for non-map column ${column.name}`);
  }
  const keys = [parseAtom(type.key, key, symbols.refer)];
  const values = [parseAtom(type.value, value, symbols.refer)];
  insertPairs(cmd, row, column, { keys, values });
}

/** Pairs that are there already are left alone. */
function insertPairs(
  { isLast }: Invocation,
  row: Row,
  { name, type }: ColumnSchema,
  pairs: Datum,
): void {
  const old = row.get(name);
  const isNew = pairs.keys.map((key, i) => {
    const at = findKey(old, key);
    return at < 0 || old.values![at] !== pairs.values![i];
  });
  const more = {
    keys: pairs.keys.filter((_, i) => isNew[i]),
    values: pairs.values!.filter((_, i) => isNew[i]),
  };
  if (more.keys.length === 0) return;
  // Two who set two keys do not meet.
  if (isLast && type.key.type === 'string' && type.value!.type === 'string') row.insert(name, more);
  else {
    row.verify(name);
    row.set(name, merge(old, more));
  }
}

function insertElements(
  cmd: Invocation,
  row: Row,
  { name, type }: ColumnSchema,
  more: Datum,
): void {
  if (cmd.isLast) {
    // The server tells whether the column can take them.
    row.insert(name, more);
    return;
  }
  const all = merge(row.get(name), more);
  if (all.keys.length > type.max) {
    throw new VsctlError(
      `"add" operation would put ${all.keys.length} values in column ${name} of table ${row.table.name} but the maximum number is ${type.max}`,
    );
  }
  row.verify(name);
  row.set(name, all);
}

function set(cmd: Invocation): void {
  const row = record(cmd, findTable(cmd.args[0]!));
  if (row) for (const text of cmd.args.slice(2)) setColumn(cmd, row, text);
}

function add(cmd: Invocation): void {
  const table = findTable(cmd.args[0]!);
  const row = record(cmd, table);
  if (!row) return;
  const column = findColumn(table, cmd.args[2]!);
  checkMutable(row, column);
  const { type } = column;
  const loose = { ...type, min: 1, max: Infinity };
  const more = cmd.args.slice(3).map((text) => parseDatum(loose, text, cmd.symbols.refer));
  // Of one key that is given twice, the first value counts.
  const all = more.reduceRight(merge);
  if (type.value) insertPairs(cmd, row, column, all);
  else insertElements(cmd, row, column, all);
}

/** What is to be removed: elements or pairs, or keys of a map. */
function parseRemoval({ symbols }: Invocation, { type }: ColumnSchema, text: string): Datum {
  const loose = { ...type, min: 1, max: Infinity };
  if (!type.value) return parseDatum(loose, text, symbols.refer);
  try {
    return parseDatum(loose, text, symbols.refer);
  } catch (error) {
    if (!(error instanceof VsctlError)) throw error;
    const { value: _, ...keys } = loose;
    return parseDatum(keys, text, symbols.refer);
  }
}

function remove(cmd: Invocation): void {
  const table = findTable(cmd.args[0]!);
  const row = record(cmd, table);
  if (!row) return;
  const column = findColumn(table, cmd.args[2]!);
  checkMutable(row, column);
  const { name, type } = column;
  let datum = row.get(name);
  for (const text of cmd.args.slice(3)) {
    const gone = parseRemoval(cmd, column, text);
    const there = gone.keys.filter((key, i) => {
      const at = findKey(datum, key);
      return at >= 0 && (!gone.values || gone.values[i] === datum.values![at]);
    });
    datum = without(datum, there);
  }
  if (datum.keys.length < type.min) {
    const what = type.value ? 'pairs' : 'values';
    throw new VsctlError(
      `"remove" operation would put ${datum.keys.length} ${what} in column ${name} of table ${table.name} but the minimum number is ${type.min}`,
    );
  }
  row.verify(name);
  row.set(name, datum);
}

function clear(cmd: Invocation): void {
  const table = findTable(cmd.args[0]!);
  const row = record(cmd, table);
  if (!row) return;
  for (const text of cmd.args.slice(2)) {
    const column = findColumn(table, text);
    checkMutable(row, column);
    if (column.type.min > 0) {
      throw new VsctlError(
        `"clear" operation cannot be applied to column ${column.name} of table ${table.name}, which is not allowed to be empty`,
      );
    }
    row.set(column.name, defaultDatum(column.type));
  }
}

function prepareOneColumn(preparation: Preparation): void {
  prepareColumns(preparation, prepareTable(preparation), [preparation.args[2]!]);
}

export const SET_COMMANDS: readonly Command[] = [
  {
    name: 'set',
    args: '!TABLE !RECORD +COLUMN?:KEY=VALUE',
    options: ['if-exists'],
    writes: true,
    prepare(preparation) {
      const table = prepareTable(preparation);
      prepareColumns(preparation, table, preparation.args.slice(2).map(columnWord));
    },
    run: set,
  },
  {
    name: 'add',
    args: '!TABLE !RECORD !COLUMN +?KEY=VALUE',
    options: ['if-exists'],
    writes: true,
    prepare: prepareOneColumn,
    run: add,
  },
  {
    name: 'remove',
    args: '!TABLE !RECORD !COLUMN +KEY|VALUE|KEY=VALUE',
    options: ['if-exists'],
    writes: true,
    prepare: prepareOneColumn,
    run: remove,
  },
  {
    name: 'clear',
    args: '!TABLE !RECORD +COLUMN',
    options: ['if-exists'],
    writes: true,
    prepare(preparation) {
      prepareColumns(preparation, prepareTable(preparation), preparation.args.slice(2));
    },
    run: clear,
  },
];
