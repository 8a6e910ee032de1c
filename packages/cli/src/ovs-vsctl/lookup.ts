/** Tables, columns and records by their names, which may be abbreviated. */
import { isUuid } from '@heddle/ovsdb/notation/index';
import type { ColumnSchema, TableSchema } from '@heddle/ovsdb/schema/schema';
import { VsctlError } from './errors.ts';
import { SCHEMA } from './schema.ts';
import type { Row, Store } from './store.ts';

const plain = (name: string) => name.toLowerCase().replaceAll('-', '_');

/** All that an abbreviation fits; one alone when it is the name itself. */
function matching<T extends { readonly name: string }>(all: Iterable<T>, text: string): T[] {
  const wanted = plain(text);
  const found: T[] = [];
  for (const one of all) {
    const name = plain(one.name);
    if (name === wanted) return [one];
    if (name.startsWith(wanted)) found.push(one);
  }
  return found;
}

const sorted = (all: readonly { readonly name: string }[]) =>
  all
    .map(({ name }) => name)
    .sort()
    .join(', ');

export function findTable(text: string): TableSchema {
  const found = matching(
    [...SCHEMA.tables].map(([name, t]) => ({ ...t, name })),
    text,
  );
  if (found.length > 1) {
    throw new VsctlError(`"${text}" matches multiple table names: ${sorted(found)}`);
  }
  const table = found[0] && SCHEMA.tables.get(found[0].name);
  if (!table) throw new VsctlError(`unknown table "${text}"`);
  return table;
}

export function findColumn(table: TableSchema, text: string): ColumnSchema {
  const found = text === '' ? [] : matching(table.columnList, text);
  if (found.length > 1) {
    throw new VsctlError(
      `${table.name} contains more than one column whose name matches "${text}": ${sorted(found)}`,
    );
  }
  if (found[0]) return found[0];
  throw new VsctlError(`${table.name} does not contain a column whose name matches "${text}"`);
}

/** How a record of a table may be named besides by its uuid. */
export interface RecordName {
  /** The table that has the name: the record's own, or one that refers to it by `ref`. */
  readonly table: string;
  readonly name: string;
  readonly ref?: string;
}

const own = (table: string, name = 'name'): RecordName => ({ table, name });
const via = (table: string, ref: string): RecordName => ({ table, name: 'name', ref });

export const RECORD_NAMES: Readonly<Record<string, RecordName>> = {
  AutoAttach: via('Bridge', 'auto_attach'),
  Bridge: own('Bridge'),
  Controller: via('Bridge', 'controller'),
  Flow_Sample_Collector_Set: own('Flow_Sample_Collector_Set', 'id'),
  Flow_Table: own('Flow_Table'),
  IPFIX: via('Bridge', 'ipfix'),
  Interface: own('Interface'),
  Manager: own('Manager', 'target'),
  Mirror: own('Mirror'),
  NetFlow: via('Bridge', 'netflow'),
  Port: own('Port'),
  QoS: via('Port', 'qos'),
  sFlow: via('Bridge', 'sflow'),
};

/** Tables that have one record at most: its name is `.`, as is that of any only record. */
export const SINGLETONS: readonly string[] = ['Open_vSwitch', 'SSL'];

/** undefined when there is none. */
export function findRecord(store: Store, table: TableSchema, text: string): Row | undefined {
  if (isUuid(text)) {
    const row = store.target(table.name, text.toLowerCase());
    if (row) return row;
  }
  if (text === '.') {
    const [only, ...more] = store.all(table.name);
    if (only && more.length === 0) return only;
  }
  return byName(store, table, text) ?? byAbbreviation(store, table, text);
}

/** As `findRecord`; none is an error unless `optional`. */
export function requireRecord(
  store: Store,
  table: TableSchema,
  text: string,
  optional = false,
): Row | undefined {
  const row = findRecord(store, table, text);
  if (row || optional) return row;
  throw new VsctlError(`no row "${text}" in table ${table.name}`);
}

function byName(store: Store, table: TableSchema, text: string): Row | undefined {
  const way = RECORD_NAMES[table.name];
  if (!way) return undefined;
  const named = store.all(way.table).filter((row) => row.scalar(way.name) === text);
  if (named.length > 1) {
    throw new VsctlError(`multiple rows in ${way.table} match "${text}"`);
  }
  const [row] = named;
  if (!row) return undefined;
  row.verify(way.name);
  if (way.ref === undefined) return row;
  row.verify(way.ref);
  const { keys } = row.get(way.ref);
  return keys.length === 1 ? store.get(table.name, String(keys[0])) : undefined;
}

/** At least four digits of a uuid, no other of which begins so. */
function byAbbreviation(store: Store, table: TableSchema, text: string): Row | undefined {
  if (text.length < 4 || text.length > 36 || !/^[0-9a-fA-F-]+$/.test(text)) return undefined;
  const start = text.toLowerCase();
  const found = store.all(table.name).filter(({ uuid }) => uuid.startsWith(start));
  if (found.length > 1) {
    const [a, b] = found.map(({ uuid }) => uuid);
    throw new VsctlError(
      `${table.name} contains 2 or more rows whose UUIDs begin with ${text}: at least ${a} and ${b}`,
    );
  }
  return found[0];
}
