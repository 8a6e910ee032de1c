/** monitor, monitor-cond, monitor-cond-since: prints a table for each change. */

import { parseCondition } from '@heddle/ovsdb/engine/condition';
import {
  decodeDatum,
  isArray,
  isObject,
  isUuid,
  type Json,
  type JsonObject,
  ZERO_UUID,
} from '@heddle/ovsdb/notation/index';
import { HeddleError } from '@heddle/runtime/errors';
import { print } from '@heddle/runtime/stdio';
import { UnixctlError } from '@heddle/runtime/unixctl-server';
import { parseArgument } from '../ovsdb-tool/files.ts';
import { type Cell, EMPTY, text } from '../table/table.ts';
import { background, serveUntilExit } from './background.ts';
import { ask, type Context } from './context.ts';
import { type MonitoredTable, monitorTable } from './monitor-spec.ts';

export async function monitor(
  context: Context,
  database: string,
  args: readonly string[],
): Promise<void> {
  const schema = await context.schema(database);
  const all = args.length === 1 && args[0] === 'ALL' && !schema.tables.has('ALL');
  const wanted = all ? [...schema.tables.keys()].sort().map((name) => [name]) : [args];
  const tables = wanted.map((words) => monitorTable(context.remote, schema, words, undefined));
  await new Monitor(context, database, tables, 'monitor').run();
}

export async function monitorCond(
  context: Context,
  database: string,
  args: readonly string[],
): Promise<void> {
  await conditional(context, database, args, 'monitor_cond', ZERO_UUID);
}

export async function monitorCondSince(
  context: Context,
  database: string,
  args: readonly string[],
): Promise<void> {
  const hasId = isUuid(args[0]!);
  const rest = hasId ? args.slice(1) : args;
  await conditional(context, database, rest, 'monitor_cond_since', hasId ? args[0]! : ZERO_UUID);
}

type Method = 'monitor' | 'monitor_cond' | 'monitor_cond_since';

async function conditional(
  context: Context,
  database: string,
  [condition, ...words]: readonly string[],
  method: Method,
  lastId: string,
): Promise<void> {
  const schema = await context.schema(database);
  const table = schema.tables.get(words[0] ?? condition!);
  if (!table || words.length === 0) {
    throw new HeddleError(`${schema.name} does not have a table named "${words[0] ?? condition!}"`);
  }
  const where = parseArgument(condition!);
  parseCondition(table, where);
  const tables = [monitorTable(context.remote, schema, words, where)];
  await new Monitor(context, database, tables, method, lastId).run();
}

class Monitor {
  readonly #context: Context;
  readonly #database: string;
  readonly #tables: readonly MonitoredTable[];
  readonly #method: Method;
  readonly #lastId: string;
  /** Updates that came while `ovsdb-client/block` holds. */
  #held: (readonly Json[])[] | undefined;
  #changes = 0;

  constructor(
    context: Context,
    database: string,
    tables: readonly MonitoredTable[],
    method: Method,
    lastId: string = ZERO_UUID,
  ) {
    this.#context = context;
    this.#database = database;
    this.#tables = tables;
    this.#method = method;
    this.#lastId = lastId;
  }

  async run(): Promise<void> {
    const context = this.#context;
    const requests: Record<string, Json> = {};
    for (const { table, requests: own } of this.#tables) requests[table.name] = own;
    context.onNotification((method, params) => {
      if (method === 'monitor_canceled') context.rpc.close();
      if (!method.startsWith('update')) return;
      if (this.#held) this.#held.push(params);
      else this.#update(params);
    });
    const params: Json[] = [this.#database, null, requests];
    if (this.#method === 'monitor_cond_since') params.push(this.#lastId);
    const reply = await ask(context.rpc, this.#method, params);
    if (this.#method === 'monitor_cond_since') {
      if (!isArray(reply) || reply.length !== 3) {
        throw new HeddleError('malformed reply to monitor_cond_since');
      }
      print(`found: ${String(reply[0])}, last_id: ${String(reply[1])}\n`);
      this.#printUpdates(reply[2]!, true);
    } else this.#printUpdates(reply, true);
    const ctl = background(context, {
      'ovsdb-client/block': { args: '', run: () => this.#block() },
      'ovsdb-client/unblock': { args: '', run: () => this.#unblock() },
      'ovsdb-client/cond_change': { args: 'TABLE COND', run: (a) => this.#changeCondition(a) },
    });
    await serveUntilExit(context, ctl);
  }

  #update(params: readonly Json[]): void {
    if (this.#method === 'monitor_cond_since') {
      print(`\nlast_id: ${String(params[1])}`);
      this.#printUpdates(params[2] ?? null, false);
    } else this.#printUpdates(params[1] ?? null, false);
  }

  #block(): string {
    this.#held ??= [];
    return '';
  }

  #unblock(): string {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const params of held) this.#update(params);
    return '';
  }

  /** monitor_cond_change (ovsdb-server(7) 4.1.13). */
  async #changeCondition([name, condition]: readonly string[]): Promise<string> {
    if (this.#method === 'monitor') throw new UnixctlError('not supported by a plain monitor');
    const monitored = this.#tables.find((t) => t.table.name === name);
    if (!monitored) {
      throw new UnixctlError(`${this.#database} does not have a table named "${name}"`);
    }
    const where = parseArgument(condition!);
    parseCondition(monitored.table, where);
    const id = ['monid', ++this.#changes];
    const old = this.#changes === 1 ? null : ['monid', this.#changes - 1];
    await ask(this.#context.rpc, 'monitor_cond_change', [old, id, { [name!]: [{ where }] }]);
    return 'condition changed';
  }

  #printUpdates(updates: Json, initial: boolean): void {
    if (!isObject(updates)) throw new HeddleError('<table-updates> is not object');
    for (const monitored of this.#tables) {
      const rows = updates[monitored.table.name];
      if (isObject(rows)) this.#printTable(monitored, rows, initial);
    }
  }

  #printTable(monitored: MonitoredTable, updates: JsonObject, initial: boolean): void {
    const { timestamp } = this.#context.settings;
    const rows = Object.keys(updates)
      .sort()
      .flatMap((uuid) => {
        const update = updates[uuid];
        if (!isObject(update)) return [];
        return this.#method === 'monitor'
          ? updateRows(monitored, uuid, update, initial)
          : update2Rows(monitored, uuid, update);
      });
    if (rows.length === 0) return;
    this.#context.printTable({
      caption: this.#tables.length > 1 ? monitored.table.name : undefined,
      time: timestamp ? now() : undefined,
      headings: ['row', 'action', ...monitored.columns.map((c) => c.name)],
      rows,
    });
  }
}

/** <row-update> (RFC 7047 4.1.6). */
function updateRows(
  monitored: MonitoredTable,
  uuid: string,
  { old, new: fresh }: JsonObject,
  initial: boolean,
): Cell[][] {
  if (fresh === undefined) return [row(monitored, uuid, 'delete', old)];
  if (old === undefined) return [row(monitored, uuid, initial ? 'initial' : 'insert', fresh)];
  return [row(monitored, uuid, 'old', old), row(monitored, '', 'new', fresh)];
}

/** <row-update2> (ovsdb-server(7) 4.1.14): what changed, sets and maps as differences. */
function update2Rows(monitored: MonitoredTable, uuid: string, update: JsonObject): Cell[][] {
  return Object.entries(update).map(([action, values]) => row(monitored, uuid, action, values));
}

function row(
  { columns }: MonitoredTable,
  uuid: string,
  action: string,
  values: Json | undefined,
): Cell[] {
  const cells = columns.map(({ name, type }): Cell => {
    const json = isObject(values) ? values[name] : undefined;
    if (json === undefined) return EMPTY;
    const loose = { ...type, min: 0, max: Number.POSITIVE_INFINITY };
    return { kind: 'datum', type, datum: decodeDatum(loose, json, { lax: true }) };
  });
  return [text(uuid), text(action), ...cells];
}

/** UTC with milliseconds. */
function now(): string {
  return new Date().toISOString().replace('T', ' ').replace('Z', '');
}
