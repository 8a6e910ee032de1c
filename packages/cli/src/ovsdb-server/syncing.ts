/** The active-backup service model: which role the server has, and its commands. */
import { ExcludedTables, type OvsdbServer, Replication } from '@heddle/ovsdb';
import { UnixctlError, type UnixctlServer } from '@heddle/runtime';

const PROBE_MS = 60_000;
const PREFIX = 'ovsdb-server';

export interface SyncOptions {
  /** `--sync-from` */
  from: string | undefined;
  /** `--sync-exclude-tables` */
  exclude: string;
  /** `--active`: start in the active role all the same. */
  active: boolean;
}

export class Syncing {
  readonly #server: OvsdbServer;
  #active: string | undefined;
  #excluded: ExcludedTables;
  #probeMs = PROBE_MS;
  #replication: Replication | undefined;

  constructor(server: OvsdbServer, { from, exclude }: SyncOptions) {
    this.#server = server;
    this.#active = from;
    this.#excluded = new ExcludedTables(exclude);
  }

  get isBackup(): boolean {
    return this.#replication !== undefined;
  }

  /** Takes the backup role, in which clients may only read; whoever is connected comes back. */
  connect(): void {
    if (this.#active === undefined) {
      throw new UnixctlError('Unable to connect: active server is not specified.');
    }
    this.#server.readOnly = true;
    this.#server.reconnect();
    this.#restart(this.#active);
  }

  disconnect(): void {
    this.#replication?.stop();
    this.#replication = undefined;
    this.#server.readOnly = false;
    this.#server.reconnect();
  }

  /** The databases are not what they were. */
  databasesChanged(): void {
    if (this.#replication && this.#active !== undefined) this.#restart(this.#active);
  }

  stop(): void {
    this.#replication?.stop();
  }

  register(ctl: UnixctlServer): void {
    const command = (name: string, args: 0 | 1, work: (argument: string) => unknown) =>
      ctl.register(`${PREFIX}/${name}`, '', args, args, ([arg = '']) => String(work(arg) ?? ''));
    command('set-active-ovsdb-server', 1, (active) => {
      this.#active = active;
    });
    command('get-active-ovsdb-server', 0, () =>
      this.#active === undefined ? '' : `${this.#active}\n`,
    );
    command('connect-active-ovsdb-server', 0, () => this.connect());
    command('disconnect-active-ovsdb-server', 0, () => this.disconnect());
    command('set-active-ovsdb-server-probe-interval', 1, (text) => this.#setProbe(text));
    command('set-sync-exclude-tables', 1, (tables) => {
      this.#excluded = new ExcludedTables(tables);
      this.databasesChanged();
    });
    command('get-sync-exclude-tables', 0, () => {
      return this.#excluded.isEmpty ? '' : `${this.#excluded}\n`;
    });
    command('sync-status', 0, () =>
      this.#replication ? `state: backup\n${this.#replication.status()}` : 'state: active\n',
    );
  }

  #setProbe(text: string): void {
    if (!/^[+-]?\d+$/.test(text)) {
      throw new UnixctlError('Invalid probe interval, integer value expected');
    }
    this.#probeMs = Math.max(0, Number(text));
    this.databasesChanged();
  }

  #restart(active: string): void {
    this.#replication?.stop();
    const replication: Replication = new Replication(this.#server, {
      active,
      excluded: this.#excluded,
      probeMs: this.#probeMs,
      failed: () => {
        if (this.#replication !== replication) return;
        this.#replication = undefined;
        this.#server.readOnly = false;
      },
    });
    this.#replication = replication;
  }
}
