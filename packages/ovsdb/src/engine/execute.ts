/** The operations of a transaction (RFC 7047 section 5.2, ovsdb-server(7)). */
import {
  checkDatum,
  type Datum,
  datumEquals,
  decodeDatum,
  defaultDatum,
  encodeDatum,
  isArray,
  isObject,
  isUuid,
  type Json,
  type JsonObject,
  newUuid,
  OvsdbError,
  printJson,
  printSortedJson,
  type ResolveName,
} from '../notation/index.ts';
import type { ColumnSchema } from '../schema/schema.ts';
import {
  columnOf,
  columnValue,
  parseCondition,
  select,
  UUID_COLUMN,
  VERSION_COLUMN,
} from './condition.ts';
import { type Mutation, mutate, parseMutation } from './mutation.ts';
import { checkMembers } from './operation-members.ts';
import { Row, type Table, type Tables } from './table.ts';
import { type Assignments, type RowChange, Transaction } from './transaction.ts';

/** Each refuses by throwing an OvsdbError, when the operation has been parsed. */
export interface Guard {
  /** Any operation that writes, and `commit`. */
  write(op: string): void;
  insert(table: Table, row: Row): void;
  /** `op` is `update` or `mutate`. */
  modify(op: string, table: Table, rows: readonly Row[], columns: Iterable<ColumnSchema>): void;
  remove(table: Table, rows: readonly Row[]): void;
}

export interface ExecuteContext {
  /** Whether this client holds the lock; for `assert`. */
  readonly ownsLock: (name: string) => boolean;
  /** What this client may change; without one, everything. */
  readonly guard?: Guard | undefined;
  /** Nobody else can make a `wait` come true: it is an error. */
  readonly noWait?: boolean;
}

export interface ExecuteResult {
  /** One per operation and, if the commit failed, one more. */
  readonly results: Json[];
  readonly changes: RowChange[];
  readonly durable: boolean;
  readonly comments: string[];
}

/** A `wait` whose condition does not hold yet: to try again after a commit or at `timeoutMs`. */
export interface Blocked {
  readonly blocked: true;
  readonly timeoutMs: number;
}

class Wait extends Error {
  readonly timeoutMs: number;
  constructor(timeoutMs: number) {
    super('wait');
    this.timeoutMs = timeoutMs;
  }
}

/**
 * Runs the operations on an overlay; the tables do not change. `elapsedMs`: since they were asked
 * for; for `wait`.
 */
export function execute(
  tables: Tables,
  ops: readonly Json[],
  context: ExecuteContext,
  elapsedMs = 0,
): ExecuteResult | Blocked {
  const run = new Execution(tables, context, elapsedMs);
  const results: Json[] = [];
  for (let i = 0; i < ops.length; i++) {
    try {
      results.push(run.operation(ops[i]!, i + 1, ops.length));
    } catch (error) {
      if (error instanceof Wait) return { blocked: true, timeoutMs: error.timeoutMs };
      if (!(error instanceof OvsdbError)) throw error;
      results.push(error.toJson());
      while (results.length < ops.length) results.push(null);
      return { results, changes: [], durable: false, comments: [] };
    }
  }
  try {
    return { results, changes: run.txn.prepare(), durable: run.durable, comments: run.comments };
  } catch (error) {
    if (!(error instanceof OvsdbError)) throw error;
    results.push(error.toJson());
    return { results, changes: [], durable: false, comments: [] };
  }
}

class Execution {
  readonly txn: Transaction;
  readonly comments: string[] = [];
  durable = false;
  readonly #tables: Tables;
  readonly #context: ExecuteContext;
  readonly #guard: Guard | undefined;
  readonly #elapsedMs: number;
  /** named-uuid → uuid, and whether an insert has claimed it. */
  readonly #names = new Map<string, { uuid: string; inserted: boolean }>();

  constructor(tables: Tables, context: ExecuteContext, elapsedMs: number) {
    this.#tables = tables;
    this.#context = context;
    this.#elapsedMs = elapsedMs;
    this.#guard = context.guard;
    this.txn = new Transaction(tables);
  }

  readonly #resolve: ResolveName = (name) => {
    let entry = this.#names.get(name);
    if (!entry) {
      entry = { uuid: newUuid(), inserted: false };
      this.#names.set(name, entry);
    }
    return entry.uuid;
  };

  readonly #decoding = { resolve: this.#resolve };

  /** `n` of `of` are under way, for the words of errors. */
  operation(json: Json, n: number, of: number): Json {
    const op = checkMembers(this.#tables, json, n, of);
    const o = json as JsonObject;
    switch (op) {
      case 'insert':
        return this.#insert(o);
      case 'select':
        return this.#select(o);
      case 'update':
        return this.#update(o);
      case 'mutate':
        return this.#mutate(o);
      case 'delete':
        return this.#delete(o);
      case 'wait':
        return this.#wait(o);
      case 'commit':
        this.#guard?.write('commit');
        this.durable ||= o['durable'] === true;
        return {};
      case 'abort':
        throw new OvsdbError('aborted', 'aborted by request');
      case 'comment':
        this.comments.push(String(o['comment']));
        return {};
      default:
        return this.#assert(o);
    }
  }

  #assert(json: JsonObject): Json {
    const lock = String(json['lock']);
    if (!this.#context.ownsLock(lock))
      throw new OvsdbError('not owner', `Asserted lock ${lock} not held.`);
    return {};
  }

  #table(json: JsonObject): Table {
    return this.#tables.get(json['table'] as string);
  }

  #insert(json: JsonObject): Json {
    const table = this.#table(json);
    const uuid = this.#newUuid(table, json);
    const values = this.#row(table, json['row'] ?? {});
    const data = table.defaults();
    for (const column of table.unfitDefaults) {
      if (!values.some(([given]) => given === column)) checkDatum(column.type, data[column.index]!);
    }
    for (const [column, datum] of values) {
      if (column.index >= 0) data[column.index] = table.share(column, datum);
    }
    const row = new Row(uuid, data);
    this.#guard?.write('insert');
    this.#guard?.insert(table, row);
    this.txn.insert(table, row);
    return { uuid: ['uuid', uuid] };
  }

  #newUuid(table: Table, json: JsonObject): string {
    const given = json['uuid'];
    const name = json['uuid-name'];
    if (given !== undefined && !(typeof given === 'string' && isUuid(given))) {
      throw new OvsdbError('syntax error', 'bad uuid', printSortedJson(given));
    }
    const uuid = typeof given === 'string' ? given.toLowerCase() : undefined;
    if (uuid !== undefined && (table.rows.has(uuid) || this.txn.get(table, uuid))) {
      throw new OvsdbError(
        'duplicate uuid',
        `This UUID would duplicate a UUID already present within the table or deleted within the same transaction.`,
        printSortedJson(uuid),
      );
    }
    if (typeof name !== 'string') return uuid ?? newUuid();
    const entry = this.#names.get(name);
    if (entry?.inserted) {
      throw new OvsdbError(
        'duplicate uuid-name',
        'This "uuid-name" appeared on an earlier "insert" operation.',
        printSortedJson(name),
      );
    }
    const chosen = uuid ?? entry?.uuid ?? newUuid();
    this.#names.set(name, { uuid: chosen, inserted: true });
    return chosen;
  }

  /** A <row>, each value checked. It may name `_uuid` and `_version`, for `wait`. */
  #row(table: Table, json: Json): Assignments {
    if (!isObject(json))
      throw new OvsdbError('syntax error', 'row must be JSON object', printSortedJson(json));
    const out: [ColumnSchema, Datum][] = [];
    for (const name in json) {
      const column = columnOf(table.schema, name);
      if (!column)
        throw new OvsdbError(
          'unknown column',
          `No column ${name} in table ${table.schema.name}.`,
          printSortedJson(json),
        );
      out.push([column, decodeDatum(column.type, json[name]!, this.#decoding)]);
    }
    return out;
  }

  #columns(table: Table, json: Json | undefined): ColumnSchema[] {
    if (json === undefined) return [UUID_COLUMN, VERSION_COLUMN, ...table.schema.columnList];
    if (!isArray(json) || !json.every((name) => typeof name === 'string'))
      throw new OvsdbError(
        'syntax error',
        'array of distinct column names expected',
        printSortedJson(json),
      );
    const out = json.map((name) => {
      const column = columnOf(table.schema, String(name));
      if (!column)
        throw new OvsdbError(
          'syntax error',
          `${String(name)} is not a valid column name`,
          printSortedJson(json),
        );
      return column;
    });
    if (new Set(out).size !== out.length)
      throw new OvsdbError(
        'syntax error',
        'array of distinct column names expected',
        printSortedJson(json),
      );
    return out;
  }

  #where(table: Table, json: JsonObject): Row[] {
    return select(this.txn, table, parseCondition(table.schema, json['where'], this.#resolve));
  }

  #select(json: JsonObject): Json {
    const table = this.#table(json);
    const columns = this.#columns(table, json['columns']);
    const seen = new Set<string>();
    const rows: Json[] = [];
    for (const row of this.#where(table, json)) {
      const out = rowToJson(row, columns);
      if (!columns.includes(UUID_COLUMN)) {
        const text = printJson(out);
        if (seen.has(text)) continue;
        seen.add(text);
      }
      rows.push(out);
    }
    return { rows };
  }

  #update(json: JsonObject): Json {
    const table = this.#table(json);
    const values = this.#row(table, json['row']!);
    for (const [column] of values) {
      if (!column.mutable) {
        throw new OvsdbError(
          'constraint violation',
          `Cannot update immutable column ${column.name} in table ${table.schema.name}.`,
          printSortedJson(json),
        );
      }
    }
    const rows = this.#where(table, json);
    this.#guard?.write('update');
    this.#guard?.modify('update', table, rows, columnsOf(values));
    for (const row of rows) this.txn.modify(table, row, values);
    return { count: rows.length };
  }

  #mutate(json: JsonObject): Json {
    const table = this.#table(json);
    const mutations = (json['mutations'] as readonly Json[]).map((m) =>
      parseMutation(table.schema, m, this.#resolve),
    );
    const rows = this.#where(table, json);
    this.#guard?.write('mutate');
    this.#guard?.modify(
      'mutate',
      table,
      rows,
      mutations.map((m) => m.column),
    );
    for (const row of rows) {
      this.txn.modify(table, row, mutated(row, mutations));
    }
    return { count: rows.length };
  }

  #delete(json: JsonObject): Json {
    const table = this.#table(json);
    const rows = this.#where(table, json);
    this.#guard?.write('delete');
    this.#guard?.remove(table, rows);
    for (const row of rows) this.txn.remove(table, row.uuid);
    return { count: rows.length };
  }

  #wait(json: JsonObject): Json {
    const table = this.#table(json);
    const columns = this.#columns(table, json['columns']);
    const { until, timeout } = json;
    if (typeof timeout === 'number' && timeout < 0) {
      throw new OvsdbError('syntax error', 'timeout must be nonnegative', printSortedJson(timeout));
    }
    const actual = this.#where(table, json);
    if (until !== '==' && until !== '!=') {
      const what = '"until" must be "==" or "!="';
      throw new OvsdbError('syntax error', what, printSortedJson(until!));
    }
    const wanted = (json['rows'] as readonly Json[]).map((r) => this.#row(table, r));
    if (sameRows(actual, wanted, columns) === (until === '==')) return {};
    const limit = timeout === undefined ? Infinity : Number(timeout);
    if (this.#context.noWait) throw new OvsdbError('not supported', 'triggers not supported');
    if (this.#elapsedMs < limit) throw new Wait(limit);
    throw new OvsdbError(
      'timed out',
      limit === 0 ? '"where" clause test failed' : `"wait" timed out after ${limit} ms`,
    );
  }
}

function columnsOf(values: Assignments): ColumnSchema[] {
  return values.map(([column]) => column);
}

/** What mutations make of a row's columns, one after the other. */
function mutated(row: Row, mutations: readonly Mutation[]): Assignments {
  const out: [ColumnSchema, Datum][] = [];
  for (const mutation of mutations) {
    const { column } = mutation;
    const before = out.find(([given]) => given === column);
    const datum = mutate(before ? before[1] : row.data[column.index]!, mutation);
    if (before) before[1] = datum;
    else out.push([column, datum]);
  }
  return out;
}

/** Whether the rows, seen in `columns` only and as sets, are the same. */
function sameRows(
  actual: readonly Row[],
  wanted: readonly Assignments[],
  columns: readonly ColumnSchema[],
): boolean {
  const given = (want: Assignments, column: ColumnSchema) =>
    want.find(([name]) => name === column)?.[1] ?? defaultDatum(column.type);
  const equal = (row: Row, want: Assignments) =>
    columns.every((c) => datumEquals(columnValue(row, c), given(want, c)));
  return (
    actual.every((row) => wanted.some((want) => equal(row, want))) &&
    wanted.every((want) => actual.some((row) => equal(row, want)))
  );
}

export function rowToJson(row: Row, columns: readonly ColumnSchema[]): JsonObject {
  const out: Record<string, Json> = {};
  for (const column of columns)
    out[column.name] = encodeDatum(column.type, columnValue(row, column));
  return out;
}
