/** `ovsdb-server/tlog-*`: a line in the log for each row that a transaction changes. */
import { type Commit, datumToText, type OvsdbServer } from '@heddle/ovsdb';
import { UnixctlError, type UnixctlServer, vlog } from '@heddle/runtime';

const log = vlog.module('transaction');

type Change = Commit['changes'][number];

export class TableLog {
  readonly #server: OvsdbServer;
  /** `DB:TABLE` */
  readonly #on = new Set<string>();

  constructor(server: OvsdbServer) {
    this.#server = server;
  }

  register(ctl: UnixctlServer): void {
    ctl.register('ovsdb-server/tlog-set', 'DB:TABLE on|off', 2, 2, ([what, state]) => {
      this.#set(what!, state!);
      return '';
    });
    ctl.register('ovsdb-server/tlog-list', '', 0, 0, () => this.#list());
  }

  committed(db: string, { changes }: Commit): void {
    if (this.#on.size === 0) return;
    for (const change of changes) {
      if (this.#on.has(`${db}:${change.table.schema.name}`)) log.rl.info(describe(change));
    }
  }

  #set(what: string, state: string): void {
    const [db, table, more] = what.split(':') as [string, string?, string?];
    if (!table || more !== undefined) throw new UnixctlError('invalid DB:TABLE argument');
    const database = this.#server.databases.get(db);
    if (!database) throw new UnixctlError('no such database');
    if (!database.schema.tables.has(table)) throw new UnixctlError('no such table');
    const wanted = state.toLowerCase();
    if (wanted === 'on') this.#on.add(what);
    else if (wanted === 'off') this.#on.delete(what);
    else throw new UnixctlError('invalid command argument');
  }

  #list(): string {
    const lines = [
      'database        table                       logging',
      '--------        -----                       -------',
    ];
    for (const db of [...this.#server.databases.keys()].sort()) {
      lines.push(`${db.padEnd(16)} `);
      for (const table of [...this.#server.databases.get(db)!.schema.tables.keys()].sort()) {
        const state = this.#on.has(`${db}:${table}`) ? 'ON' : 'OFF';
        lines.push(`${''.padEnd(16)}${table.padEnd(27)} ${state}`);
      }
    }
    return `${lines.join('\n')}\n`;
  }
}

function describe({ table, old, now }: Change): string {
  const row = now ?? old!;
  const op = !old ? 'inserted' : now ? 'updated' : 'deleted';
  const columns = table.schema.columnList.map(
    (c) => `${c.name}:${datumToText(c.type, row.data[c.index]!)}`,
  );
  const ids = [`_uuid:${row.uuid}`, `_version:${row.version}`];
  return `table:${table.schema.name},op:${op},${[...ids, ...columns].join(',')}`;
}
