/** `show`: the configuration as a tree. */
import { atomToText, type Datum, datumEquals, datumToText, defaultDatum } from '@heddle/ovsdb';
import type { Command, Invocation } from './command.ts';
import type { StoredRow } from './store.ts';

interface ShowTable {
  /** The column that names a row; its uuid when absent. */
  readonly name?: string;
  readonly columns: readonly string[];
}

const TREE: Readonly<Record<string, ShowTable>> = {
  Open_vSwitch: { columns: ['manager_options', 'bridges', 'ovs_version'] },
  Bridge: { name: 'name', columns: ['controller', 'fail_mode', 'datapath_type', 'ports'] },
  Port: { name: 'name', columns: ['tag', 'trunks', 'interfaces'] },
  Interface: { name: 'name', columns: ['type', 'options', 'error'] },
  Controller: { name: 'target', columns: ['is_connected'] },
  Manager: { name: 'target', columns: ['is_connected'] },
};

const wants: Command['wants'] = () =>
  Object.fromEntries(
    Object.entries(TREE).map(([table, { name, columns }]) => [
      table,
      name === undefined ? columns : [name, ...columns],
    ]),
  );

function showRow(cmd: Invocation, row: StoredRow, depth: number, shown: Set<string>): void {
  const tree = TREE[row.table.name]!;
  const indent = '    '.repeat(depth);
  if (tree.name === undefined) cmd.print(`${indent}${row.uuid}\n`);
  else {
    const { type } = row.column(tree.name);
    cmd.print(`${indent}${row.table.name} ${datumToText(type, row.get(tree.name))}\n`);
  }
  if (shown.has(row.uuid)) return;
  shown.add(row.uuid);
  for (const column of tree.columns) {
    const { type } = row.column(column);
    const { refTable } = type.key;
    if (refTable !== undefined) {
      for (const child of cmd.store.refs(row, column)) showRow(cmd, child, depth + 1, shown);
      continue;
    }
    const datum = row.get(column);
    if (datumEquals(datum, defaultDatum(type))) continue;
    cmd.print(`${indent}    ${column}: ${text(type, datum)}\n`);
  }
}

function text(type: Parameters<typeof datumToText>[0], datum: Datum): string {
  return type.value || datum.keys.length !== 1 || type.max > 1
    ? datumToText(type, datum)
    : atomToText(type.key.type, datum.keys[0]!);
}

export const SHOW: Command = {
  name: 'show',
  usage: '',
  min: 0,
  max: 0,
  wants,
  run(cmd) {
    for (const root of cmd.store.all('Open_vSwitch')) showRow(cmd, root, 0, new Set());
  },
};
