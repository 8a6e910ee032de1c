/** ovsdb-server processes, the distribution's and ours, that tests start with the same options. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export type Side = 'theirs' | 'ours';
export const SIDES: readonly Side[] = ['theirs', 'ours'];

const ROOT = join(import.meta.dirname, '../..');
const PROGRAM: Record<Side, string> = {
  theirs: '/usr/sbin/ovsdb-server',
  ours: join(ROOT, 'bin/ovsdb-server'),
};
export const SB_SCHEMA = '/usr/share/ovn/ovn-sb.ovsschema';
export const VSWITCH_SCHEMA = join(ROOT, 'share/vswitch.ovsschema');

export const options = {
  skip:
    spawnSync(PROGRAM.theirs, ['--version']).status === 0 && existsSync(SB_SCHEMA)
      ? false
      : 'no Open vSwitch and OVN of the distribution',
};

export interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A directory with a server that may be started several times, and what the tools say to it. */
export class TestServer {
  readonly side: Side;
  readonly dir = mkdtempSync(join(tmpdir(), 'heddle-server-'));
  #child: ChildProcess | undefined;

  constructor(side: Side) {
    this.side = side;
  }

  get remote(): string {
    return `unix:${this.dir}/sock`;
  }

  create(file: string, schema: string): string {
    const path = join(this.dir, file);
    this.tool('ovsdb-tool', 'create', path, schema);
    return path;
  }

  /** A database D. */
  createFrom(file: string, schema: object): string {
    const path = join(this.dir, 'schema');
    writeFileSync(path, JSON.stringify({ name: 'D', ...schema }));
    return this.create(file, path);
  }

  /** Listens on `sock`; resolves when its control socket is there. */
  start(...args: string[]): Promise<void> {
    return this.#start(`--remote=punix:${this.dir}/sock`, ...args);
  }

  /** As `start`, with what a configuration file says. */
  startConfigured(path: string): Promise<void> {
    return this.#start(`--config-file=${path}`);
  }

  async #start(...args: string[]): Promise<void> {
    const ctl = join(this.dir, 'ctl');
    rmSync(ctl, { force: true });
    const common = [`--unixctl=${ctl}`, '-vconsole:off'];
    this.#child = spawn(PROGRAM[this.side], [...common, `--log-file=${this.dir}/log`, ...args], {
      stdio: 'ignore',
      cwd: this.dir,
      env: { ...process.env, OVS_RUNDIR: this.dir },
    });
    await until('the control socket', () => existsSync(ctl));
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Runs the server in the foreground, for what ends by itself. */
  serve(...args: string[]): Result {
    return this.#spawn(PROGRAM[this.side], args);
  }

  /** The distribution's tools, with this server's directory. */
  run(program: string, ...args: string[]): Result {
    return this.#spawn(`/usr/bin/${program}`, args);
  }

  /** What a program prints that may be of either side. */
  program(path: string, ...args: string[]): string {
    const { status, stdout, stderr } = this.#spawn(path, args);
    if (status !== 0) throw new Error(`${path} ${args.join(' ')}: exit ${status}: ${stderr}`);
    return stdout;
  }

  #spawn(path: string, args: readonly string[]): Result {
    const { status, stdout, stderr } = spawnSync(path, args, {
      encoding: 'utf8',
      timeout: 20_000,
      cwd: this.dir,
      env: { ...process.env, OVS_RUNDIR: this.dir, OVS_DBDIR: this.dir },
    });
    return { status, stdout, stderr };
  }

  tool(program: string, ...args: string[]): string {
    return this.program(`/usr/bin/${program}`, ...args);
  }

  /** What ovs-appctl prints, without the directory's name. */
  appctl(...args: string[]): string {
    const { stdout, stderr } = this.run('ovs-appctl', '-t', join(this.dir, 'ctl'), ...args);
    return (stdout + stderr)
      .replaceAll(this.dir, 'DIR')
      .replace(/^ovs-appctl: .* server returned an error\n/m, '');
  }

  vsctl(...args: string[]): string {
    return this.tool('ovs-vsctl', `--db=${this.remote}`, '--no-wait', '--timeout=10', ...args);
  }
}

export async function until(what: string, check: () => boolean, timeoutMs = 15_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!check()) {
    if (performance.now() > end) throw new Error(`${what}: not in time`);
    await delay(30);
  }
}
