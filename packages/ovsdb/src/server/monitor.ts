/**
 * Monitors: RFC 7047 section 4.1.5 (`monitor`, version 1) and ovsdb-server(7) (`monitor_cond`,
 * version 2; `monitor_cond_since`, version 3).
 */
import {
  type Clause,
  columnOf,
  columnValue,
  holds,
  parseClause,
  UUID_COLUMN,
  VERSION_COLUMN,
} from '../engine/condition.ts';
import { rowToJson } from '../engine/execute.ts';
import type { Row, Table, Tables } from '../engine/table.ts';
import type { RowChange } from '../engine/transaction.ts';
import {
  datumEquals,
  defaultDatum,
  diffDatum,
  encodeDatum,
  isArray,
  isObject,
  type Json,
  type JsonObject,
  OvsdbError,
  printSortedJson,
} from '../notation/index.ts';
import type { ColumnSchema } from '../schema/schema.ts';

export type MonitorVersion = 1 | 2 | 3;
type Select = 'initial' | 'insert' | 'delete' | 'modify';
const SELECTS: readonly Select[] = ['initial', 'insert', 'delete', 'modify'];

interface MonitoredColumn {
  readonly column: ColumnSchema;
  readonly select: ReadonlySet<Select>;
}

interface MonitoredTable {
  readonly table: Table;
  columns: MonitoredColumn[];
  /** What any of the requests for the table asks for. */
  readonly select: Set<Select>;
  /** The row is seen when any clause holds; none at all sees every row. */
  condition: readonly Clause[];
  /**
   * Columns that conditions have looked at: as in upstream, a row whose only change is there is
   * told of as modified, with nothing in it.
   */
  readonly watched: Set<ColumnSchema>;
}

export type TableUpdates = Record<string, Record<string, Json>>;

export class Monitor {
  readonly version: MonitorVersion;
  /** Commits up to this one are in what the client has. */
  seqno: number;
  readonly #tables = new Map<Table, MonitoredTable>();

  constructor(tables: Tables, requests: Json, version: MonitorVersion, seqno: number) {
    this.version = version;
    this.seqno = seqno;
    if (!isObject(requests))
      throw new OvsdbError(
        'syntax error',
        '<monitor-requests> must be an object'.replace(/[<>]/g, ''),
        printSortedJson(requests),
      );
    for (const [name, request] of Object.entries(requests)) {
      const table = tables.byName.get(name);
      if (!table) throw new OvsdbError('unknown table', `no table named ${name}`);
      this.#tables.set(table, this.#parse(table, isArray(request) ? request : [request]));
    }
  }

  #parse(table: Table, requests: readonly Json[]): MonitoredTable {
    const out: MonitoredTable = {
      table,
      columns: [],
      select: new Set(),
      condition: [],
      watched: new Set(),
    };
    for (const request of requests) {
      if (!isObject(request))
        throw new OvsdbError(
          'syntax error',
          `Parsing table ${table.schema.name} failed: Object expected.`,
          printSortedJson(request),
        );
      const select = parseSelect(request['select']);
      for (const kind of select) out.select.add(kind);
      for (const column of parseColumns(table, request['columns'])) {
        if (out.columns.some((c) => c.column === column)) {
          throw new OvsdbError(
            'syntax error',
            `column ${column.name} mentioned more than once`,
            printSortedJson(column.name),
          );
        }
        out.columns.push({ column, select });
      }
      if (request['where'] !== undefined) {
        if (this.version === 1)
          throw new OvsdbError(
            'syntax error',
            `Parsing table ${table.schema.name} failed: Member 'where' is present but not allowed here.`,
            printSortedJson(request),
          );
        out.condition = parseWhere(table, request['where']);
        watch(out, out.condition);
      }
    }
    return out;
  }

  /** Everything that the client is to see at first. */
  initial(): TableUpdates {
    const out: TableUpdates = {};
    for (const monitored of this.#tables.values()) {
      for (const row of monitored.table.rows.values()) {
        if (!sees(monitored.condition, row)) continue;
        const update = this.#insertion(monitored, row, 'initial');
        if (update !== undefined) put(out, monitored.table, row.uuid, update);
      }
    }
    return out;
  }

  /** What the changes look like through this monitor; undefined when it sees none. */
  updates(changes: readonly RowChange[]): TableUpdates | undefined {
    const out: TableUpdates = {};
    let any = false;
    for (const change of changes) {
      const monitored = this.#tables.get(change.table);
      const update = monitored && this.#rowUpdate(monitored, change);
      if (update === undefined) continue;
      put(out, change.table, change.uuid, update);
      any = true;
    }
    return any ? out : undefined;
  }

  /** Replaces conditions (`monitor_cond_change`); returns what they bring in and take out. */
  changeConditions(tables: Tables, requests: Json): TableUpdates {
    if (!isObject(requests))
      throw new OvsdbError(
        'syntax error',
        'monitor-cond-update-requests must be an object',
        printSortedJson(requests),
      );
    const parsed = new Map<MonitoredTable, Clause[]>();
    for (const [name, request] of Object.entries(requests)) {
      const monitored = this.#tables.get(tables.byName.get(name)!);
      if (!monitored) throw new OvsdbError('unknown table', `no table named ${name}`);
      for (const r of isArray(request) ? request : [request]) {
        if (!isObject(r))
          throw new OvsdbError('syntax error', 'Object expected.', printSortedJson(r));
        parsed.set(monitored, parseWhere(monitored.table, r['where'] ?? []));
      }
    }
    const out: TableUpdates = {};
    for (const [monitored, condition] of parsed) {
      const before = monitored.condition;
      monitored.condition = condition;
      watch(monitored, condition);
      for (const row of monitored.table.rows.values()) {
        const [was, is] = [sees(before, row), sees(condition, row)];
        if (was === is) continue;
        const update = is
          ? this.#insertion(monitored, row, 'insert')
          : this.#deletion(monitored, row);
        if (update !== undefined) put(out, monitored.table, row.uuid, update);
      }
    }
    return out;
  }

  #rowUpdate(m: MonitoredTable, { old, now }: RowChange): Json | undefined {
    const was = old && sees(m.condition, old) ? old : undefined;
    const is = now && sees(m.condition, now) ? now : undefined;
    if (!was) return is && this.#insertion(m, is, 'insert');
    if (!is) return this.#deletion(m, was);
    return this.#modification(m, was, is);
  }

  #insertion(m: MonitoredTable, row: Row, kind: 'initial' | 'insert'): Json | undefined {
    if (!m.select.has(kind)) return undefined;
    const columns = m.columns.filter((c) => c.select.has(kind)).map((c) => c.column);
    if (this.version === 1) return { new: rowToJson(row, columns) };
    const shown = columns.filter(
      (c) => c.index < 0 || !datumEquals(columnValue(row, c), defaultDatum(c.type)),
    );
    return { [kind]: rowToJson(row, shown) };
  }

  #deletion(m: MonitoredTable, row: Row): Json | undefined {
    if (!m.select.has('delete')) return undefined;
    const columns = m.columns.filter((c) => c.select.has('delete')).map((c) => c.column);
    return this.version === 1 ? { old: rowToJson(row, columns) } : { delete: null };
  }

  #modification(m: MonitoredTable, old: Row, now: Row): Json | undefined {
    if (!m.select.has('modify')) return undefined;
    const columns = m.columns.filter((c) => c.select.has('modify')).map((c) => c.column);
    const changed = columns.filter(
      (c) => c.index >= 0 && !datumEquals(columnValue(old, c), columnValue(now, c)),
    );
    if (changed.length === 0 && !watchedChange(m, old, now)) return undefined;
    if (this.version === 1) return { new: rowToJson(now, columns), old: rowToJson(old, changed) };
    const diff: Record<string, Json> = {};
    for (const c of changed) {
      diff[c.name] = encodeDatum(
        c.type,
        diffDatum(c.type, columnValue(old, c), columnValue(now, c)),
      );
    }
    return { modify: diff };
  }
}

function watch(m: MonitoredTable, condition: readonly Clause[]): void {
  for (const clause of condition) if (typeof clause === 'object') m.watched.add(clause.column);
}

function watchedChange(m: MonitoredTable, old: Row, now: Row): boolean {
  for (const c of m.watched) {
    if (c.index >= 0 && !datumEquals(columnValue(old, c), columnValue(now, c))) return true;
  }
  return false;
}

function put(out: TableUpdates, table: Table, uuid: string, update: Json): void {
  let rows = out[table.schema.name];
  if (!rows) {
    rows = {};
    out[table.schema.name] = rows;
  }
  rows[uuid] = update;
}

function sees(condition: readonly Clause[], row: Row): boolean {
  return condition.length === 0 || condition.some((clause) => holds(row, clause));
}

function parseWhere(table: Table, json: Json): Clause[] {
  if (!isArray(json)) throw new OvsdbError('syntax error', 'array expected', printSortedJson(json));
  const clauses = json.map((c) => parseClause(table.schema, c));
  return clauses;
}

function parseColumns(table: Table, json: Json | undefined): ColumnSchema[] {
  if (json === undefined) return [VERSION_COLUMN, ...table.schema.columnList];
  if (!isArray(json))
    throw new OvsdbError('syntax error', 'array of column names expected', printSortedJson(json));
  return json.map((name) => {
    const column = typeof name === 'string' ? columnOf(table.schema, name) : undefined;
    if (!column || column === UUID_COLUMN)
      throw new OvsdbError(
        'syntax error',
        `${String(name)} is not a valid column name`,
        printSortedJson(name),
      );
    return column;
  });
}

function parseSelect(json: Json | undefined): ReadonlySet<Select> {
  if (json === undefined) return new Set(SELECTS);
  if (!isObject(json))
    throw new OvsdbError('syntax error', 'Object expected.', printSortedJson(json));
  return new Set(SELECTS.filter((s) => (json as JsonObject)[s] !== false));
}
