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
import type { RowsOf } from '../engine/rows-before.ts';
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
  printJson,
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
  readonly #tables = new Map<Table, MonitoredTable>();

  constructor(tables: Tables, requests: Json, version: MonitorVersion) {
    this.version = version;
    if (!isObject(requests)) {
      const what = 'monitor-requests must be object';
      throw new OvsdbError('syntax error', what, printSortedJson(requests));
    }
    for (const [name, request] of Object.entries(requests)) {
      const table = tables.byName.get(name);
      if (!table) throw new OvsdbError('syntax error', `no table named ${name}`);
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
      this.#checkRequest(table, request);
      const select = parseSelect(table, request['select']);
      for (const kind of select) out.select.add(kind);
      for (const column of parseColumns(table, request['columns'])) {
        if (out.columns.some((c) => c.column === column)) {
          throw new OvsdbError(
            'syntax error',
            `column ${column.name} mentioned more than once`,
            printSortedJson(request['columns']!),
          );
        }
        out.columns.push({ column, select });
      }
      if (request['where'] !== undefined) {
        out.condition = parseWhere(table, request['where']);
        watch(out, out.condition);
      }
    }
    return out;
  }

  #checkRequest(table: Table, request: Json): asserts request is JsonObject {
    const where = `Parsing table ${table.schema.name} failed`;
    if (!isObject(request)) throw new OvsdbError('syntax error', `${where}: Object expected.`);
    const known: Readonly<Record<string, (json: Json) => boolean>> = {
      columns: isArray,
      select: isObject,
      ...(this.version === 1 ? {} : { where: isArray }),
    };
    checkMembers(where, request, known);
  }

  /** The JSON text of what there is for the client to see of the rows, in pieces. */
  initial(rowsOf: RowsOf): Iterator<string> {
    const tables = [...this.#tables.values()].map((monitored) => ({
      monitored,
      rows: rowsOf(monitored.table),
    }));
    return this.#initialPieces(tables);
  }

  *#initialPieces(
    tables: readonly { monitored: MonitoredTable; rows: readonly Row[] }[],
  ): Generator<string, undefined> {
    let separator = '{';
    for (const { monitored, rows } of tables) {
      let before = `${separator}"${monitored.table.schema.name}":{`;
      let any = false;
      for (const row of rows) {
        if (!sees(monitored.condition, row)) continue;
        const update = this.#insertion(monitored, row, 'initial');
        if (update === undefined) continue;
        yield `${before}"${row.uuid}":${printJson(update)}`;
        before = ',';
        any = true;
      }
      if (!any) continue;
      yield '}';
      separator = ',';
    }
    yield separator === '{' ? '{}' : '}';
    return undefined;
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

  /**
   * As `updates`, as JSON text. Put together as text: an object with a member for each uuid would
   * cost several times as much.
   */
  updatesText(changes: readonly RowChange[]): string | undefined {
    const tables = new Map<Table, string>();
    for (const change of changes) {
      const monitored = this.#tables.get(change.table);
      const update = monitored && this.#rowUpdate(monitored, change);
      if (update !== undefined) printMember(tables, change.table, change.uuid, update);
    }
    return tables.size === 0 ? undefined : printTables(tables);
  }

  /**
   * Replaces conditions (`monitor_cond_change`); returns which of the rows they bring in and take
   * out.
   */
  changeConditions(tables: Tables, requests: Json, rowsOf: RowsOf): TableUpdates {
    const parsed = this.#parseChanges(tables, requests);
    const out: TableUpdates = {};
    for (const [monitored, condition] of parsed) {
      const before = monitored.condition;
      monitored.condition = condition;
      watch(monitored, condition);
      for (const row of rowsOf(monitored.table)) {
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

  #parseChanges(tables: Tables, requests: Json): Map<MonitoredTable, Clause[]> {
    const fail = (what: string) => new OvsdbError('syntax error', what);
    if (!isObject(requests)) throw fail('monitor-cond-change-requests must be object');
    const parsed = new Map<MonitoredTable, Clause[]>();
    for (const [name, request] of Object.entries(requests)) {
      const monitored = this.#tables.get(tables.byName.get(name)!);
      if (!monitored) throw fail(`no table named ${name}`);
      if (!isArray(request)) throw fail(`table ${name} no monitor-cond-change JSON array`);
      for (const r of request) {
        const where = `Parsing table ${name} failed`;
        if (!isObject(r)) throw fail(`${where}: Object expected.`);
        checkMembers(where, r, { where: isArray });
        parsed.set(monitored, parseWhere(monitored.table, r['where'] ?? []));
      }
    }
    return parsed;
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
      (c) => c !== UUID_COLUMN && !datumEquals(columnValue(old, c), columnValue(now, c)),
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

function printMember(tables: Map<Table, string>, table: Table, uuid: string, update: Json): void {
  const member = `"${uuid}":${printJson(update)}`;
  const others = tables.get(table);
  tables.set(table, others === undefined ? member : `${others},${member}`);
}

function printTables(tables: ReadonlyMap<Table, string>): string {
  const members = [...tables].map(([table, rows]) => `"${table.schema.name}":{${rows}}`);
  return `{${members.join(',')}}`;
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

function checkMembers(
  where: string,
  json: JsonObject,
  known: Readonly<Record<string, (json: Json) => boolean>>,
): void {
  const fail = (what: string) =>
    new OvsdbError('syntax error', `${where}: ${what}`, printSortedJson(json));
  for (const [name, value] of Object.entries(json)) {
    if (known[name]?.(value) === false) throw fail(`Type mismatch for member '${name}'.`);
  }
  for (const name of Object.keys(json)) {
    if (!known[name]) throw fail(`Member '${name}' is present but not allowed here.`);
  }
}

function parseColumns(table: Table, json: Json | undefined): ColumnSchema[] {
  if (json === undefined) return [VERSION_COLUMN, ...table.schema.columnList];
  return (json as readonly Json[]).map((name) => {
    const fail = (what: string) => new OvsdbError('syntax error', what, printSortedJson(json));
    if (typeof name !== 'string') throw fail('array of column names expected');
    const column = columnOf(table.schema, name);
    if (!column) throw fail(`${name} is not a valid column name`);
    return column;
  });
}

const IS_BOOLEAN = (json: Json) => typeof json === 'boolean';
const SELECT_MEMBERS = Object.fromEntries(SELECTS.map((kind) => [kind, IS_BOOLEAN]));

function parseSelect(table: Table, json: Json | undefined): ReadonlySet<Select> {
  if (json === undefined) return new Set(SELECTS);
  const object = json as JsonObject;
  checkMembers(`Parsing table ${table.schema.name} select failed`, object, SELECT_MEMBERS);
  return new Set(SELECTS.filter((kind) => object[kind] !== false));
}
