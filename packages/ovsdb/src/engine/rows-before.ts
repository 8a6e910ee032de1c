import type { Row, Table } from './table.ts';
import type { RowChange } from './transaction.ts';

/** The rows of a table at some moment. */
export type RowsOf = (table: Table) => readonly Row[];

/** The rows that the tables had before changes that have been made to them, in order. */
export function rowsBefore(changes: readonly RowChange[]): RowsOf {
  const before = new Map<Table, Map<string, Row | undefined>>();
  for (const { table, uuid, old } of changes.toReversed()) {
    let rows = before.get(table);
    if (!rows) {
      rows = new Map();
      before.set(table, rows);
    }
    rows.set(uuid, old);
  }
  return (table) => {
    const was = before.get(table);
    const rows = [...table.rows.values()];
    if (!was) return rows;
    const unchanged = rows.filter((row) => !was.has(row.uuid));
    return [...unchanged, ...[...was.values()].filter((row) => row !== undefined)];
  };
}
