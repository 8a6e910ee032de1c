/**
 * The distribution's ovs-vswitchd with dummy ports, in a run directory of its own: what it would
 * do with a packet is asked by ofproto/trace.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SCHEMA, terminate } from '@heddle/datapath/oracle/reference-daemons';
import { unixctlCall } from '@heddle/runtime';
import { atRest } from './at-rest.ts';
import { UnixctlSession } from './unixctl-session.ts';

export interface OraclePort {
  readonly bridge: string;
  readonly name: string;
  readonly ofport: number;
  readonly odpPort: number | undefined;
}

const MAX_MEMORY = 2 * 1024 ** 3;

export class SwitchOracle implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'heddle-switch-oracle-'));
  readonly #env: NodeJS.ProcessEnv;
  readonly #socket: string;
  #session: Promise<UnixctlSession> | undefined;
  #open: UnixctlSession | undefined;
  readonly #pid: number;

  /** `tunnels`: their types are not dummies. */
  constructor(options: { readonly tunnels?: boolean } = {}) {
    const d = this.dir;
    this.#env = { ...process.env, PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };
    for (const name of ['RUNDIR', 'DBDIR', 'LOGDIR', 'SYSCONFDIR']) this.#env[`OVS_${name}`] = d;
    this.#run('ovsdb-tool', 'create', `${d}/conf.db`, SCHEMA);
    const quiet = ['--detach', '--pidfile', '-vconsole:off'];
    this.#run('ovsdb-server', ...quiet, `--remote=punix:${d}/db.sock`, `${d}/conf.db`);
    this.vsctl('--no-wait', 'init');
    const dummy = options.tunnels
      ? ['--enable-dummy=system']
      : ['--enable-dummy=override', '--disable-system'];
    // A trace that explodes must not take the machine with it.
    this.#run(
      'prlimit',
      `--as=${MAX_MEMORY}`,
      'ovs-vswitchd',
      ...quiet,
      '--log-file',
      ...dummy,
      `unix:${d}/db.sock`,
    );
    this.#pid = Number(readFileSync(join(d, 'ovs-vswitchd.pid'), 'utf8'));
    this.#socket = join(d, `ovs-vswitchd.${this.#pid}.ctl`);
  }

  [Symbol.dispose](): void {
    this.#open?.[Symbol.dispose]();
    for (const daemon of ['ovs-vswitchd', 'ovsdb-server']) {
      const pidfile = join(this.dir, `${daemon}.pid`);
      if (existsSync(pidfile)) terminate(Number(readFileSync(pidfile, 'utf8')));
    }
    rmSync(this.dir, { recursive: true, force: true });
  }

  vsctl(...args: string[]): string {
    return this.#run('ovs-vsctl', `--db=unix:${this.dir}/db.sock`, ...args);
  }

  ofctl(...args: string[]): string {
    return this.#run('ovs-ofctl', ...args);
  }

  /**
   * The reply, or the text of the refusal. The daemon has gone once through its main loop, and has
   * forwarded what was received before, as each command has a connection of its own.
   */
  async appctl(command: string, ...args: string[]): Promise<string> {
    const { result, error } = await unixctlCall(this.#socket, command, args);
    return result ?? error ?? '';
  }

  /** A trace; many at once are answered on one connection. */
  async trace(...words: string[]): Promise<string> {
    this.#session ??= UnixctlSession.open(this.#socket);
    this.#open = await this.#session;
    return this.#open.call('ofproto/trace', words);
  }

  /** Resolves when all that commands have brought about is done. */
  atRest(): Promise<void> {
    return atRest(this.#pid);
  }

  /** Removes all bridges. */
  clear(): void {
    const bridges = this.vsctl('list-br').split('\n').filter(Boolean);
    if (bridges.length === 0) return;
    this.vsctl(...bridges.flatMap((bridge) => ['--', 'del-br', bridge]));
  }

  async ports(): Promise<OraclePort[]> {
    const ports: OraclePort[] = [];
    let bridge = '';
    for (const line of (await this.appctl('dpif/show')).split('\n')) {
      bridge = /^ {2}(\S+):$/.exec(line)?.[1] ?? bridge;
      const m = /^ {4}(\S+) (\d+)\/(\d+|none):/.exec(line);
      if (!m) continue;
      const odpPort = m[3] === 'none' ? undefined : Number(m[3]);
      ports.push({ bridge, name: m[1]!, ofport: Number(m[2]), odpPort });
    }
    return ports;
  }

  #run(command: string, ...args: string[]): string {
    const stdio = ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'];
    return execFileSync(command, args, { env: this.#env, stdio, timeout: 20_000 }).toString();
  }
}
