/** Three servers of the distribution that form a RAFT cluster, each in a namespace of its own. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, Host, run, runOk, type Scope } from '@heddle/testing';

export const SERVERS = [1, 2, 3] as const;
export type ServerNumber = (typeof SERVERS)[number];

export class Cluster {
  readonly directory: string;
  readonly #name: string;
  readonly #hosts = new Map<ServerNumber, Host>();

  private constructor(directory: string, name: string) {
    this.directory = directory;
    this.#name = name;
  }

  /** Forms a cluster of a database with this schema; call `isolate` before. */
  static async create(scope: Scope, schema: unknown): Promise<Cluster> {
    const { name } = schema as { name: string };
    const cluster = new Cluster(scope.directory('raft'), name);
    writeFileSync(cluster.#file('schema'), JSON.stringify(schema));
    await runOk(['ip', 'link', 'add', 'raft', 'type', 'bridge']);
    await runOk(['ip', 'link', 'set', 'raft', 'up']);
    for (const i of SERVERS) {
      const host = await Host.create(scope, `raft${i}`);
      cluster.#hosts.set(i, host);
      await host.veth(scope, 'eth0', port(i));
      await host.exec('ip', 'address', 'add', `10.0.0.${i}/24`, 'dev', 'eth0');
      await runOk(['ip', 'link', 'set', port(i), 'master', 'raft']);
    }
    const create = [
      'ovsdb-tool',
      'create-cluster',
      cluster.#file(1, 'db'),
      cluster.#file('schema'),
    ];
    await runOk([...create, raft(1)]);
    for (const i of [2, 3]) {
      await runOk(['ovsdb-tool', 'join-cluster', cluster.#file(i, 'db'), name, raft(i), raft(1)]);
    }
    scope.defer(() => {
      for (const i of SERVERS) cluster.kill(i);
    });
    for (const i of SERVERS) await cluster.start(i);
    return cluster;
  }

  /** The remotes of all servers, as tools take them. */
  get remotes(): string {
    return SERVERS.map((i) => this.remote(i)).join(',');
  }

  remote(i: ServerNumber): string {
    return `unix:${this.#file(i, 'sock')}`;
  }

  async start(i: ServerNumber): Promise<void> {
    const options = [
      `--pidfile=${this.#file(i, 'pid')}`,
      `--unixctl=${this.#file(i, 'ctl')}`,
      `--log-file=${this.#file(i, 'log')}`,
      `--remote=p${this.remote(i)}`,
    ];
    const quiet = ['--detach', '--no-chdir', '-vconsole:off', '-vsyslog:off'];
    const argv = ['/usr/sbin/ovsdb-server', ...quiet, ...options, this.#file(i, 'db')];
    await this.#hosts.get(i)!.exec(...argv);
  }

  kill(i: ServerNumber): void {
    try {
      process.kill(Number(readFileSync(this.#file(i, 'pid'), 'utf8')), 'SIGKILL');
    } catch {
      // Dead already.
    }
  }

  /** Kills the leader; it comes back after a while. */
  async killLeader(downMs = 500): Promise<void> {
    const old = await this.leader();
    this.kill(old);
    setTimeout(() => void this.start(old), downMs);
  }

  /** The others, that is: clients on this machine still reach its socket. */
  async cutOff(i: ServerNumber): Promise<void> {
    await runOk(['ip', 'link', 'set', port(i), 'down']);
  }

  async reconnect(i: ServerNumber): Promise<void> {
    await runOk(['ip', 'link', 'set', port(i), 'up']);
  }

  /** The leader that those among `servers` know who can be asked. */
  leader(servers: readonly ServerNumber[] = SERVERS): Promise<ServerNumber> {
    return eventually('a leader', async () => {
      for (const i of servers) {
        const argv = ['ovs-appctl', '-t', this.#file(i, 'ctl'), 'cluster/status', this.#name];
        const { stdout } = await run(argv, { timeoutMs: 2000 });
        if (/^Role: leader$/m.test(stdout)) return i;
      }
      return undefined;
    });
  }

  /** What one server has, be it behind or not, as the distribution's client tells it. */
  async query(i: ServerNumber, ...operations: unknown[]): Promise<unknown[]> {
    const transaction = JSON.stringify([this.#name, ...operations]);
    const argv = ['ovsdb-client', '--no-leader-only', 'query', this.remote(i), transaction];
    return JSON.parse(await runOk(argv)) as unknown[];
  }

  #file(...name: (string | number)[]): string {
    return join(this.directory, name.join('.'));
  }
}

const port = (i: number) => `raft-${i}`;
const raft = (i: number) => `tcp:10.0.0.${i}:6644`;
