/** wait: until a database of one server is there, in touch with its cluster, or gone. */
import { setTimeout as sleep } from 'node:timers/promises';
import { RpcConnection } from '@heddle/ovsdb/idl/rpc';
import { isObject, type Json } from '@heddle/ovsdb/notation/index';
import { errnoOf, HeddleError, strerror } from '@heddle/runtime/errors';
import { vlog } from '@heddle/runtime/vlog';
import type { Settings } from './context.ts';

const STATES = ['added', 'connected', 'removed'] as const;
type State = (typeof STATES)[number];

const log = vlog.module('reconnect');
const MIN_BACKOFF_MS = 1000;
const MAX_BACKOFF_MS = 8000;

export async function wait(
  remote: string,
  settings: Settings,
  [database, wanted]: readonly string[],
): Promise<void> {
  const state = STATES.find((s) => s === wanted);
  if (!state) throw new HeddleError(`${wanted}: unknown state`);
  for (let backoffMs = MIN_BACKOFF_MS; ; backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS)) {
    log.info(`${remote}: connecting...`);
    try {
      if (await follow(remote, settings, database!, state)) return;
      log.info(`${remote}: connection closed by peer`);
    } catch (error) {
      log.info(`${remote}: connection attempt failed (${strerror(errnoOf(error))})`);
    }
    log.info(`${remote}: waiting ${backoffMs / 1000} seconds before reconnect`);
    await sleep(backoffMs);
  }
}

/** Returns whether the state was reached before the connection ended. */
async function follow(
  remote: string,
  settings: Settings,
  database: string,
  wanted: State,
): Promise<boolean> {
  const rows = new Map<string, Record<string, Json>>();
  let done: (reached: boolean) => void = () => {};
  const outcome = new Promise<boolean>((resolve) => {
    done = resolve;
  });
  const look = (updates: Json) => {
    apply(rows, updates);
    if (reached(rows, database, wanted)) done(true);
  };
  const rpc = await RpcConnection.open(remote, {
    notified: (method, params) => {
      if (method === 'update') look(params[1] ?? null);
    },
    closed: () => done(false),
    tls: settings.tls,
  });
  log.info(`${remote}: connected`);
  try {
    await rpc.request('set_db_change_aware', [true]);
    const columns = ['name', 'model', 'connected'];
    look(await rpc.request('monitor', ['_Server', null, { Database: [{ columns }] }]));
    return await outcome;
  } finally {
    rpc.close();
  }
}

function apply(rows: Map<string, Record<string, Json>>, updates: Json): void {
  if (!isObject(updates) || !isObject(updates['Database'])) return;
  for (const [uuid, update] of Object.entries(updates['Database'])) {
    if (isObject(update) && isObject(update['new'])) rows.set(uuid, update['new']);
    else rows.delete(uuid);
  }
}

function reached(
  rows: ReadonlyMap<string, Record<string, Json>>,
  database: string,
  wanted: State,
): boolean {
  const row = [...rows.values()].find((r) => r['name'] === database);
  if (wanted === 'removed') return row === undefined;
  if (wanted === 'added') return row !== undefined;
  return row !== undefined && (row['model'] !== 'clustered' || row['connected'] === true);
}
