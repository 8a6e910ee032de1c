/** What a command line reads of the database, and the changes that it makes to it. */
import { randomUUID } from 'node:crypto';
import {
  type ColumnSchema,
  type ColumnType,
  type DatabaseSchema,
  type Datum,
  datumEquals,
  decodeDatum,
  defaultDatum,
  encodeDatum,
  isArray,
  isObject,
  type Json,
  makeDatum,
  type TableSchema,
} from '@heddle/ovsdb';

export class StoredRow {
  readonly table: TableSchema;
  readonly uuid: string;
  readonly isNew: boolean;
  deleted = false;
  readonly original = new Map<string, Datum>();
  readonly values = new Map<string, Datum>();

  constructor(table: TableSchema, uuid: string, isNew: boolean) {
    this.table = table;
    this.uuid = uuid;
    this.isNew = isNew;
  }

  column(name: string): ColumnSchema {
    return this.table.columns.get(name)!;
  }

  get(name: string): Datum {
    return this.values.get(name) ?? defaultDatum(this.column(name).type);
  }

  set(name: string, datum: Datum): void {
    this.values.set(name, datum);
  }

  /** The only key of a scalar or optional column. */
  scalar(name: string): string | undefined {
    const atom = this.get(name).keys[0];
    return atom === undefined ? undefined : String(atom);
  }

  addKey(name: string, key: string): void {
    const { keys } = this.get(name);
    if (!keys.includes(key)) this.set(name, makeDatum([...keys, key]));
  }

  removeKey(name: string, key: string): void {
    this.set(name, makeDatum(this.get(name).keys.filter((k) => k !== key)));
  }

  mapValue(name: string, key: string): string | undefined {
    const datum = this.get(name);
    const at = datum.keys.indexOf(key);
    return at < 0 ? undefined : String(datum.values![at]);
  }
}

/** Columns wanted, by table. */
export type Wanted = Map<string, Set<string>>;

export class Store {
  readonly schema: DatabaseSchema;
  readonly rows = new Map<string, Map<string, StoredRow>>();

  constructor(schema: DatabaseSchema) {
    this.schema = schema;
    for (const name of schema.tables.keys()) this.rows.set(name, new Map());
  }

  /** The `select` operations that fetch what is wanted. */
  static selects(wanted: Wanted): Json[] {
    return [...wanted].map(([table, columns]) => ({
      op: 'select',
      table,
      where: [],
      columns: ['_uuid', ...columns],
    }));
  }

  load(wanted: Wanted, results: readonly Json[]): void {
    [...wanted.keys()].forEach((name, i) => {
      const result = results[i];
      const rows = isObject(result) && isArray(result['rows']) ? result['rows'] : [];
      const table = this.schema.tables.get(name)!;
      for (const json of rows) {
        if (!isObject(json) || !isArray(json['_uuid'])) continue;
        const row = new StoredRow(table, String(json['_uuid'][1]), false);
        for (const [column, value] of Object.entries(json)) {
          const schema = table.columns.get(column);
          if (!schema) continue;
          const datum = decodeDatum({ ...schema.type, min: 0, max: Infinity }, value, {
            lax: true,
          });
          row.original.set(column, datum);
          row.values.set(column, datum);
        }
        this.rows.get(name)!.set(row.uuid, row);
      }
    });
  }

  all(table: string): StoredRow[] {
    return [...this.rows.get(table)!.values()].filter((r) => !r.deleted);
  }

  get(table: string, uuid: string | undefined): StoredRow | undefined {
    const row = uuid === undefined ? undefined : this.rows.get(table)!.get(uuid);
    return row?.deleted ? undefined : row;
  }

  /** The rows that a column of references names. */
  refs(row: StoredRow, column: string): StoredRow[] {
    const { refTable } = row.column(column).type.key;
    return row.get(column).keys.flatMap((k) => this.get(refTable!, String(k)) ?? []);
  }

  insert(table: string): StoredRow {
    const row = new StoredRow(this.schema.tables.get(table)!, randomUUID(), true);
    this.rows.get(table)!.set(row.uuid, row);
    return row;
  }

  delete(row: StoredRow): void {
    row.deleted = true;
    if (row.isNew) this.rows.get(row.table.name)!.delete(row.uuid);
  }

  /** The operations that make the changes, guarded by what they were derived from. */
  operations(): { ops: Json[]; inserted: Map<number, StoredRow> } {
    const waits: Json[] = [];
    const ops: Json[] = [];
    const insertedAt: [number, StoredRow][] = [];
    for (const rows of this.rows.values()) {
      for (const row of rows.values()) {
        if (row.isNew) insertedAt.push([ops.push(this.#insertOp(row)) - 1, row]);
        else if (row.deleted) ops.push({ op: 'delete', table: row.table.name, where: where(row) });
        else this.#updateOps(row, waits, ops);
      }
    }
    return {
      ops: [...waits, ...ops],
      inserted: new Map(insertedAt.map(([at, row]) => [at + waits.length, row])),
    };
  }

  #insertOp(row: StoredRow): Json {
    const json: Record<string, Json> = {};
    for (const [name, datum] of row.values) {
      const { type } = row.column(name);
      if (!datumEquals(datum, defaultDatum(type))) json[name] = this.#encode(type, datum);
    }
    return { op: 'insert', table: row.table.name, row: json, 'uuid-name': rowName(row.uuid) };
  }

  #updateOps(row: StoredRow, waits: Json[], ops: Json[]): void {
    const changed = [...row.values].filter(
      ([name, now]) => !datumEquals(now, row.original.get(name)!),
    );
    if (changed.length === 0) return;
    const update: Record<string, Json> = {};
    for (const [name, now] of changed) {
      const before = row.original.get(name)!;
      const mutation = this.#mutation(row.column(name), before, now);
      if (mutation) {
        ops.push({ op: 'mutate', table: row.table.name, where: where(row), mutations: mutation });
        if (row.table.columns.has('name') && row.original.has('name'))
          waits.push(this.#wait(row, 'name'));
        continue;
      }
      waits.push(this.#wait(row, name));
      update[name] = this.#encode(row.column(name).type, now);
    }
    if (Object.keys(update).length > 0) {
      ops.push({ op: 'update', table: row.table.name, where: where(row), row: update });
    }
  }

  /** A big set that only grew or only shrank travels as its difference. */
  #mutation({ name, type }: ColumnSchema, before: Datum, now: Datum): Json | undefined {
    if (type.value || type.key.refTable === undefined || type.max === 1) return undefined;
    const old = new Set(before.keys);
    const fresh = new Set(now.keys);
    const added = now.keys.filter((k) => !old.has(k));
    const gone = before.keys.filter((k) => !fresh.has(k));
    if (added.length > 0 && gone.length > 0) return undefined;
    const loose = { ...type, min: 0 };
    return added.length > 0
      ? [[name, 'insert', this.#encode(loose, { keys: added })]]
      : [[name, 'delete', this.#encode(loose, { keys: gone })]];
  }

  #wait(row: StoredRow, column: string): Json {
    const { type } = row.column(column);
    const rows = [{ [column]: encodeDatum(type, row.original.get(column)!) }];
    const guard = { op: 'wait', table: row.table.name, where: where(row), timeout: 0 };
    return { ...guard, columns: [column], until: '==', rows };
  }

  /** References to rows that are inserted here go by name. */
  #encode(type: ColumnType, datum: Datum): Json {
    const isNew = (uuid: unknown, table: string | undefined) =>
      table !== undefined && this.rows.get(table)?.get(String(uuid))?.isNew === true;
    const atom = (base: ColumnType['key'], a: Datum['keys'][number]): Json => {
      if (base.type !== 'uuid') return a;
      return isNew(a, base.refTable) ? ['named-uuid', rowName(String(a))] : ['uuid', a];
    };
    const { key, value } = type;
    if (value)
      return ['map', datum.keys.map((k, i) => [atom(key, k), atom(value, datum.values![i]!)])];
    return ['set', datum.keys.map((k) => atom(key, k))];
  }
}

function where(row: StoredRow): Json {
  return [['_uuid', '==', ['uuid', row.uuid]]];
}

function rowName(uuid: string): string {
  return `row${uuid.replaceAll('-', '_')}`;
}
