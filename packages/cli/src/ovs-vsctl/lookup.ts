/** Tables, columns and records by their names, which may be abbreviated. */
import type { ColumnSchema, DatabaseSchema, TableSchema } from '@heddle/ovsdb';
import { isUuid } from '@heddle/ovsdb';
import type { Wants } from './command.ts';
import { VsctlError } from './errors.ts';
import type { Store, StoredRow } from './store.ts';

const plain = (name: string) => name.toLowerCase().replaceAll('-', '_');

function best<T>(names: Iterable<[string, T]>, text: string): T | 'none' | 'many' {
  const wanted = plain(text);
  const found: T[] = [];
  for (const [name, value] of names) {
    if (plain(name) === wanted) return value;
    if (plain(name).startsWith(wanted)) found.push(value);
  }
  return found.length === 1 ? found[0]! : found.length === 0 ? 'none' : 'many';
}

export function findTable(schema: DatabaseSchema, text: string): TableSchema {
  const table = best(schema.tables, text);
  if (table === 'none') throw new VsctlError(`unknown table "${text}"`);
  if (table === 'many') throw new VsctlError(`multiple table names match "${text}"`);
  return table;
}

export function findColumn(table: TableSchema, text: string): ColumnSchema {
  const column = best(table.columns, text);
  if (column === 'none') {
    throw new VsctlError(`${table.name} does not contain a column whose name matches "${text}"`);
  }
  if (column === 'many') {
    throw new VsctlError(
      `${table.name} contains more than one column whose name matches "${text}"`,
    );
  }
  return column;
}

/** How a record of a table may be named besides by its uuid. */
interface RecordName {
  /** A column of the table itself, or of another one that refers to it. */
  readonly table: string;
  readonly name: string;
  readonly ref?: string;
}

const NAMES: Readonly<Record<string, readonly RecordName[]>> = {
  Bridge: [{ table: 'Bridge', name: 'name' }],
  Port: [{ table: 'Port', name: 'name' }],
  Interface: [{ table: 'Interface', name: 'name' }],
  Mirror: [{ table: 'Mirror', name: 'name' }],
  Manager: [{ table: 'Manager', name: 'target' }],
  Controller: [{ table: 'Bridge', name: 'name', ref: 'controller' }],
  NetFlow: [{ table: 'Bridge', name: 'name', ref: 'netflow' }],
  sFlow: [{ table: 'Bridge', name: 'name', ref: 'sflow' }],
  IPFIX: [{ table: 'Bridge', name: 'name', ref: 'ipfix' }],
  AutoAttach: [{ table: 'Bridge', name: 'name', ref: 'auto_attach' }],
  QoS: [{ table: 'Port', name: 'name', ref: 'qos' }],
  CT_Zone: [],
};

export function recordWants(table: TableSchema): Wants {
  const out: Record<string, string[]> = {};
  for (const { table: from, name, ref } of NAMES[table.name] ?? []) {
    out[from] = [...(out[from] ?? []), name, ...(ref ? [ref] : [])];
  }
  return out;
}

/** undefined when there is none and that is allowed. */
export function findRecord(
  store: Store,
  table: TableSchema,
  text: string,
  symbols: ReadonlyMap<string, StoredRow>,
  optional = false,
): StoredRow | undefined {
  if (text.startsWith('@')) {
    const row = symbols.get(text);
    if (row) return row;
  }
  if (isUuid(text)) {
    const row = store.get(table.name, text.toLowerCase());
    if (row) return row;
  }
  if (table.name === 'Open_vSwitch' && text === '.') return store.all('Open_vSwitch')[0];
  if (table.name === 'SSL' && text === '.') return store.all('SSL')[0];
  const found = byName(store, table, text);
  if (found.length > 1) throw new VsctlError(`multiple rows in ${table.name} match "${text}"`);
  if (found[0]) return found[0];
  if (/^[0-9a-f]{4,}[0-9a-f-]*$/i.test(text)) {
    const rows = store.all(table.name).filter((r) => r.uuid.startsWith(text.toLowerCase()));
    if (rows.length === 1) return rows[0];
  }
  if (optional) return undefined;
  throw new VsctlError(`no row "${text}" in table ${table.name}`);
}

function byName(store: Store, table: TableSchema, text: string): StoredRow[] {
  const out: StoredRow[] = [];
  for (const { table: from, name, ref } of NAMES[table.name] ?? []) {
    for (const row of store.all(from)) {
      if (row.scalar(name) !== text) continue;
      if (ref === undefined) out.push(row);
      else if (row.get(ref).keys.length === 1) out.push(...store.refs(row, ref));
    }
  }
  return out;
}
