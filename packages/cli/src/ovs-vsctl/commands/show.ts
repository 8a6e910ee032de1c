/** `show`: the configuration as a tree. */
import { datumEquals, datumToText, defaultDatum } from '@heddle/ovsdb/notation/index';
import type { Command, Invocation } from '../command.ts';
import type { Row } from '../store.ts';

interface ShownTable {
  /** The column that names a row; its uuid when absent. */
  readonly name?: string;
  readonly columns: readonly string[];
}

const TREE: Readonly<Record<string, ShownTable>> = {
  Open_vSwitch: { columns: ['manager_options', 'bridges', 'ovs_version'] },
  Bridge: { name: 'name', columns: ['controller', 'fail_mode', 'datapath_type', 'ports'] },
  Port: { name: 'name', columns: ['tag', 'trunks', 'interfaces'] },
  Interface: { name: 'name', columns: ['type', 'options', 'error'] },
  Controller: { name: 'target', columns: ['is_connected'] },
  Manager: { name: 'target', columns: ['is_connected'] },
};

function showRow(cmd: Invocation, row: Row, depth: number, shown: Set<Row>): void {
  const tree = TREE[row.table.name]!;
  const indent = '    '.repeat(depth);
  if (tree.name === undefined) cmd.print(`${indent}${row.uuid}\n`);
  else {
    const { type } = row.column(tree.name);
    cmd.print(`${indent}${row.table.name} ${datumToText(type, row.get(tree.name))}\n`);
  }
  if (shown.has(row)) return;
  shown.add(row);
  for (const column of tree.columns) {
    const { type } = row.column(column);
    if (type.key.refTable !== undefined) {
      for (const child of cmd.store.refs(row, column)) showRow(cmd, child, depth + 1, shown);
      continue;
    }
    const datum = row.get(column);
    if (datumEquals(datum, defaultDatum(type))) continue;
    cmd.print(`${indent}    ${column}: ${datumToText(type, datum)}\n`);
  }
  shown.delete(row);
}

export const SHOW: Command = {
  name: 'show',
  args: '',
  writes: false,
  prepare({ want }) {
    for (const [table, { name, columns }] of Object.entries(TREE)) {
      want(table, name === undefined ? columns : [name, ...columns]);
    }
  },
  run(cmd) {
    for (const root of cmd.store.all('Open_vSwitch')) showRow(cmd, root, 0, new Set());
  },
};
