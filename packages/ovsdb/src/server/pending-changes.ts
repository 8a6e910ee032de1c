import type { Table } from '../engine/table.ts';
import type { RowChange } from '../engine/transaction.ts';

/**
 * Several commits as one: of each row its first state and its last. However many commits a client
 * is behind, this holds each row once.
 */
export class PendingChanges {
  readonly #tables = new Map<Table, Map<string, RowChange>>();

  add(changes: readonly RowChange[]): void {
    for (const change of changes) {
      let rows = this.#tables.get(change.table);
      if (!rows) {
        rows = new Map();
        this.#tables.set(change.table, rows);
      }
      const first = rows.get(change.uuid);
      const merged = first ? { ...change, old: first.old } : change;
      if (merged.old || merged.now) rows.set(change.uuid, merged);
      else rows.delete(change.uuid);
    }
  }

  changes(): RowChange[] {
    return [...this.#tables.values()].flatMap((rows) => [...rows.values()]);
  }
}
