/** Keeps a server as its configuration file says. */
import { isDeepStrictEqual } from 'node:util';
import { ExcludedTables, type OvsdbServer, Replication } from '@heddle/ovsdb';
import { HeddleError, messageOf, UnixctlError, type UnixctlServer, vlog } from '@heddle/runtime';
import { type ConfigFile, type DatabaseConfig, readConfigFile } from './config-file.ts';
import type { DatabaseRemotes } from './db-remotes.ts';

const log = vlog.module('ovsdb_server');
const PREFIX = 'ovsdb-server';
/** What the file says is not for commands to change. */
const COMMANDS = [
  'add-db',
  'remove-db',
  'add-remote',
  'remove-remote',
  'set-active-ovsdb-server',
  'connect-active-ovsdb-server',
  'disconnect-active-ovsdb-server',
  'set-active-ovsdb-server-probe-interval',
  'set-sync-exclude-tables',
];

interface Served {
  readonly config: DatabaseConfig;
  /** The database's name. */
  readonly name: string;
}

export interface Files {
  /** Serves a file; resolves with the database's name. */
  open(file: string): Promise<string>;
  close(name: string): Promise<boolean>;
}

export class Configured {
  readonly #path: string;
  readonly #server: OvsdbServer;
  readonly #remotes: DatabaseRemotes;
  readonly #files: Files;
  /** By what the file calls them. */
  readonly #served = new Map<string, Served>();
  readonly #replications = new Map<string, Replication>();
  #remoteNames = new Set<string>();
  #reloading: Promise<string[]> = Promise.resolve([]);

  constructor(path: string, server: OvsdbServer, remotes: DatabaseRemotes, files: Files) {
    this.#path = path;
    this.#server = server;
    this.#remotes = remotes;
    this.#files = files;
  }

  register(ctl: UnixctlServer): void {
    ctl.register(`${PREFIX}/reload`, '', 0, 0, async () => {
      try {
        await this.load();
      } catch (error) {
        throw new UnixctlError(messageOf(error));
      }
      return '';
    });
    ctl.register(`${PREFIX}/sync-status`, '', 0, 0, () => {
      const states = [...this.#replications.values()].map((replication) => replication.status());
      return states.length === 0 ? 'state: active\n' : `state: backup\n${states.join('')}`;
    });
    for (const name of COMMANDS) {
      ctl.register(`${PREFIX}/${name}`, '', 0, 2, () => {
        throw new UnixctlError(`${PREFIX}/${name}: not allowed with --config-file`);
      });
    }
  }

  /**
   * Reads the file and makes the server as it says. A file that is no configuration changes nothing;
   * what cannot be done is left out and told of in the HeddleError that is thrown in the end.
   */
  async load(): Promise<void> {
    const config = readConfigFile(this.#path);
    const apply = () => this.#apply(config);
    this.#reloading = this.#reloading.then(apply, apply);
    const problems = await this.#reloading;
    if (problems.length > 0) throw new HeddleError(problems.join('\n'));
  }

  stop(): void {
    for (const replication of this.#replications.values()) replication.stop();
    this.#replications.clear();
  }

  async #apply({ databases, remotes }: ConfigFile): Promise<string[]> {
    const problems: string[] = [];
    const attempt = async (work: () => Promise<void>) => {
      try {
        await work();
      } catch (error) {
        problems.push(messageOf(error));
        log.err(messageOf(error));
      }
    };
    for (const name of this.#remoteNames) {
      if (!remotes.has(name)) this.#remotes.remove(name);
    }
    for (const [key, { config }] of [...this.#served]) {
      if (!isDeepStrictEqual(databases.get(key), config)) await attempt(() => this.#close(key));
    }
    for (const [key, config] of databases) {
      if (!this.#served.has(key)) await attempt(() => this.#open(key, config));
    }
    this.#remoteNames = new Set();
    for (const [name, options] of remotes) {
      await attempt(async () => {
        await this.#remotes.add(name, options);
        this.#remoteNames.add(name);
      });
    }
    return problems;
  }

  async #open(key: string, config: DatabaseConfig): Promise<void> {
    const { model, source } = config;
    if (model === 'relay') {
      await this.#server.addRelay(key, source!.remote, source);
      this.#served.set(key, { config, name: key });
      return;
    }
    if (model === 'clustered')
      throw new HeddleError(`${key}: clustered databases are not supported`);
    const name = await this.#files.open(key);
    this.#served.set(key, { config, name });
    if (config.backup) this.#replicate(name, config);
  }

  #replicate(name: string, { source, excludeTables }: DatabaseConfig): void {
    this.#server.backups.add(name);
    const excluded = excludeTables.map((table) => `${name}:${table}`).join();
    const replication = new Replication(this.#server, {
      active: source!.remote,
      excluded: new ExcludedTables(excluded),
      probeMs: source!.probeMs ?? 60_000,
      maxBackoffMs: source!.maxBackoffMs,
      databases: new Set([name]),
      failed: () => {
        if (this.#replications.get(name) === replication) this.#stopReplication(name);
      },
    });
    this.#replications.set(name, replication);
  }

  #stopReplication(name: string): void {
    this.#replications.get(name)?.stop();
    this.#replications.delete(name);
    this.#server.backups.delete(name);
  }

  async #close(key: string): Promise<void> {
    const { name } = this.#served.get(key)!;
    this.#served.delete(key);
    this.#stopReplication(name);
    await this.#files.close(name);
  }
}
