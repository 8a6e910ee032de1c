/**
 * A transaction over the tables: changes lie in an overlay until `commit` has found that the whole
 * keeps the schema's promises (RFC 7047 sections 3.2 and 4.1.3).
 */
import {
  type Atom,
  type Datum,
  datumEquals,
  datumToText,
  makeDatum,
  OvsdbError,
  ZERO_UUID,
} from '../notation/index.ts';
import type { ColumnSchema } from '../schema/schema.ts';
import { applyReferences, forEachReferenceChange } from './references.ts';
import { forEachReference, Row, type Table, type Tables } from './table.ts';
import type { UniqueIndex } from './table-index.ts';

/** What became of one row; `old` is absent for a new one, `now` for a deleted one. */
export interface RowChange {
  readonly table: Table;
  readonly uuid: string;
  readonly old: Row | undefined;
  readonly now: Row | undefined;
}

/** A row that this transaction has changed, in `old` as the tables have it. */
interface Changed extends RowChange {
  now: Row | undefined;
}

/** New values of columns; each column at most once. */
export type Assignments = readonly (readonly [ColumnSchema, Datum])[];

export class Transaction {
  readonly tables: Tables;
  /** By table and uuid. */
  readonly #overlay = new Map<Table, Map<string, Changed>>();
  /** What `#changes` has found, until something else changes. */
  #found: RowChange[] | undefined;

  constructor(tables: Tables) {
    this.tables = tables;
  }

  get(table: Table, uuid: string): Row | undefined {
    const changed = this.#overlay.get(table)?.get(uuid);
    return changed ? changed.now : table.rows.get(uuid);
  }

  *rows(table: Table): Generator<Row> {
    const changed = this.#overlay.get(table);
    if (!changed) {
      yield* table.rows.values();
      return;
    }
    for (const row of table.rows.values()) {
      const change = changed.get(row.uuid);
      if (!change) yield row;
      else if (change.now) yield change.now;
    }
    for (const { old, now } of changed.values()) if (now && !old) yield now;
  }

  /** Rows of this transaction's overlay: the ones that the tables' indexes do not know. */
  changedRows(table: Table): Iterable<RowChange> {
    return this.#overlay.get(table)?.values() ?? [];
  }

  isChanged(table: Table, uuid: string): boolean {
    return this.#overlay.get(table)?.has(uuid) ?? false;
  }

  put(table: Table, row: Row): void {
    this.#put(table, row.uuid, row, undefined);
  }

  /** As `put`, of a row whose uuid the table does not have. */
  insert(table: Table, row: Row): void {
    this.#found = undefined;
    this.#of(table).set(row.uuid, { table, uuid: row.uuid, old: undefined, now: row });
  }

  remove(table: Table, uuid: string): void {
    const rows = this.#overlay.get(table);
    const changed = rows?.get(uuid);
    if (changed && !changed.old) {
      this.#found = undefined;
      rows!.delete(uuid);
    } else if (changed || table.rows.has(uuid)) this.#put(table, uuid, undefined, undefined);
  }

  /** Replaces columns of a row of this transaction, which gets a new version if any of them differs. */
  modify(table: Table, row: Row, changes: Assignments): Row {
    let data: Datum[] | undefined;
    for (const [column, datum] of changes) {
      if (datumEquals(row.data[column.index]!, datum)) continue;
      data ??= row.data.slice();
      data[column.index] = table.share(column, datum);
    }
    if (!data) return row;
    const now = new Row(row.uuid, data);
    this.#put(table, row.uuid, now, row);
    return now;
  }

  /**
   * Collects garbage, drops dangling weak references, checks every constraint and returns the
   * changes; throws OvsdbError. The tables are untouched until `apply`.
   */
  prepare(): RowChange[] {
    this.#collectGarbage(this.#changes());
    this.#dropDanglingWeak(this.#changes());
    const changes = this.#changes();
    this.#checkIndexes();
    this.#checkMaxRows();
    return changes;
  }

  /** `old`: what the table has there unless it has been changed; looked up when not given. */
  #put(table: Table, uuid: string, now: Row | undefined, old: Row | undefined): void {
    this.#found = undefined;
    const rows = this.#of(table);
    const changed = rows.get(uuid);
    if (changed) changed.now = now;
    else rows.set(uuid, { table, uuid, old: old ?? table.rows.get(uuid), now });
  }

  #of(table: Table): Map<string, Changed> {
    let changed = this.#overlay.get(table);
    if (!changed) {
      changed = new Map();
      this.#overlay.set(table, changed);
    }
    return changed;
  }

  #changes(): RowChange[] {
    this.#found ??= this.#findChanges();
    return this.#found;
  }

  #findChanges(): RowChange[] {
    const out: RowChange[] = [];
    for (const changed of this.#overlay.values()) {
      for (const change of changed.values()) {
        const { old, now } = change;
        if (old !== now && !sameData(old, now)) out.push(change);
      }
    }
    return out;
  }

  /** Strong references: a missing target is an error, a target that nothing needs goes. */
  #collectGarbage(changes: readonly RowChange[]): void {
    const counts = new Map<Table, Map<string, number>>();
    const queue: [Table, string][] = [];
    const count = (change: RowChange) =>
      forEachReferenceChange(change, 'strong', (name, uuid, sign) => {
        // A row does not keep itself alive; as upstream has it, nor one that has the same uuid.
        if (uuid === change.uuid) return;
        const target = this.tables.get(name);
        let byUuid = counts.get(target);
        if (!byUuid) {
          byUuid = new Map();
          counts.set(target, byUuid);
        }
        const n = (byUuid.get(uuid) ?? target.strong.get(uuid) ?? 0) + sign;
        byUuid.set(uuid, n);
        if (n === 0) queue.push([target, uuid]);
      });
    for (const change of changes) {
      count(change);
      const { table, uuid, old, now } = change;
      if (now && !old && !table.schema.isRoot) queue.push([table, uuid]);
    }
    this.#checkStrong(counts);
    while (queue.length > 0) {
      const [table, uuid] = queue.pop()!;
      const n = counts.get(table)?.get(uuid) ?? table.strong.get(uuid) ?? 0;
      const row = this.get(table, uuid);
      if (n > 0 || !row || table.schema.isRoot) continue;
      this.remove(table, uuid);
      count({ table, uuid, old: row, now: undefined });
    }
  }

  #checkStrong(counts: ReadonlyMap<Table, ReadonlyMap<string, number>>): void {
    for (const [table, byUuid] of counts) {
      for (const [uuid, n] of byUuid) {
        if (n > 0 && !this.get(table, uuid) && !table.rows.has(uuid)) {
          throw this.#missingTarget(table, uuid);
        }
      }
    }
    for (const [table, changed] of this.#overlay) {
      for (const { uuid, now } of changed.values()) {
        if (now) continue;
        const n = counts.get(table)?.get(uuid) ?? table.strong.get(uuid) ?? 0;
        if (n > 0) {
          throw new OvsdbError(
            'referential integrity violation',
            `cannot delete ${table.schema.name} row ${uuid} because of ${n} remaining reference(s)`,
          );
        }
      }
    }
  }

  #missingTarget(target: Table, uuid: string): OvsdbError {
    for (const { table, now } of this.#changes()) {
      for (const column of now ? table.strongColumns : []) {
        let found = false;
        forEachReference(column, now!.data[column.index]!, 'strong', (name, to) => {
          if (to === uuid && name === target.schema.name) found = true;
        });
        if (found) {
          return new OvsdbError(
            'referential integrity violation',
            `Table ${table.schema.name} column ${column.name} row ${now!.uuid} references ` +
              `nonexistent row ${uuid} in table ${target.schema.name}.`,
          );
        }
      }
    }
    return new OvsdbError(
      'referential integrity violation',
      `cannot delete ${target.schema.name} row ${uuid} because of remaining reference(s)`,
    );
  }

  /** Weak references to rows that are not there vanish, if the column's size allows it. */
  #dropDanglingWeak(changes: readonly RowChange[]): void {
    const sources = new Map<Row, Table>();
    for (const change of changes) {
      const { table, old, now } = change;
      if (now && this.#addsDangling(change)) sources.set(now, table);
      if (now || !old) continue;
      for (const source of table.weakSources(old.uuid)) {
        const row = this.get(source.table, source.uuid);
        if (row) sources.set(row, source.table);
      }
    }
    for (const [row, table] of sources) this.#dropFrom(table, row);
  }

  #addsDangling(change: RowChange): boolean {
    let dangling = false;
    forEachReferenceChange(change, 'weak', (name, uuid, sign) => {
      if (sign > 0 && !this.get(this.tables.get(name), uuid)) dangling = true;
    });
    return dangling;
  }

  #dropFrom(table: Table, row: Row): void {
    const changes: [ColumnSchema, Datum][] = [];
    for (const column of table.weakColumns) {
      const { key, value } = column.type;
      const datum = row.data[column.index]!;
      const there = (base: typeof key | undefined, atom: Atom | undefined) =>
        base?.refType !== 'weak' ||
        atom === undefined ||
        this.get(this.tables.get(base.refTable!), atom as string) !== undefined;
      const keep = datum.keys.map((k, i) => there(key, k) && there(value, datum.values?.[i]));
      if (keep.every(Boolean)) continue;
      const left = datum.values
        ? makeDatum(
            datum.keys.filter((_, i) => keep[i]),
            datum.values.filter((_, i) => keep[i]),
          )
        : makeDatum(datum.keys.filter((_, i) => keep[i]));
      if (left.keys.length < column.type.min) throw this.#emptied(table, row, column, keep);
      changes.push([column, left]);
    }
    if (changes.length > 0) this.modify(table, row, changes);
  }

  /** A weak column lost all of its references but may not be empty. */
  #emptied(table: Table, row: Row, column: ColumnSchema, keep: readonly boolean[]): OvsdbError {
    const datum = row.data[column.index]!;
    const inserted = table.rows.has(row.uuid) ? '' : ' (inserted within this transaction)';
    const where = `column "${column.name}" in "${table.schema.name}" row ${row.uuid}${inserted}`;
    const zero = datum.keys.includes(ZERO_UUID) || datum.values?.includes(ZERO_UUID);
    return new OvsdbError(
      'constraint violation',
      zero
        ? `Weak reference ${where} contained all-zeros UUID (probably as the default value for this column) but deleting this value caused a constraint volation because this column is not allowed to be empty.`
        : `Deletion of ${keep.filter((k) => !k).length} weak reference(s) to deleted (or never-existing) rows from ${where} caused this column to become empty, but constraints on this column disallow an empty column.`,
    );
  }

  #checkIndexes(): void {
    for (const [table, changed] of this.#overlay) {
      for (let i = 0; i < table.indexes.length; i++) this.#checkIndex(table, i, changed);
    }
  }

  #checkIndex(table: Table, i: number, changed: ReadonlyMap<string, Changed>): void {
    const index = table.indexes[i]!;
    const mine = changed.size > 1 ? new Map<Atom, Row>() : undefined;
    for (const { old, now } of changed.values()) {
      if (!now) continue;
      if (!mine && old && index.same(old, now)) continue;
      const key = index.keyOf(now);
      const other = mine?.get(key) ?? unchangedAt(table, index, key, changed);
      if (other) throw indexViolation(table, i, now, other);
      mine?.set(key, now);
    }
  }

  #checkMaxRows(): void {
    for (const [table, changed] of this.#overlay) {
      const { maxRows, name } = table.schema;
      if (maxRows === Infinity) continue;
      let n = table.rows.size;
      for (const { old, now } of changed.values()) n += (now ? 1 : 0) - (old ? 1 : 0);
      if (n > maxRows) {
        throw new OvsdbError(
          'constraint violation',
          `transaction causes "${name}" table to contain ${n} rows, greater than the schema-defined limit of ${maxRows} row(s)`,
        );
      }
    }
  }
}

/** The row of the tables that an index finds, unless this transaction has changed it. */
function unchangedAt(
  table: Table,
  index: UniqueIndex,
  key: Atom,
  changed: ReadonlyMap<string, unknown>,
): Row | undefined {
  const uuid = index.get(key);
  return uuid === undefined || changed.has(uuid) ? undefined : table.rows.get(uuid);
}

/** `row` is of this transaction; `other` is too, and came first, or has been there before. */
function indexViolation(table: Table, i: number, row: Row, other: Row): OvsdbError {
  const columns = table.schema.indexes[i]!;
  const values = (r: Row) => english(columns.map((c) => datumToText(c.type, r.data[c.index]!)));
  const history = (r: Row) => {
    const before = table.rows.get(r.uuid);
    if (before === r) {
      return 'existed in the database before this transaction and was not modified by the transaction';
    }
    return before
      ? `had the following index values before the transaction: ${values(before)}`
      : 'was inserted by this transaction';
  };
  const [first, second] = table.rows.get(other.uuid) === other ? [row, other] : [other, row];
  return new OvsdbError(
    'constraint violation',
    `Transaction causes multiple rows in "${table.schema.name}" table to have identical values ` +
      `(${values(row)}) for index on column${columns.length > 1 ? 's' : ''} ` +
      `${english(columns.map((c) => `"${c.name}"`))}.  ` +
      `First row, with UUID ${first.uuid}, ${history(first)}.  ` +
      `Second row, with UUID ${second.uuid}, ${history(second)}.`,
  );
}

/** `a`, `a and b`, `a, b, and c`. */
function english(words: readonly string[]): string {
  if (words.length < 3) return words.join(' and ');
  return `${words.slice(0, -1).join(', ')}, and ${words.at(-1)}`;
}

function sameData(old: Row | undefined, now: Row | undefined): boolean {
  if (!old || !now) return false;
  for (let i = 0; i < now.data.length; i++) {
    const [before, after] = [old.data[i]!, now.data[i]!];
    if (before !== after && !datumEquals(before, after)) return false;
  }
  return true;
}

/** Makes the changes real in the tables, their indexes and their reference counts. */
export function applyChanges(tables: Tables, changes: readonly RowChange[]): void {
  for (const { table, uuid, old, now } of changes) {
    for (const index of table.indexes) if (old && !(now && index.same(old, now))) index.remove(old);
    if (now) table.rows.set(uuid, now);
    else table.rows.delete(uuid);
    table.columnIndexes.replace(old, now);
  }
  for (const change of changes) {
    const { table, old, now } = change;
    for (const index of table.indexes) if (now && !(old && index.same(old, now))) index.add(now);
    applyReferences(tables, change);
  }
}
