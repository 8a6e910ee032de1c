/** Random monitors of every version, and changes of their conditions. */
import type { Json } from '@heddle/ovsdb';
import type { Random } from '@heddle/testing/random';
import type { SchemaSpec, TableSpec } from './random-schema.ts';
import type { TransactionMaker } from './random-transaction.ts';

export interface OpenMonitor {
  readonly id: Json;
  readonly method: string;
  readonly request: Readonly<Record<string, Json>>;
}

export class MonitorMaker {
  readonly #r: Random;
  readonly #schema: SchemaSpec;
  readonly #maker: TransactionMaker;

  constructor(r: Random, schema: SchemaSpec, maker: TransactionMaker) {
    this.#r = r;
    this.#schema = schema;
    this.#maker = maker;
  }

  /** The method and parameters of a new monitor. */
  open(n: number): [method: string, params: Json[], monitor: OpenMonitor] {
    const r = this.#r;
    const method = r.pick(['monitor', 'monitor_cond', 'monitor_cond', 'monitor_cond_since']);
    const request: Record<string, Json> = {};
    for (const table of this.#schema.tables) {
      if (r.chance(0.6)) request[table.name] = this.#request(table, method !== 'monitor');
    }
    const id = `monitor ${n}`;
    const params: Json[] = ['R', id, request];
    if (method === 'monitor_cond_since') params.push(r.uuid());
    return [method, params, { id, method, request }];
  }

  /** The parameters of monitor_cond_change for a monitor of version 2 or 3. */
  change({ id, request }: OpenMonitor): [method: string, params: Json[]] {
    const updates: Record<string, Json> = {};
    for (const name of Object.keys(request)) {
      const table = this.#schema.tables.find((t) => t.name === name)!;
      if (this.#r.chance(0.7)) updates[name] = [{ where: this.#where(table) }];
    }
    return ['monitor_cond_change', [id, id, updates]];
  }

  #request(table: TableSpec, conditions: boolean): Json {
    const r = this.#r;
    const out: Record<string, Json> = {};
    if (r.chance(0.7)) {
      out['columns'] = table.columns.filter(() => r.chance(0.6)).map((c) => c.name);
    } else out['columns'] = table.columns.map((c) => c.name);
    if (r.chance(0.4)) {
      out['select'] = Object.fromEntries(
        ['initial', 'insert', 'delete', 'modify']
          .filter(() => r.chance(0.5))
          .map((kind) => [kind, r.chance(0.5)]),
      );
    }
    if (conditions && r.chance(0.6)) out['where'] = this.#where(table);
    return r.chance(0.5) ? out : [out];
  }

  #where(table: TableSpec): Json {
    return this.#maker.plainWhere(table);
  }
}
