import { messageOf } from '@heddle/runtime/errors';
import { encodeDatum, isArray, isObject, type Json } from '../notation/index.ts';
import type { ColumnSchema, DatabaseSchema, TableSchema } from '../schema/schema.ts';
import type { RowOf, SchemaConstant, TableName } from '../schema/typed.ts';
import type { Follower } from './follower.ts';
import type { Replica } from './replica.ts';
import { encodeValue, type IdlValue, NewRow, valueEquals } from './values.ts';

/** Columns to write; a reference may be to a row that the same transaction inserts. */
export type Writable<S extends SchemaConstant, T extends TableName<S>> = {
  [C in keyof RowOf<S, T>]?:
    | RowOf<S, T>[C]
    | (string extends RowOf<S, T>[C] ? NewRow : never)
    | (RowOf<S, T>[C] extends readonly string[] ? readonly (string | NewRow)[] : never)
    | undefined;
};

export type CommitResult =
  | { readonly status: 'unchanged' }
  | { readonly status: 'success'; uuidOf(row: NewRow): string | undefined }
  /** What was read has changed meanwhile, or the connection was lost: look again, then retry. */
  | { readonly status: 'try-again'; readonly reason: string }
  | { readonly status: 'error'; readonly error: string; readonly details: string };

/**
 * Operations that are done together or not at all. What the server's schema does not have, being
 * older than ours, is left out.
 */
export class IdlTxn<S extends SchemaConstant> {
  readonly #schema: DatabaseSchema;
  readonly #replica: Replica;
  readonly #follower: Follower;
  readonly #send: (ops: readonly Json[]) => Promise<Json>;
  readonly #ops: Json[] = [];
  readonly #comments: string[] = [];
  readonly #lock: string | undefined;
  readonly #inserted: { row: NewRow; at: number }[] = [];
  #waits = 0;

  constructor(
    schema: DatabaseSchema,
    replica: Replica,
    follower: Follower,
    send: (ops: readonly Json[]) => Promise<Json>,
    comment: string | undefined,
    lock: string | undefined,
  ) {
    this.#schema = schema;
    this.#replica = replica;
    this.#follower = follower;
    this.#send = send;
    this.#lock = lock;
    if (comment !== undefined) this.#comments.push(comment);
  }

  get isEmpty(): boolean {
    return this.#ops.length === 0;
  }

  comment(text: string): void {
    this.#comments.push(text);
  }

  insert<T extends TableName<S>>(table: T, row: Writable<S, T>): NewRow {
    const ref = new NewRow(`row${this.#inserted.length}_${table}`);
    const json = this.#encode(this.#table(table), row as Record<string, IdlValue>);
    this.#inserted.push({ row: ref, at: this.#ops.length });
    this.#ops.push({ op: 'insert', table, row: json, 'uuid-name': ref.name });
    return ref;
  }

  /** Writes the columns that differ from what the replica has (all that it does not follow). */
  update<T extends TableName<S>>(table: T, uuid: string, columns: Writable<S, T>): void {
    const schema = this.#table(table);
    const data = this.#replica.tables.get(table)!.get(uuid)?.data;
    const changed: Record<string, IdlValue> = {};
    for (const [name, value] of Object.entries(columns as Record<string, IdlValue>)) {
      const column = this.#column(schema, name);
      const known = this.#follower.follows(table, name) ? data?.[column.index] : undefined;
      if (!known || !valueEquals(column.type, known, value)) changed[name] = value;
    }
    const row = this.#encode(schema, changed);
    if (Object.keys(row).length === 0) return;
    this.#ops.push({ op: 'update', table, where: byUuid(uuid), row });
  }

  /** Adds to a set or a map (`insert`), or takes away from it (`delete`). */
  mutate<T extends TableName<S>>(
    table: T,
    uuid: string,
    column: keyof RowOf<S, T> & string,
    mutator: 'insert' | 'delete',
    value: IdlValue,
  ): void {
    const { type } = this.#column(this.#table(table), column);
    if (this.#follower.serverLacks(table, column)) return;
    const keysOnly = type.value && mutator === 'delete' && isArray(value as Json);
    const json = encodeValue(keysOnly ? ({ ...type, value: undefined } as never) : type, value);
    this.#ops.push({
      op: 'mutate',
      table,
      where: byUuid(uuid),
      mutations: [[column, mutator, json]],
    });
  }

  /** Adds to an integer column. */
  increment<T extends TableName<S>>(
    table: T,
    uuid: string,
    column: keyof RowOf<S, T> & string,
    by = 1,
  ): void {
    if (this.#follower.serverLacks(table, column)) return;
    this.#ops.push({ op: 'mutate', table, where: byUuid(uuid), mutations: [[column, '+=', by]] });
  }

  delete<T extends TableName<S>>(table: T, uuid: string): void {
    this.#ops.push({ op: 'delete', table, where: byUuid(uuid) });
  }

  /** The commit fails with `try-again` unless the column still holds what the replica has. */
  verify<T extends TableName<S>>(table: T, uuid: string, column: keyof RowOf<S, T> & string): void {
    const schema = this.#column(this.#table(table), column);
    if (!this.#follower.follows(table, column)) return;
    const stored = this.#replica.tables.get(table)!.get(uuid);
    const rows = stored ? [{ [column]: encodeDatum(schema.type, stored.data[schema.index]!) }] : [];
    this.#ops.splice(this.#waits++, 0, {
      op: 'wait',
      table,
      where: byUuid(uuid),
      columns: [column],
      until: '==',
      rows,
      timeout: 0,
    });
    for (const i of this.#inserted) i.at++;
  }

  async commit(): Promise<CommitResult> {
    if (this.#ops.length === this.#waits) return { status: 'unchanged' };
    const ops: Json[] = [...this.#ops];
    if (this.#lock !== undefined) ops.push({ op: 'assert', lock: this.#lock });
    if (this.#comments.length > 0) ops.push({ op: 'comment', comment: this.#comments.join('\n') });
    let reply: Json;
    try {
      reply = await this.#send(ops);
    } catch (error) {
      return { status: 'try-again', reason: messageOf(error) };
    }
    return this.#outcome(reply);
  }

  #outcome(reply: Json): CommitResult {
    if (!isArray(reply))
      return { status: 'error', error: 'syntax error', details: 'reply is not an array' };
    for (const result of reply) {
      if (!isObject(result) || result['error'] === undefined) continue;
      const error = String(result['error']);
      const details = String(result['details'] ?? '');
      if (error === 'timed out' || error === 'not owner')
        return { status: 'try-again', reason: details };
      return { status: 'error', error, details };
    }
    const uuids = new Map<NewRow, string>();
    for (const { row, at } of this.#inserted) {
      const result = reply[at];
      const uuid = isObject(result) && isArray(result['uuid']) ? result['uuid'][1] : undefined;
      if (typeof uuid === 'string') uuids.set(row, uuid);
    }
    return { status: 'success', uuidOf: (row) => uuids.get(row) };
  }

  #table(name: string): TableSchema {
    const table = this.#schema.tables.get(name);
    if (!table) throw new TypeError(`no table ${name} in ${this.#schema.name}`);
    return table;
  }

  #column(table: TableSchema, name: string): ColumnSchema {
    const column = table.columns.get(name);
    if (!column) throw new TypeError(`no column ${name} in table ${table.name}`);
    return column;
  }

  #encode(table: TableSchema, values: Record<string, IdlValue>): Record<string, Json> {
    const out: Record<string, Json> = {};
    for (const [name, value] of Object.entries(values)) {
      const { type } = this.#column(table, name);
      if (!this.#follower.serverLacks(table.name, name)) out[name] = encodeValue(type, value);
    }
    return out;
  }
}

function byUuid(uuid: string): Json {
  return [['_uuid', '==', ['uuid', uuid]]];
}
