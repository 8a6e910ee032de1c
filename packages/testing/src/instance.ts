/**
 * One Open vSwitch with its own database, run directory and network namespace. `oracle` runs the
 * distribution's binaries, `ours` those in bin/: tests speak to both through the same interface.
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Host } from './host.ts';
import { delay, eventually, type RunResult, run, runOk } from './process.ts';
import type { Scope } from './scope.ts';

export const REPOSITORY = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

/** Until a daemon is in the background: half a minute is little where processors are busy. */
const START_TIMEOUT_MS = 120_000;

export interface InstanceOptions {
  /** Extra arguments of ovs-vswitchd, as `--enable-dummy=override`. */
  switchArgs?: readonly string[];
  /** Do not start anything yet. */
  stopped?: boolean;
  /** The namespace to run in; a new one when absent. */
  host?: Host;
  /** Database, sockets, logs; a new one when absent. */
  directory?: string;
}

interface Kind {
  name: 'oracle' | 'ours';
  path: string;
  schema: string;
}

const ORACLE: Kind = {
  name: 'oracle',
  path: '/usr/sbin:/usr/bin:/sbin:/bin',
  schema: '/usr/share/openvswitch/vswitch.ovsschema',
};

const OURS: Kind = {
  name: 'ours',
  path: `${join(REPOSITORY, 'bin')}:/usr/sbin:/usr/bin:/sbin:/bin`,
  schema: join(REPOSITORY, 'share/vswitch.ovsschema'),
};

export class Instance {
  readonly kind: Kind;
  /** The namespace that the switch lives in. */
  readonly host: Host;
  readonly directory: string;
  readonly env: Record<string, string>;
  readonly #switchArgs: readonly string[];

  constructor(kind: Kind, host: Host, directory: string, switchArgs: readonly string[]) {
    this.kind = kind;
    this.host = host;
    this.directory = directory;
    this.#switchArgs = switchArgs;
    this.env = {
      PATH: kind.path,
      OVS_RUNDIR: directory,
      OVS_DBDIR: directory,
      OVS_LOGDIR: directory,
      OVS_SYSCONFDIR: directory,
    };
  }

  /** The distribution's Open vSwitch. */
  static oracle(scope: Scope, options: InstanceOptions = {}): Promise<Instance> {
    return Instance.#create(scope, ORACLE, options);
  }

  /** Ours, from bin/. */
  static ours(scope: Scope, options: InstanceOptions = {}): Promise<Instance> {
    return Instance.#create(scope, OURS, options);
  }

  static async #create(scope: Scope, kind: Kind, options: InstanceOptions): Promise<Instance> {
    const host = options.host ?? (await Host.create(scope));
    const directory = options.directory ?? scope.directory('ovs');
    const instance = new Instance(kind, host, directory, options.switchArgs ?? []);
    scope.defer(() => instance.stop());
    if (!options.stopped) await instance.start();
    return instance;
  }

  get database(): string {
    return join(this.directory, 'conf.db');
  }

  get socket(): string {
    return join(this.directory, 'db.sock');
  }

  async start(): Promise<void> {
    await this.startDatabase();
    await this.vsctl('--no-wait', 'init');
    await this.startSwitch();
  }

  async startDatabase(): Promise<void> {
    mkdirSync(this.directory, { recursive: true });
    const { code } = await this.run('test', '-e', this.database);
    if (code !== 0) await this.exec('ovsdb-tool', 'create', this.database, this.kind.schema);
    await this.#startDaemon(
      'ovsdb-server',
      this.database,
      `--remote=punix:${this.socket}`,
      '--remote=db:Open_vSwitch,Open_vSwitch,manager_options',
      '--pidfile',
      '--detach',
      '--no-chdir',
      '--log-file',
    );
  }

  async startSwitch(): Promise<void> {
    await this.#startDaemon(
      'ovs-vswitchd',
      `unix:${this.socket}`,
      '--pidfile',
      '--detach',
      '--no-chdir',
      '--log-file',
      ...this.#switchArgs,
    );
  }

  async #startDaemon(...command: string[]): Promise<void> {
    const options = { env: this.env, timeoutMs: START_TIMEOUT_MS };
    await runOk(this.host.argv(...command), options);
  }

  /** Runs a command in the switch's namespace with its directories; any exit code. */
  run(...command: string[]): Promise<RunResult> {
    return run(this.host.argv(...command), { env: this.env });
  }

  /** As `run`; an exit code other than 0 is an error. */
  exec(...command: string[]): Promise<string> {
    return runOk(this.host.argv(...command), { env: this.env });
  }

  vsctl(...args: string[]): Promise<string> {
    return this.exec('ovs-vsctl', '--timeout=20', ...args);
  }

  appctl(...args: string[]): Promise<string> {
    return this.exec('ovs-appctl', '--timeout=10', ...args);
  }

  async ofport(device: string): Promise<number> {
    return Number(await this.vsctl('get', 'Interface', device, 'ofport'));
  }

  pid(daemon: 'ovsdb-server' | 'ovs-vswitchd'): number | undefined {
    try {
      const pid = Number(readFileSync(join(this.directory, `${daemon}.pid`), 'utf8'));
      // A zombie has ended: within `isolate` nobody collects what daemons leave.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      return stat[stat.lastIndexOf(')') + 2] === 'Z' ? undefined : pid;
    } catch {
      return undefined;
    }
  }

  /** SIGKILL: no clean-up by the daemon. Returns when it is gone. */
  async kill(daemon: 'ovsdb-server' | 'ovs-vswitchd'): Promise<void> {
    const pid = this.pid(daemon);
    if (pid === undefined) throw new Error(`${daemon} does not run`);
    process.kill(pid, 'SIGKILL');
    await eventually(`end of ${daemon}`, () => this.pid(daemon) === undefined);
  }

  /** Ends both daemons and removes what the switch made in the kernel. */
  async stop(): Promise<void> {
    if (this.pid('ovs-vswitchd') !== undefined) {
      await run(this.host.argv('ovs-appctl', '--timeout=5', 'exit', '--cleanup'), {
        env: this.env,
      });
    }
    for (const daemon of ['ovs-vswitchd', 'ovsdb-server'] as const) {
      for (let attempt = 0; this.pid(daemon) !== undefined && attempt < 60; attempt++) {
        const pid = this.pid(daemon);
        if (pid !== undefined) process.kill(pid, attempt < 40 ? 'SIGTERM' : 'SIGKILL');
        await delay(50);
      }
      rmSync(join(this.directory, `${daemon}.pid`), { force: true });
    }
  }

  /** What the daemon logged, for a failing test's message. */
  log(daemon: 'ovsdb-server' | 'ovs-vswitchd'): string {
    try {
      return readFileSync(join(this.directory, `${daemon}.log`), 'utf8');
    } catch {
      return '';
    }
  }
}
