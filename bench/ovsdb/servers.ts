/** The two servers under comparison, each a process of its own. */
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { collect, REPOSITORY, run, runOk, start } from '@heddle/testing';
import { Channel } from './channel.ts';

export interface Kind {
  readonly name: string;
  readonly command: string;
}

export const OURS: Kind = { name: 'heddle', command: join(REPOSITORY, 'bin/ovsdb-server') };
export const THEIRS: Kind = { name: 'ovsdb-server', command: '/usr/sbin/ovsdb-server' };

const LOAD = join(import.meta.dirname, 'load.ts');
const JOB_TIMEOUT_MS = 300_000;
/** Processor time that a server with nothing to do takes in a second. */
const IDLE_MS = 20;

export class Server {
  readonly socket: string;
  readonly #ctl: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  private constructor(kind: Kind, dir: string, file: string) {
    this.socket = join(dir, `${kind.name}.sock`);
    this.#ctl = join(dir, `${kind.name}.ctl`);
    rmSync(this.socket, { force: true });
    const options = [`--remote=punix:${this.socket}`, `--unixctl=${this.#ctl}`, '-vconsole:off'];
    this.#child = start([kind.command, ...options, file], { env: { OVS_RUNDIR: dir } });
    this.#ended = collect(this.#child, { timeoutMs: 2 ** 31 - 1 });
  }

  /** Resolves when the server answers, with the milliseconds that it took. */
  static async start(kind: Kind, dir: string, file: string): Promise<[Server, number]> {
    const began = performance.now();
    const server = new Server(kind, dir, file);
    for (;;) {
      try {
        using channel = new Channel(server.socket);
        channel.request('list_dbs', []);
        return [server, performance.now() - began];
      } catch (error) {
        if (performance.now() - began > 120_000) throw error;
        await delay(5);
      }
    }
  }

  /** Resident bytes. */
  get memory(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024;
  }

  /** Milliseconds of processor time, of all threads, in the process and in the kernel for it. */
  get cpuMs(): number {
    const tasks = `/proc/${this.#child.pid}/task`;
    let ns = 0;
    for (const task of readdirSync(tasks)) {
      ns += Number(readFileSync(`${tasks}/${task}/schedstat`, 'latin1').split(' ')[0]);
    }
    return ns / 1e6;
  }

  async load<T>(job: string, parameters: object = {}): Promise<T> {
    const json = JSON.stringify({ socket: this.socket, ...parameters });
    const argv = [process.execPath, '--disable-warning=ExperimentalWarning', LOAD, job, json];
    return JSON.parse(await runOk(argv, { timeoutMs: JOB_TIMEOUT_MS })) as T;
  }

  /** Waits until the server has done what it does by itself after its start. */
  async settle(): Promise<void> {
    await delay(2000);
    for (;;) {
      const before = this.cpuMs;
      await delay(1000);
      if (this.cpuMs - before < IDLE_MS) return;
    }
  }

  async compact(): Promise<void> {
    await runOk(['ovs-appctl', '-t', this.#ctl, 'ovsdb-server/compact'], {
      timeoutMs: JOB_TIMEOUT_MS,
    });
  }

  async stop(): Promise<void> {
    await run(['ovs-appctl', '-t', this.#ctl, 'exit']);
    this.#child.kill();
    await this.#ended;
  }
}
