/** Waiting for changes of the database. */
import type { RpcConnection } from '@heddle/ovsdb/idl/rpc';
import { isArray, isObject, type Json } from '@heddle/ovsdb/notation/index';
import { dirs } from '@heddle/runtime/dirs';
import { VsctlError } from './errors.ts';

const DATABASE = 'Open_vSwitch';

export class Watch {
  #rpc: RpcConnection | undefined;
  #monitors = 0;
  #updated: (monitor: Json, updates: Json) => void = () => {};
  #lost: () => void = () => {};

  /** What the connection is to tell. */
  readonly handlers = {
    notified: (method: string, params: readonly Json[]) => {
      if (method === 'update') this.#updated(params[0] ?? null, params[1] ?? null);
    },
    closed: () => this.#lost(),
  };

  attach(rpc: RpcConnection): void {
    this.#rpc = rpc;
  }

  /** Resolves at the next change of any of the tables. */
  async change(tables: readonly string[]): Promise<void> {
    const requests = Object.fromEntries(tables.map((table) => [table, {}]));
    let looks = 0;
    await this.#until(requests, () => looks++ > 0);
  }

  /** Resolves when the switch has done what was in force at `nextCfg`. */
  async switchReached(nextCfg: number): Promise<void> {
    await this.#until({ Open_vSwitch: { columns: ['cur_cfg'] } }, (updates) => {
      const rows = updates['Open_vSwitch'];
      return (
        isObject(rows) &&
        Object.values(rows).some((row) => {
          const now = isObject(row) && isObject(row['new']) ? row['new']['cur_cfg'] : undefined;
          return Number(now ?? -1) >= nextCfg;
        })
      );
    });
  }

  /** What went wrong with interfaces that were added, in lines. */
  async setUpErrors(names: ReadonlySet<string>): Promise<string[]> {
    const out: string[] = [];
    for (const name of names) {
      const where = [['name', '==', name]];
      const columns = ['ofport', 'error'];
      const select = { op: 'select', table: 'Interface', where, columns };
      const [result] = (await this.#rpc!.request('transact', [DATABASE, select])) as Json[];
      const row = isObject(result) && isArray(result['rows']) ? result['rows'][0] : undefined;
      if (!isObject(row)) continue;
      const { error, ofport } = row;
      if (typeof ofport === 'number' && ofport !== -1) continue;
      const why = typeof error === 'string' ? `: ${error}` : '';
      out.push(
        `Error detected while setting up '${name}'${why}.  See ovs-vswitchd log for details.`,
      );
    }
    if (out.length > 0) out.push(`The default log directory is "${dirs.logdir}".`);
    return out;
  }

  async #until(requests: Json, done: (updates: Record<string, Json>) => boolean): Promise<void> {
    const rpc = this.#rpc!;
    const id = `wait${this.#monitors++}`;
    await new Promise<void>((resolve, reject) => {
      const look = (updates: Json) => {
        if (isObject(updates) && done(updates)) resolve();
      };
      this.#updated = (monitor, updates) => {
        if (monitor === id) look(updates);
      };
      this.#lost = () => reject(new VsctlError('database connection lost'));
      rpc.request('monitor', [DATABASE, id, requests]).then(look, reject);
    });
    this.#lost = () => {};
    await rpc.request('monitor_cancel', [id]);
  }
}
