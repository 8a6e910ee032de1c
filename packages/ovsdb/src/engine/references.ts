/** References between rows: counted when strong, known by their sources when weak. */
import {
  compareAtoms,
  type Datum,
  datumSize,
  EMPTY_SET,
  findKey,
  forEachDifference,
} from '../notation/index.ts';
import type { ColumnSchema } from '../schema/schema.ts';
import type { Row, Table, Tables } from './table.ts';
import type { RowChange } from './transaction.ts';

/**
 * Calls back for each reference that a change of a row makes (+1) or unmakes (-1). What has not
 * changed costs nothing: a bridge may have thousands of ports, of which one is new.
 */
export function forEachReferenceChange(
  { table, old, now }: RowChange,
  kind: 'strong' | 'weak',
  callback: (table: string, uuid: string, sign: 1 | -1) => void,
): void {
  for (const column of kind === 'strong' ? table.strongColumns : table.weakColumns) {
    const before = old?.data[column.index] ?? EMPTY_SET;
    const after = now?.data[column.index] ?? EMPTY_SET;
    if (before === after || (datumSize(before) === 0 && datumSize(after) === 0)) continue;
    const { key, value } = column.type;
    if (key.refTable !== undefined && key.refType === kind) {
      report(key.refTable, before, after, callback);
    }
    if (value?.refTable !== undefined && value.refType === kind) {
      report(value.refTable, inOrder(before), inOrder(after), callback);
    }
  }
}

function report(
  to: string,
  before: Datum,
  after: Datum,
  callback: (table: string, uuid: string, sign: 1 | -1) => void,
): void {
  forEachDifference(
    before,
    after,
    (atom) => callback(to, atom as string, -1),
    (atom) => callback(to, atom as string, 1),
  );
}

/** The values of a map as a set would have them, except that one may be there several times. */
function inOrder({ values }: Datum): Datum {
  return values ? { keys: values.toSorted(compareAtoms) } : EMPTY_SET;
}

/** Keeps the tables' counts and sources when a change becomes real. */
export function applyReferences(tables: Tables, change: RowChange): void {
  const { table, uuid, now } = change;
  forEachReferenceChange(change, 'strong', (name, to, sign) => {
    if (to === uuid) return;
    const { strong } = tables.get(name);
    const n = (strong.get(to) ?? 0) + sign;
    if (n === 0) strong.delete(to);
    else strong.set(to, n);
  });
  forEachReferenceChange(change, 'weak', (name, to, sign) => {
    const target = tables.get(name);
    if (sign > 0) target.addWeakSource(to, { table, uuid });
    else if (!now || !refersWeakly(table, now, name, to)) target.removeWeakSource(to, uuid);
  });
}

/** Whether a row refers to another through any column. */
function refersWeakly(table: Table, row: Row, to: string, uuid: string): boolean {
  const weak = (base: ColumnSchema['type']['key'] | undefined) =>
    base?.refTable === to && base.refType === 'weak';
  return table.weakColumns.some((column) => {
    const datum = row.data[column.index]!;
    if (weak(column.type.key) && findKey(datum, uuid) >= 0) return true;
    return weak(column.type.value) && datum.values!.includes(uuid);
  });
}
