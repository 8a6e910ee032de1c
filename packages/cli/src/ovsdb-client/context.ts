/** What a command works with: the connection, its database, and how to print. */

import { RpcConnection, RpcError } from '@heddle/ovsdb/idl/rpc';
import { isArray, isObject, type Json, printSortedJson } from '@heddle/ovsdb/notation/index';
import { type DatabaseSchema, parseSchema } from '@heddle/ovsdb/schema/schema';
import type { Daemon } from '@heddle/runtime/daemon';
import { errnoOf, HeddleError, strerror } from '@heddle/runtime/errors';
import type { TlsFiles } from '@heddle/runtime/remote';
import { print } from '@heddle/runtime/stdio';
import { vlog } from '@heddle/runtime/vlog';
import { prettyJson } from '../table/pretty-json.ts';
import { type Table, TablePrinter, type TableStyle } from '../table/table.ts';
import { afterBootstrap, checkTls } from '../tls/options.ts';

const log = vlog.module('reconnect');

export interface Settings {
  readonly style: TableStyle;
  readonly tls: TlsFiles;
  leaderOnly: boolean;
  force: boolean;
  timestamp: boolean;
  detach: boolean;
  /** --db-change-aware (true), --no-db-change-aware (false). */
  dbChangeAware: boolean | undefined;
}

export class Context {
  readonly rpc: RpcConnection;
  readonly remote: string;
  readonly settings: Settings;
  readonly daemon: Daemon;
  readonly #printer: TablePrinter;
  readonly #notified = new Set<(method: string, params: readonly Json[]) => void>();
  readonly closed: Promise<Error | undefined>;

  private constructor(
    rpc: RpcConnection,
    remote: string,
    settings: Settings,
    daemon: Daemon,
    relay: Relay,
  ) {
    this.rpc = rpc;
    this.remote = remote;
    this.settings = settings;
    this.daemon = daemon;
    this.#printer = new TablePrinter(settings.style);
    this.closed = relay.closed;
    relay.notified = (method, params) => {
      for (const listener of this.#notified) listener(method, params);
    };
  }

  /** Connects to the first remote that `accept` does not turn down. */
  static async open(
    remotes: readonly string[],
    settings: Settings,
    daemon: Daemon,
    accept: (rpc: RpcConnection) => Promise<boolean>,
  ): Promise<Context> {
    let failure: HeddleError | undefined;
    for (const remote of remotes) {
      const tell = remotes.length > 1 ? (text: string) => log.info(`${remote}: ${text}`) : () => {};
      const relay = new Relay();
      tell('connecting...');
      checkTls(remote, settings.tls);
      let rpc: RpcConnection;
      try {
        const { tls } = settings;
        rpc = await afterBootstrap(tls, () =>
          RpcConnection.open(remote, {
            notified: (method, params) => relay.notified(method, params),
            closed: (error) => relay.end(error),
            tls,
          }),
        );
      } catch (error) {
        failure = new HeddleError(`failed to connect to "${remote}" (${reasonOf(error)})`);
        tell(`connection attempt failed (${reasonOf(error)})`);
        continue;
      }
      tell('connected');
      const context = new Context(rpc, remote, settings, daemon, relay);
      if (remotes.length === 1 || (await accept(rpc))) return context;
      rpc.close();
    }
    throw remotes.length === 1 && failure ? failure : new HeddleError('no servers were available');
  }

  onNotification(listener: (method: string, params: readonly Json[]) => void): void {
    this.#notified.add(listener);
  }

  async schema(database: string): Promise<DatabaseSchema> {
    return parseSchema(await ask(this.rpc, 'get_schema', [database]));
  }

  printTable(table: Table): void {
    print(this.#printer.format(table));
  }

  printJson(json: Json): void {
    print(`${this.settings.style.pretty ? prettyJson(json) : printSortedJson(json)}\n`);
  }
}

/** What a connection tells, until somebody listens. */
class Relay {
  notified: (method: string, params: readonly Json[]) => void = () => {};
  end: (error: Error | undefined) => void = () => {};
  readonly closed = new Promise<Error | undefined>((resolve) => {
    this.end = resolve;
  });
}

/** Why a connection could not be opened, in the system's words. */
export function reasonOf(error: unknown): string {
  if (error instanceof Error && !('code' in error) && error.message.endsWith('connection method')) {
    return strerror('EAFNOSUPPORT');
  }
  if (error instanceof Error && error.message.endsWith('must be configured to use SSL')) {
    return strerror('ENOPROTOOPT');
  }
  return error instanceof HeddleError && !('code' in error)
    ? error.message
    : strerror(errnoOf(error));
}

/** The database that a command works on when none is named. */
export async function defaultDatabase(rpc: RpcConnection): Promise<string> {
  const names = (await databases(rpc)).filter((name) => !name.startsWith('_'));
  if (names.includes('Open_vSwitch')) return 'Open_vSwitch';
  if (names.length === 1) return names[0]!;
  throw new HeddleError('could not find a default database, please specify a database name');
}

/** Sorted. */
export async function databases(rpc: RpcConnection): Promise<string[]> {
  const reply = await rpc.request('list_dbs', []);
  if (!isArray(reply)) throw new HeddleError('list_dbs response is not array');
  return reply.map(String).sort();
}

/** Whether a server stands alone, or leads the cluster of the database. */
export async function isLeader(rpc: RpcConnection, database: string): Promise<boolean> {
  const select = {
    op: 'select',
    table: 'Database',
    where: [['name', '==', database]],
    columns: ['model', 'leader', 'connected'],
  };
  let reply: Json;
  try {
    reply = await rpc.request('transact', ['_Server', select]);
  } catch (error) {
    // Older servers have no _Server, and no clusters.
    if (error instanceof RpcError) return true;
    throw error;
  }
  const rows = isArray(reply) && isObject(reply[0]) ? reply[0]['rows'] : undefined;
  const row = isArray(rows) ? rows[0] : undefined;
  return !isObject(row) || row['model'] !== 'clustered' || row['leader'] === true;
}

/** Sends a request; a refusal is an error in upstream's words. */
export async function ask(rpc: RpcConnection, method: string, params: Json): Promise<Json> {
  try {
    return await rpc.request(method, params);
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    throw new HeddleError(`transaction returned error: ${printSortedJson(error.reply)}`);
  }
}
