/** The transaction that makes the changes of a store (RFC 7047 section 5.2). */
import { type ColumnType, type Datum, encodeAtom, type Json } from '@heddle/ovsdb/notation/index';
import type { Row, Store } from './store.ts';

export interface Operations {
  readonly ops: Json[];
  /** Where the new rows are among them. */
  readonly inserted: ReadonlyMap<number, Row>;
}

/** No operations when nothing changes. What was verified is waited for first. */
export function operations(store: Store): Operations {
  const waits: Json[] = store.absent.map(({ table, name }) => absence(table, name));
  const ops: Json[] = [];
  const inserted = new Map<number, Row>();
  const encoder = new Encoder(store);
  for (const row of store.everything()) {
    for (const name of row.verified) waits.push(encoder.wait(row, name));
    // Other rows end with the last reference to them.
    if (row.deleted && row.table.isRoot) ops.push({ ...target(row), op: 'delete' });
    else if (row.isNew) inserted.set(ops.push(encoder.insert(row)) - 1, row);
    else if (!row.deleted) ops.push(...encoder.changes(row));
  }
  if (ops.length === 0) return { ops, inserted };
  const at = [...inserted].map(([i, row]) => [i + waits.length, row] as const);
  return { ops: [...waits, ...ops], inserted: new Map(at) };
}

function absence(table: string, name: string): Json {
  const where = [['name', '==', name]];
  return { op: 'wait', table, timeout: 0, where, columns: ['name'], until: '==', rows: [] };
}

function target(row: Row): { table: string; where: Json } {
  return { table: row.table.name, where: [['_uuid', '==', ['uuid', row.uuid]]] };
}

class Encoder {
  /** New rows whose uuid the server chooses. */
  readonly #named: ReadonlySet<string>;

  constructor(store: Store) {
    const rows = [...store.everything()].filter((row) => row.isNew && !row.fixedUuid);
    this.#named = new Set(rows.map(({ uuid }) => uuid));
  }

  wait(row: Row, name: string): Json {
    const { type } = row.column(name);
    const original = row.original.get(name);
    const rows = original ? [{ [name]: this.#datum(type, original) }] : [];
    return { ...target(row), op: 'wait', timeout: 0, columns: [name], until: '==', rows };
  }

  insert(row: Row): Json {
    const { uuid, table } = row;
    const name = row.fixedUuid ? { uuid } : { 'uuid-name': symbolicName(uuid) };
    return { op: 'insert', table: table.name, row: this.#written(row), ...name };
  }

  #written(row: Row): Json {
    return Object.fromEntries(
      [...row.written].map(([name, datum]) => [name, this.#datum(row.column(name).type, datum)]),
    );
  }

  changes(row: Row): Json[] {
    const out: Json[] = [];
    if (row.written.size > 0) out.push({ ...target(row), op: 'update', row: this.#written(row) });
    const mutations: Json[] = [];
    for (const [name, partial] of row.partial) {
      const { type } = row.column(name);
      if (partial.delete.length > 0) {
        mutations.push([name, 'delete', this.#set(type.key, partial.delete)]);
      }
      if (partial.insert.keys.length > 0) {
        const { keys } = partial.insert;
        const more = type.value ? this.#datum(type, partial.insert) : this.#set(type.key, keys);
        mutations.push([name, 'insert', more]);
      }
    }
    if (mutations.length > 0) out.push({ ...target(row), op: 'mutate', mutations });
    return out;
  }

  #datum({ key, value }: ColumnType, { keys, values }: Datum): Json {
    if (value) {
      return ['map', keys.map((k, i) => [this.#atom(key, k), this.#atom(value, values![i]!)])];
    }
    return keys.length === 1 ? this.#atom(key, keys[0]!) : this.#set(key, keys);
  }

  #set(type: ColumnType['key'], atoms: Datum['keys']): Json {
    return ['set', atoms.map((atom) => this.#atom(type, atom))];
  }

  /** References to rows that are inserted here go by name. */
  #atom({ type }: ColumnType['key'], atom: Datum['keys'][number]): Json {
    return type === 'uuid' && this.#named.has(String(atom))
      ? ['named-uuid', symbolicName(String(atom))]
      : encodeAtom(type, atom);
  }
}

function symbolicName(uuid: string): string {
  return `row${uuid.replaceAll('-', '_')}`;
}
