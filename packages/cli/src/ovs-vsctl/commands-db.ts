/** The database commands (ovs-vsctl(8), "Database Commands"). */
import {
  atomToText,
  type ColumnSchema,
  compareAtoms,
  type Datum,
  datumEquals,
  datumToText,
  defaultDatum,
  findKey,
  type Json,
  makeDatum,
  parseSchema,
  type TableSchema,
  vswitchSchema,
} from '@heddle/ovsdb';
import { type Command, type Invocation, NotYet, type Wants } from './command.ts';
import { VsctlError } from './errors.ts';
import { printTable } from './format.ts';
import { findColumn, findRecord, findTable, recordWants } from './lookup.ts';
import type { StoredRow } from './store.ts';
import { parseAtomText, parseDatum } from './value.ts';

const SCHEMA = parseSchema(vswitchSchema as unknown as Json);

const wholeTable: Command['wants'] = (args) => {
  const table = findTable(SCHEMA, args[0] ?? '');
  return { ...recordWants(table), [table.name]: 'all' } as Wants;
};

interface Setting {
  readonly column: ColumnSchema;
  readonly key: string | undefined;
  readonly operator: string | undefined;
  readonly value: string | undefined;
}

const OPERATORS = [
  '{<=}',
  '{>=}',
  '{!=}',
  '{=}',
  '{<}',
  '{>}',
  '{in}',
  '{not-in}',
  '<=',
  '>=',
  '!=',
  '=',
  '<',
  '>',
];

/** `COLUMN[:KEY][OPERATOR VALUE]`. */
function parseSetting(table: TableSchema, text: string): Setting {
  const m = /^("(?:[^"\\]|\\.)*"|[\w-]+)/.exec(text);
  if (!m) throw new VsctlError(`${text}: missing column name`);
  const column = findColumn(table, m[1]!);
  let rest = text.slice(m[0].length);
  let key: string | undefined;
  if (rest.startsWith(':')) {
    const k = /^:("(?:[^"\\]|\\.)*"|[^=<>!{]+)/.exec(rest);
    if (!k) throw new VsctlError(`${text}: missing key`);
    key = k[1]!.startsWith('"') ? (JSON.parse(k[1]!) as string) : k[1]!;
    rest = rest.slice(k[0].length);
  }
  if (rest === '') return { column, key, operator: undefined, value: undefined };
  const operator = OPERATORS.find((o) => rest.startsWith(o));
  if (operator === undefined)
    throw new VsctlError(`${text}: argument does not end in "=" followed by a value.`);
  return { column, key, operator, value: rest.slice(operator.length) };
}

const refOf = (cmd: Invocation) => (text: string) => {
  if (!text.startsWith('@')) throw new VsctlError(`"${text}" is not a valid UUID`);
  const row = cmd.symbols.get(text);
  if (!row) throw new VsctlError(`unresolved reference ${text}`);
  return row.uuid;
};

function checkMutable(row: StoredRow, column: ColumnSchema): void {
  if (column.mutable || row.isNew) return;
  throw new VsctlError(`cannot modify read-only column ${column.name} in table ${row.table.name}`);
}

/** `set`: a whole column, or one key of a map. */
export function setColumn(cmd: Invocation, row: StoredRow, text: string): void {
  const { column, key, operator, value } = parseSetting(row.table, text);
  if (value === undefined || operator !== '=') {
    throw new VsctlError(`${text}: argument does not end in "=" followed by a value.`);
  }
  checkMutable(row, column);
  const { type } = column;
  if (key === undefined) {
    row.set(column.name, parseDatum(type, value, refOf(cmd)));
    return;
  }
  if (!type.value)
    throw new VsctlError(`cannot specify key to set for non-map column ${column.name}`);
  const k = parseAtomText(type.key, key, refOf(cmd));
  const v = parseAtomText(type.value, value, refOf(cmd));
  const old = row.get(column.name);
  row.set(column.name, makeDatum([...old.keys, k], [...old.values!, v]));
}

function rowOf(cmd: Invocation, table: TableSchema): StoredRow | undefined {
  return findRecord(cmd.store, table, cmd.args[1]!, cmd.symbols, cmd.has('if-exists'));
}

function get(cmd: Invocation): void {
  const table = findTable(SCHEMA, cmd.args[0]!);
  const row = rowOf(cmd, table);
  if (!row) return;
  const id = cmd.value('id');
  if (id !== undefined) cmd.symbols.set(id, row);
  for (const text of cmd.args.slice(2)) {
    if (text === '_uuid') {
      cmd.print(`${row.uuid}\n`);
      continue;
    }
    const { column, key } = parseSetting(table, text);
    const datum = row.get(column.name);
    if (key === undefined) {
      cmd.print(`${datumToText(column.type, datum)}\n`);
      continue;
    }
    if (!column.type.value)
      throw new VsctlError(`cannot specify key to get for non-map column ${column.name}`);
    const at = findKey(datum, parseAtomText(column.type.key, key, refOf(cmd)));
    if (at >= 0) cmd.print(`${atomToText(column.type.value.type, datum.values![at]!)}\n`);
    else if (cmd.has('if-exists')) cmd.print('\n');
    else {
      throw new VsctlError(
        `no key "${key}" in ${table.name} record "${cmd.args[1]}" column ${column.name}`,
      );
    }
  }
}

function set(cmd: Invocation): void {
  const table = findTable(SCHEMA, cmd.args[0]!);
  const row = rowOf(cmd, table);
  if (row) for (const text of cmd.args.slice(2)) setColumn(cmd, row, text);
}

function add(cmd: Invocation): void {
  const table = findTable(SCHEMA, cmd.args[0]!);
  const row = rowOf(cmd, table);
  if (!row) return;
  const column = findColumn(table, cmd.args[2]!);
  checkMutable(row, column);
  const { type } = column;
  let datum = row.get(column.name);
  for (const text of cmd.args.slice(3)) {
    const more = parseDatum({ ...type, min: 0, max: Infinity }, text, refOf(cmd));
    const fresh = more.keys.map((k) => findKey(datum, k) < 0);
    const keys = [...datum.keys, ...more.keys.filter((_, i) => fresh[i])];
    datum = type.value
      ? makeDatum(keys, [...datum.values!, ...more.values!.filter((_, i) => fresh[i])])
      : makeDatum(keys);
  }
  row.set(column.name, datum);
}

function remove(cmd: Invocation): void {
  const table = findTable(SCHEMA, cmd.args[0]!);
  const row = rowOf(cmd, table);
  if (!row) return;
  const column = findColumn(table, cmd.args[2]!);
  checkMutable(row, column);
  const { type } = column;
  let datum = row.get(column.name);
  for (const text of cmd.args.slice(3)) {
    const pairs = type.value !== undefined && text.includes('=');
    const loose = {
      key: type.key,
      min: 0,
      max: Infinity,
      ...(pairs ? { value: type.value! } : {}),
    };
    const gone = parseDatum(loose, text, refOf(cmd));
    const keep = datum.keys.map((k, i) => {
      const at = findKey(gone, k);
      return at < 0 || (pairs && gone.values![at] !== datum.values![i]);
    });
    const keys = datum.keys.filter((_, i) => keep[i]);
    datum = datum.values ? { keys, values: datum.values.filter((_, i) => keep[i]) } : { keys };
  }
  if (datum.keys.length < type.min) {
    throw new VsctlError(
      `"remove" operation would put ${datum.keys.length} values in column ${column.name} of table ${table.name} but the minimum number is ${type.min}`,
    );
  }
  row.set(column.name, datum);
}

function clear(cmd: Invocation): void {
  const table = findTable(SCHEMA, cmd.args[0]!);
  const row = rowOf(cmd, table);
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

function create(cmd: Invocation): void {
  const table = findTable(SCHEMA, cmd.args[0]!);
  const id = cmd.value('id');
  if (id !== undefined && !id.startsWith('@'))
    throw new VsctlError(`row id "${id}" does not begin with "@"`);
  const row = (id === undefined ? undefined : cmd.symbols.get(id)) ?? cmd.store.insert(table.name);
  for (const text of cmd.args.slice(1)) setColumn(cmd, row, text);
  if (id === undefined && !table.isRoot) {
    cmd.warn(
      `applying "create" command to table ${table.name} without --id option will have no effect`,
    );
  }
  cmd.print(`${row.uuid}\n`);
}

function destroy(cmd: Invocation): void {
  const table = findTable(SCHEMA, cmd.args[0]!);
  if (cmd.has('all')) {
    if (cmd.args.length > 1)
      throw new VsctlError('--all and records argument should not be specified together');
    for (const row of cmd.store.all(table.name)) cmd.store.delete(row);
    return;
  }
  for (const text of cmd.args.slice(1)) {
    const row = findRecord(cmd.store, table, text, cmd.symbols, cmd.has('if-exists'));
    if (row) cmd.store.delete(row);
  }
}

/** Whether a row meets `COLUMN[:KEY]OPERATOR VALUE`. */
function meets(cmd: Invocation, row: StoredRow, text: string): boolean {
  const { column, key, operator, value } = parseSetting(row.table, text);
  if (operator === undefined || value === undefined) throw new VsctlError(`${text}: missing value`);
  let { type } = column;
  let datum = row.get(column.name);
  if (key !== undefined) {
    if (!type.value)
      throw new VsctlError(`cannot specify key to set for non-map column ${column.name}`);
    const at = findKey(datum, parseAtomText(type.key, key, refOf(cmd)));
    type = { key: type.value, min: 1, max: 1 };
    if (at < 0) return operator === '!=' || operator === '{!=}' || operator === '{not-in}';
    datum = { keys: [datum.values![at]!] };
  }
  const asSet = operator.startsWith('{');
  const wanted = parseDatum(
    asSet ? { ...type, min: 0, max: Infinity } : { ...type, min: 0 },
    value,
    refOf(cmd),
  );
  return compare(operator.replace(/[{}]/g, ''), asSet, datum, wanted);
}

function compare(operator: string, asSet: boolean, a: Datum, b: Datum): boolean {
  const within = (x: Datum, y: Datum) =>
    x.keys.every((k, i) => {
      const at = findKey(y, k);
      return at >= 0 && (!x.values || x.values[i] === y.values?.[at]);
    });
  if (operator === 'in') return within(a, b);
  if (operator === 'not-in') return a.keys.every((k) => findKey(b, k) < 0);
  if (operator === '=')
    return asSet ? datumEquals(a, b) : a.values ? within(b, a) : datumEquals(a, b);
  if (operator === '!=')
    return asSet ? !datumEquals(a, b) : a.values ? !within(b, a) : !datumEquals(a, b);
  if (asSet) {
    const [small, big] = operator.startsWith('<') ? [a, b] : [b, a];
    return within(small, big) && (operator.endsWith('=') || small.keys.length < big.keys.length);
  }
  if (a.keys.length === 0 || b.keys.length === 0) return false;
  const order = compareAtoms(a.keys[0]!, b.keys[0]!);
  return { '<': order < 0, '<=': order <= 0, '>': order > 0, '>=': order >= 0 }[operator]!;
}

function shownColumns(cmd: Invocation, table: TableSchema): string[] {
  const option = cmd.value('columns');
  if (option === undefined) return ['_uuid', ...table.columnList.map((c) => c.name)];
  return option.split(/[, ]+/).map((c) => (c === '_uuid' ? c : findColumn(table, c).name));
}

function list(cmd: Invocation): void {
  const table = findTable(SCHEMA, cmd.args[0]!);
  const rows =
    cmd.args.length === 1
      ? cmd.store.all(table.name)
      : cmd.args
          .slice(1)
          .flatMap(
            (text) => findRecord(cmd.store, table, text, cmd.symbols, cmd.has('if-exists')) ?? [],
          );
  cmd.print(printTable(table, shownColumns(cmd, table), rows, cmd.display));
}

function find(cmd: Invocation): void {
  const table = findTable(SCHEMA, cmd.args[0]!);
  const rows = cmd.store
    .all(table.name)
    .filter((row) => cmd.args.slice(1).every((c) => meets(cmd, row, c)));
  cmd.print(printTable(table, shownColumns(cmd, table), rows, cmd.display));
}

function waitUntil(cmd: Invocation): void {
  const table = findTable(SCHEMA, cmd.args[0]!);
  const row = findRecord(cmd.store, table, cmd.args[1]!, cmd.symbols, true);
  if (!row || !cmd.args.slice(2).every((c) => meets(cmd, row, c))) throw new NotYet();
}

export const DB_COMMANDS: readonly Command[] = [
  { name: 'comment', usage: 'ARG...', min: 0, max: Infinity, wants: () => ({}), run: () => {} },
  {
    name: 'get',
    usage: 'TABLE RECORD [COLUMN[:KEY]]...',
    min: 2,
    max: Infinity,
    options: ['if-exists'],
    valueOptions: ['id'],
    wants: wholeTable,
    run: get,
  },
  {
    name: 'list',
    usage: 'TABLE [RECORD]...',
    min: 1,
    max: Infinity,
    options: ['if-exists'],
    valueOptions: ['columns'],
    wants: wholeTable,
    run: list,
  },
  {
    name: 'find',
    usage: 'TABLE [COLUMN[:KEY]=VALUE]...',
    min: 1,
    max: Infinity,
    valueOptions: ['columns'],
    wants: wholeTable,
    run: find,
  },
  {
    name: 'set',
    usage: 'TABLE RECORD COLUMN[:KEY]=VALUE...',
    min: 3,
    max: Infinity,
    options: ['if-exists'],
    wants: wholeTable,
    run: set,
  },
  {
    name: 'add',
    usage: 'TABLE RECORD COLUMN [KEY=]VALUE...',
    min: 4,
    max: Infinity,
    options: ['if-exists'],
    wants: wholeTable,
    run: add,
  },
  {
    name: 'remove',
    usage: 'TABLE RECORD COLUMN KEY|VALUE|KEY=VALUE...',
    min: 4,
    max: Infinity,
    options: ['if-exists'],
    wants: wholeTable,
    run: remove,
  },
  {
    name: 'clear',
    usage: 'TABLE RECORD COLUMN...',
    min: 3,
    max: Infinity,
    options: ['if-exists'],
    wants: wholeTable,
    run: clear,
  },
  {
    name: 'create',
    usage: 'TABLE COLUMN[:KEY]=VALUE...',
    min: 2,
    max: Infinity,
    valueOptions: ['id'],
    wants: wholeTable,
    run: create,
  },
  {
    name: 'destroy',
    usage: 'TABLE [RECORD]...',
    min: 1,
    max: Infinity,
    options: ['if-exists', 'all'],
    wants: wholeTable,
    run: destroy,
  },
  {
    name: 'wait-until',
    usage: 'TABLE RECORD [COLUMN[:KEY]=VALUE]...',
    min: 2,
    max: Infinity,
    wants: wholeTable,
    run: waitUntil,
  },
];
