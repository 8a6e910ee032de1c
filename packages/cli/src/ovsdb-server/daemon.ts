import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { type Commit, Database, lockFile, OvsdbError, OvsdbServer } from '@heddle/ovsdb';
import {
  HeddleError,
  registerMemory,
  signalText,
  type TlsFiles,
  type UnixctlServer,
} from '@heddle/runtime';
import { registerCommands } from './commands.ts';
import { Configured } from './configured.ts';
import { DatabaseRemotes } from './db-remotes.ts';
import { memoryUse } from './memory-use.ts';
import { Syncing, type SyncOptions } from './syncing.ts';
import { TableLog } from './table-log.ts';
import { TlsConfig } from './tls-config.ts';

const NO_SYNC: SyncOptions = { from: undefined, exclude: '', active: false };

/** Where the command was started: names in its configuration file are relative to it. */
const DIRECTORY = process.cwd();

interface OpenFile {
  readonly path: string;
  readonly unlock: () => void;
}

/** The server with its files, its remotes and its ovsdb-server/* commands. */
export class OvsdbDaemon {
  readonly server = new OvsdbServer();
  readonly remotes: DatabaseRemotes;
  readonly #ctl: UnixctlServer;
  readonly #sync: SyncOptions;
  /** By database name. */
  readonly #files = new Map<string, OpenFile>();
  readonly #tls: TlsConfig;
  readonly #syncing: Syncing;
  readonly #tableLog: TableLog;
  readonly #configured: Configured | undefined;
  #unfollow: (() => void)[] = [];
  #stopping: Promise<void> | undefined;

  constructor(
    ctl: UnixctlServer,
    tls: TlsFiles,
    sync: SyncOptions = NO_SYNC,
    configFile: string | undefined = undefined,
  ) {
    this.#ctl = ctl;
    this.#sync = sync;
    this.#tls = new TlsConfig(this.server, tls);
    this.remotes = new DatabaseRemotes(this.server);
    this.#syncing = new Syncing(this.server, sync);
    this.#tableLog = new TableLog(this.server);
    registerCommands(ctl, this);
    this.#syncing.register(ctl);
    this.#tableLog.register(ctl);
    if (configFile !== undefined) {
      this.#configured = new Configured(configFile, this.server, this.remotes, {
        open: (file) => this.openFile(resolve(DIRECTORY, file)),
        close: (name) => this.closeFile(name),
      });
      this.#configured.register(ctl);
    }
    registerMemory(ctl, () => memoryUse(this.server));
  }

  async start(files: readonly string[], remotes: readonly string[]): Promise<void> {
    // A file that is named twice is served once.
    const byPath = new Map(
      files.map((file) => [file.startsWith('relay:') ? file : resolve(file), file]),
    );
    for (const file of byPath.values()) await this.openFile(file);
    this.#tls.start();
    this.server.onDatabasesChanged(() => {
      this.#follow();
      this.#syncing.databasesChanged();
    });
    if (this.#sync.from !== undefined && !this.#sync.active) this.#syncing.connect();
    for (const remote of remotes) await this.remotes.add(remote);
    await this.#configured?.load();
    this.#follow();
  }

  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      this.#syncing.stop();
      this.#configured?.stop();
      this.remotes.close();
      this.server.close();
      for (const { unlock } of this.#files.values()) unlock();
      this.#ctl.close();
    })();
    return this.#stopping;
  }

  /** `--run`: the server lives as long as the command. Returns the exit status. */
  async runCommand(command: string): Promise<number> {
    const child = spawn('/bin/sh', ['-c', command], { stdio: 'inherit' });
    const [code, signal] = await new Promise<[number | null, string | null]>((done) => {
      child.on('error', () => done([1, null]));
      child.on('exit', (...how) => done(how));
    });
    await this.stop();
    if (code === 0) return 0;
    const how = signal === null ? `exit status ${code}` : `killed (${signalText(signal)})`;
    throw new HeddleError(`${command}: child exited, ${how}`);
  }

  /** Serves a file's database, or a relay; resolves with its name. Throws HeddleError. */
  async openFile(file: string): Promise<string> {
    if (file.startsWith('relay:')) return this.#openRelay(file);
    const path = resolve(file);
    if ([...this.#files.values()].some((open) => open.path === path)) {
      throw new OvsdbError('ovsdb error', `${file}: already open`);
    }
    const unlock = lockFile(file);
    try {
      const db = Database.open(file);
      await this.server.addDatabase(db);
      this.#files.set(db.name, { path, unlock });
      return db.name;
    } catch (error) {
      unlock();
      throw error;
    }
  }

  /** `relay:DATABASE:REMOTE[,REMOTE...]` */
  async #openRelay(text: string): Promise<string> {
    const [, name, source] = /^relay:([^:]*):(.+)$/.exec(text) ?? [];
    if (!name || !source) throw new OvsdbError('ovsdb error', `${text}: invalid syntax`);
    await this.server.addRelay(name, source);
    return name;
  }

  /** Returns whether there was such a database. */
  async closeFile(name: string): Promise<boolean> {
    if (!(await this.server.removeDatabase(name))) return false;
    this.#files.get(name)?.unlock();
    this.#files.delete(name);
    return true;
  }

  /** Watches the databases as they are now: a conversion replaces one by another. */
  #follow(): void {
    for (const stop of this.#unfollow.splice(0)) stop();
    for (const [name, db] of this.server.databases) {
      this.#unfollow.push(db.onCommit((commit) => this.#committed(name, commit)));
    }
    this.#configure();
  }

  #committed(name: string, commit: Commit): void {
    this.#tableLog.committed(name, commit);
    const configures = [...this.#tls.databases, ...this.remotes.databases];
    if (configures.includes(name)) this.#configure();
  }

  #configure(): void {
    this.#tls.update();
    void this.remotes.update();
  }
}
