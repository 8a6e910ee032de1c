/** The database commands about whole records (ovs-vsctl(8), "Database Commands"). */
import { atomToText, datumToText, findKey, isUuid } from '@heddle/ovsdb/notation/index';
import type { TableSchema } from '@heddle/ovsdb/schema/schema';
import type { Cell } from '../../table/table.ts';
import { type Command, type Invocation, NotYet, type Preparation } from '../command.ts';
import { VsctlError } from '../errors.ts';
import { findColumn, findRecord, findTable, requireRecord } from '../lookup.ts';
import { columnWord, parsePath } from '../setting.ts';
import type { Row } from '../store.ts';
import { parseAtom } from '../value.ts';
import { meets } from './condition.ts';
import { prepareColumns, prepareTable, record, setColumn } from './set.ts';

const UUID = '_uuid';
const UUID_TYPE = { key: { type: 'uuid' }, min: 1, max: 1 } as const;

function get(cmd: Invocation): void {
  const id = cmd.options.get('id');
  if (id !== undefined && cmd.has('if-exists')) {
    throw new VsctlError('--if-exists and --id may not be specified together');
  }
  const table = findTable(cmd.args[0]!);
  const row = record(cmd, table);
  if (!row) return;
  if (id !== undefined) cmd.symbols.define(id, row.uuid);
  for (const text of cmd.args.slice(2)) {
    if (text === UUID) cmd.print(`${row.uuid}\n`);
    else printColumn(cmd, row, text);
  }
}

function printColumn(cmd: Invocation, row: Row, text: string): void {
  const { column, key } = parsePath(row.table, text);
  const { name, type } = column;
  row.verify(name);
  const datum = row.get(name);
  if (key === undefined) {
    cmd.print(`${datumToText(type, datum)}\n`);
    return;
  }
  if (!type.value) throw new VsctlError(`cannot specify key to get for non-map column ${name}`);
  const at = findKey(datum, parseAtom(type.key, key, cmd.symbols.refer));
  if (at >= 0) cmd.print(`${atomToText(type.value.type, datum.values![at]!)}\n`);
  else if (cmd.has('if-exists')) cmd.print('\n');
  else {
    const where = `${row.table.name} record "${cmd.args[1]}" column ${name}`;
    throw new VsctlError(`no key "${key}" in ${where}`);
  }
}

/** The columns of --columns, or all. */
function shownColumns(options: ReadonlyMap<string, string>, table: TableSchema): string[] {
  const option = options.get('columns');
  if (option === undefined) return [UUID, ...table.columnList.map((c) => c.name)];
  const words = option.split(/[, ]+/).filter((w) => w !== '');
  if (words.length === 0) throw new VsctlError('must specify at least one column name');
  return words.map((word) => (word === UUID ? UUID : findColumn(table, word).name));
}

function prepareShown(preparation: Preparation): TableSchema {
  const table = prepareTable(preparation);
  const shown = shownColumns(preparation.options, table);
  preparation.want(
    table.name,
    shown.filter((name) => name !== UUID),
  );
  return table;
}

function printRows(cmd: Invocation, table: TableSchema, rows: readonly Row[]): void {
  const named = cmd.options.has('columns');
  // Without --columns, what the server's version of the table does not have is not shown.
  const headings = shownColumns(cmd.options, table).filter(
    (name) => named || !cmd.store.isLacking(table.name, name),
  );
  const cell = (row: Row, name: string): Cell =>
    name === UUID
      ? { kind: 'datum', type: UUID_TYPE, datum: { keys: [row.uuid] } }
      : { kind: 'datum', type: row.column(name).type, datum: row.get(name) };
  cmd.printTable({ headings, rows: rows.map((row) => headings.map((name) => cell(row, name))) });
}

function list(cmd: Invocation): void {
  const table = findTable(cmd.args[0]!);
  const names = cmd.args.slice(1);
  const optional = cmd.has('if-exists');
  const rows =
    names.length === 0
      ? cmd.store.all(table.name)
      : names.flatMap((text) => requireRecord(cmd.store, table, text, optional) ?? []);
  printRows(cmd, table, rows);
}

function find(cmd: Invocation): void {
  const table = findTable(cmd.args[0]!);
  const rows = cmd.store.all(table.name).filter((row) => meets(cmd, row, cmd.args.slice(1)));
  printRows(cmd, table, rows);
}

function create(cmd: Invocation): void {
  const table = findTable(cmd.args[0]!);
  const id = cmd.options.get('id');
  const row = newRow(cmd, table, id);
  for (const text of cmd.args.slice(1)) setColumn(cmd, row, text);
  cmd.print(`${row.uuid}\n`);
  cmd.created(row);
}

function newRow({ store, symbols }: Invocation, table: TableSchema, id: string | undefined): Row {
  if (id === undefined) return store.insert(table.name);
  if (isUuid(id)) return store.insert(table.name, id.toLowerCase(), true);
  return store.insert(table.name, symbols.create(id, table.isRoot));
}

function destroy(cmd: Invocation): void {
  const table = findTable(cmd.args[0]!);
  const names = cmd.args.slice(1);
  const all = cmd.has('all');
  if (all && names.length > 0) {
    throw new VsctlError('--all and records argument should not be specified together');
  }
  if (all && cmd.has('if-exists')) {
    throw new VsctlError('--all and --if-exists should not be specified together');
  }
  if (!all && names.length === 0) {
    cmd.warn('db_ctl_base', 'either --all or records argument should be specified');
  }
  for (const row of all ? cmd.store.all(table.name) : []) cmd.store.delete(row);
  for (const text of names) {
    const row = requireRecord(cmd.store, table, text, cmd.has('if-exists'));
    if (row) cmd.store.delete(row);
  }
}

function waitUntil(cmd: Invocation): void {
  const table = findTable(cmd.args[0]!);
  const row = findRecord(cmd.store, table, cmd.args[1]!);
  if (!row || !meets(cmd, row, cmd.args.slice(2))) throw new NotYet();
}

export const RECORD_COMMANDS: readonly Command[] = [
  { name: 'comment', args: '*ARG', writes: false, prepare: () => {}, run: () => {} },
  {
    name: 'get',
    args: '!TABLE !RECORD *COLUMN?:KEY',
    options: ['if-exists', 'id='],
    writes: false,
    prepare(preparation) {
      const table = prepareTable(preparation);
      const words = preparation.args.slice(2).filter((word) => word !== UUID);
      prepareColumns(preparation, table, words.map(columnWord));
    },
    run: get,
  },
  {
    name: 'list',
    args: '!TABLE *RECORD',
    options: ['if-exists', 'columns='],
    writes: false,
    prepare: prepareShown,
    run: list,
  },
  {
    name: 'find',
    args: '!TABLE *COLUMN?:KEY=VALUE',
    options: ['columns='],
    writes: false,
    prepare(preparation) {
      const table = prepareShown(preparation);
      prepareColumns(preparation, table, preparation.args.slice(1).map(columnWord));
    },
    run: find,
  },
  {
    name: 'create',
    args: '!TABLE +COLUMN?:KEY=VALUE',
    options: ['id='],
    writes: true,
    prepare(preparation) {
      const table = prepareTable(preparation);
      if (!preparation.options.has('id') && !table.isRoot) {
        preparation.warn(
          'db_ctl_base',
          `applying "create" command to table ${table.name} without --id option will have no effect`,
        );
      }
    },
    run: create,
  },
  {
    name: 'destroy',
    args: '!TABLE *RECORD',
    options: ['if-exists', 'all'],
    writes: true,
    prepare: prepareTable,
    run: destroy,
  },
  {
    name: 'wait-until',
    args: '!TABLE !RECORD *COLUMN?:KEY=VALUE',
    writes: false,
    prepare(preparation) {
      const table = prepareTable(preparation);
      prepareColumns(preparation, table, preparation.args.slice(2).map(columnWord));
    },
    run: waitUntil,
  },
];
