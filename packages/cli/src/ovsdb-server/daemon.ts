import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { Database, lockFile, OvsdbServer } from '@heddle/ovsdb';
import {
  HeddleError,
  messageOf,
  registerMemory,
  type TlsFiles,
  UnixctlError,
  type UnixctlServer,
  vlog,
} from '@heddle/runtime';
import { DatabaseRemotes } from './db-remotes.ts';

const log = vlog.module('ovsdb_server');

/** The server with its files, its remotes and its ovsdb-server/* commands. */
export class OvsdbDaemon {
  readonly server = new OvsdbServer();
  readonly #ctl: UnixctlServer;
  readonly #unlock = new Map<string, () => void>();
  readonly #remotes: DatabaseRemotes;
  #stopping: Promise<void> | undefined;

  constructor(ctl: UnixctlServer, tls: TlsFiles) {
    this.#ctl = ctl;
    this.server.tls = tls;
    this.#remotes = new DatabaseRemotes(this.server);
    this.#register();
  }

  async start(files: readonly string[], remotes: readonly string[]): Promise<void> {
    for (const file of files) await this.#addDb(file);
    for (const remote of remotes) await this.#remotes.add(remote);
  }

  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      this.#remotes.close();
      this.server.close();
      for (const unlock of this.#unlock.values()) unlock();
      this.#ctl.close();
    })();
    return this.#stopping;
  }

  /** `--run`: the server lives as long as the command. */
  async runCommand(command: string): Promise<number> {
    const child = spawn('/bin/sh', ['-c', command], { stdio: 'inherit' });
    const code = await new Promise<number>((done) => child.on('exit', (c) => done(c ?? 1)));
    await this.stop();
    return code;
  }

  async #addDb(file: string): Promise<void> {
    const path = resolve(file);
    const unlock = lockFile(path);
    try {
      const db = Database.open(path);
      await this.server.addDatabase(db);
      this.#unlock.set(db.name, unlock);
    } catch (error) {
      unlock();
      throw error;
    }
  }

  #database(name: string | undefined): Database {
    const all = [...this.server.databases.values()].filter((d) => d.name !== '_Server');
    const db = name === undefined ? all[0] : this.server.databases.get(name);
    if (!db)
      throw new UnixctlError(`"${name ?? ''}" is not a known database`.replace('"" is', 'no'));
    return db;
  }

  #register(): void {
    const { server } = this;
    const ctl = this.#ctl;
    ctl.register('exit', '', 0, 0, () => {
      setImmediate(() => void this.stop().then(() => process.exit(0)));
      return '';
    });
    ctl.register('ovsdb-server/compact', '[DB]', 0, 1, async ([name]) => {
      const all = name === undefined ? [...server.databases.values()] : [this.#database(name)];
      for (const db of all) await refuse(() => db.compact());
      return '';
    });
    ctl.register('ovsdb-server/reconnect', '', 0, 0, () => {
      server.reconnect();
      return '';
    });
    ctl.register('ovsdb-server/add-remote', 'REMOTE', 1, 1, async ([remote]) => {
      await refuse(() => this.#remotes.add(remote!));
      return '';
    });
    ctl.register('ovsdb-server/remove-remote', 'REMOTE', 1, 1, ([remote]) => {
      if (!this.#remotes.remove(remote!)) throw new UnixctlError('no such remote');
      return '';
    });
    ctl.register('ovsdb-server/list-remotes', '', 0, 0, () => lines(this.#remotes.list()));
    ctl.register('ovsdb-server/add-db', 'DB', 1, 1, async ([file]) => {
      await refuse(() => this.#addDb(file!));
      return '';
    });
    ctl.register('ovsdb-server/remove-db', 'DB', 1, 1, async ([name]) => {
      const db = await server.removeDatabase(name!);
      if (!db) throw new UnixctlError(`Failed to find the database.`);
      db.close();
      this.#unlock.get(name!)?.();
      this.#unlock.delete(name!);
      return '';
    });
    ctl.register('ovsdb-server/list-dbs', '', 0, 0, () =>
      lines([...server.databases.keys()].sort()),
    );
    ctl.register('ovsdb-server/sync-status', '', 0, 0, () => 'state: active\n');
    registerMemory(ctl, () => this.#memory());
  }

  #memory(): Record<string, number> {
    let cells = 0;
    for (const db of this.server.databases.values()) {
      for (const t of db.tables.byName.values())
        cells += t.rows.size * (t.schema.columnList.length + 2);
    }
    return { cells, monitors: this.server.monitorCount, sessions: this.server.sessionCount };
  }
}

function lines(words: readonly string[]): string {
  return words.map((w) => `${w}\n`).join('');
}

async function refuse(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof HeddleError)) log.err(messageOf(error));
    throw new UnixctlError(messageOf(error));
  }
}
