/** A network namespace that plays a host: addresses, pings, streams, raw frames. */
import type { ChildProcess } from 'node:child_process';
import {
  collect,
  eventually,
  type RunOptions,
  type RunResult,
  run,
  runOk,
  start,
} from './process.ts';
import type { Scope } from './scope.ts';

export interface PingResult {
  sent: number;
  received: number;
  /** Undefined when nothing came back. */
  averageMs: number | undefined;
  text: string;
}

export interface PingOptions {
  count?: number;
  /** `ping -f`: the next as soon as the last came back. */
  flood?: boolean;
  intervalSeconds?: number;
  /** How long an answer may take. */
  waitSeconds?: number;
  size?: number;
  /** Broken into fragments or not: `do`, `want`, `dont` of `ping -M`. */
  mtuDiscovery?: 'do' | 'want' | 'dont';
}

let counter = 0;

export class Host {
  readonly name: string;
  /** File of the namespace, for `nsenter --net=` and setns(2). */
  readonly netns: string;

  constructor(name: string, netns: string) {
    this.name = name;
    this.netns = netns;
  }

  /** A new namespace with its loopback up, gone with the scope. */
  static async create(scope: Scope, name = `h${++counter}`): Promise<Host> {
    await runOk(['ip', 'netns', 'add', name]);
    scope.defer(async () => {
      await run(['ip', 'netns', 'del', name]);
    });
    const host = new Host(name, `/run/netns/${name}`);
    await host.exec('ip', 'link', 'set', 'lo', 'up');
    return host;
  }

  /** The namespace that a process lives in. */
  static ofProcess(name: string, pid: number): Host {
    return new Host(name, `/proc/${pid}/ns/net`);
  }

  argv(...command: string[]): string[] {
    return ['nsenter', `--net=${this.netns}`, '--', ...command];
  }

  exec(...command: string[]): Promise<string> {
    return runOk(this.argv(...command));
  }

  run(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return run(this.argv(...command), options);
  }

  start(command: readonly string[], options: RunOptions = {}): ChildProcess {
    return start(this.argv(...command), options);
  }

  /** A veth pair: `inside` here, `outside` in the caller's namespace (or `peer`'s), both up. */
  async veth(scope: Scope, inside: string, outside: string, peer?: Host): Promise<void> {
    const target = peer === undefined ? [] : ['netns', peer.netns];
    const here = peer === undefined ? [] : ['nsenter', `--net=${peer.netns}`];
    await runOk(
      ['ip', 'link', 'add', outside, ...target, 'type', 'veth', 'peer', 'name', inside].concat([
        'netns',
        this.netns,
      ]),
    );
    scope.defer(async () => {
      await run([...here, 'ip', 'link', 'del', outside]);
    });
    await runOk([...here, 'ip', 'link', 'set', outside, 'up']);
    await this.exec('ip', 'link', 'set', inside, 'up');
  }

  async address(device: string, address: string): Promise<void> {
    // nodad: an IPv6 address is usable at once, without a second of duplicate detection.
    const flags = address.includes(':') ? ['nodad'] : [];
    await this.exec('ip', 'addr', 'add', address, 'dev', device, ...flags);
  }

  /** Knows for good who has an address: nothing has to be asked. */
  async neighbour(device: string, address: string, mac: string): Promise<void> {
    const args = ['neigh', 'replace', address, 'lladdr', mac, 'dev', device];
    await this.exec('ip', ...args, 'nud', 'permanent');
  }

  async mac(device: string): Promise<string> {
    const [link] = JSON.parse(await this.exec('ip', '-j', 'link', 'show', device));
    return link.address;
  }

  async ping(address: string, options: PingOptions = {}): Promise<PingResult> {
    const count = options.count ?? 1;
    const args = ['ping', '-n', '-q', '-c', String(count), '-W', String(options.waitSeconds ?? 1)];
    if (options.flood) args.push('-f');
    if (options.intervalSeconds !== undefined) args.push('-i', String(options.intervalSeconds));
    if (options.size !== undefined) args.push('-s', String(options.size));
    if (options.mtuDiscovery !== undefined) args.push('-M', options.mtuDiscovery);
    const { stdout, stderr } = await this.run([...args, address]);
    return parsePing(stdout + stderr);
  }

  /** True when at least one of `count` pings is answered. */
  async reaches(address: string, count = 2): Promise<boolean> {
    const { received } = await this.ping(address, { count, intervalSeconds: 0.2, waitSeconds: 1 });
    return received > 0;
  }

  /** An iperf3 server for one test, listening when this returns. */
  async iperfServer(scope: Scope, port = 5201): Promise<void> {
    const server = this.start(['iperf3', '-s', '-p', String(port)]);
    const ended = collect(server, { timeoutMs: 600_000 });
    scope.defer(async () => {
      server.kill('SIGKILL');
      await ended;
    });
    await eventually('iperf3 server', async () => {
      const { stdout } = await this.run(['ss', '-ltnH', `sport = :${port}`]);
      return stdout.includes(`:${port}`);
    });
  }

  /** TCP Gbit/s that the receiver saw. */
  async iperf(address: string, seconds = 2, extra: readonly string[] = []): Promise<number> {
    const argv = ['iperf3', '-J', '-c', address, '-t', String(seconds), ...extra];
    const { stdout, stderr } = await this.run(argv, { timeoutMs: seconds * 1000 + 15_000 });
    const report = JSON.parse(stdout || '{}');
    const bits = report.end?.sum_received?.bits_per_second;
    if (typeof bits !== 'number') throw new Error(`iperf3: ${report.error ?? stderr}`);
    return bits / 1e9;
  }
}

/** The last lines of ping(8). */
export function parsePing(text: string): PingResult {
  const counts = /(\d+) packets transmitted, (\d+) (?:packets )?received/.exec(text);
  const rtt = /= [\d.]+\/([\d.]+)\//.exec(text);
  return {
    sent: Number(counts?.[1] ?? 0),
    received: Number(counts?.[2] ?? 0),
    averageMs: rtt?.[1] === undefined ? undefined : Number(rtt[1]),
    text,
  };
}
