/**
 * Real containers for tests and the quickstart. A daemon that answers is used; else a private one is
 * started, with its own data, sockets and no firewall rules, and stopped at the end of the scope.
 */

import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, openSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Host } from './host.ts';
import { delay, run, runOk } from './process.ts';
import type { Scope } from './scope.ts';

export interface Container {
  readonly id: string;
  readonly name: string;
  readonly pid: number;
  readonly host: Host;
}

export interface DockerOptions {
  /** Called with a word of what takes time. */
  progress?: (what: string) => void;
  startMs?: number;
  /** Where a private daemon keeps its data, sockets and pidfile (`pid`). */
  directory?: string;
}

const IMAGE = 'heddle-test:busybox';
const APPLETS = ['sh', 'sleep', 'ping', 'ping6', 'ip', 'nc', 'arping', 'ifconfig', 'route', 'cat'];
const BUSYBOX = ['/usr/bin/busybox', '/bin/busybox'];

export class Docker {
  /** `unix:///path`, what DOCKER_HOST needs to name this daemon; undefined for the usual one. */
  readonly endpoint: string | undefined;
  /** True when this scope started the daemon. */
  readonly started: boolean;
  readonly #scope: Scope;

  private constructor(scope: Scope, endpoint: string | undefined, started: boolean) {
    this.#scope = scope;
    this.endpoint = endpoint;
    this.started = started;
  }

  /** A usable Docker, or the reason why there is none. */
  static async open(scope: Scope, options: DockerOptions = {}): Promise<Docker | string> {
    if (!(await available('docker'))) return 'no docker command';
    const running = new Docker(scope, process.env.DOCKER_HOST, false);
    const docker = (await running.answers()) ? running : await Docker.#start(scope, options);
    if (typeof docker === 'string') return docker;
    const failure = await docker.#importImage();
    return failure ?? docker;
  }

  static async #start(scope: Scope, options: DockerOptions): Promise<Docker | string> {
    if (!(await available('dockerd'))) return 'no Docker daemon answers and dockerd is missing';
    options.progress?.('starting a private Docker daemon');
    const root = options.directory ?? scope.directory('hd');
    mkdirSync(root, { recursive: true });
    const socket = join(root, 'docker.sock');
    const log = openSync(join(root, 'log'), 'w');
    const daemon = spawn('dockerd', daemonArguments(root, socket), {
      stdio: ['ignore', log, log],
      detached: true,
    });
    daemon.unref();
    let ended = false;
    const exit = new Promise<void>((resolve) => {
      const finish = (): void => {
        ended = true;
        resolve();
      };
      daemon.on('exit', finish).on('error', finish);
    });
    scope.defer(async () => {
      daemon.kill('SIGTERM');
      const patience = setTimeout(() => daemon.kill('SIGKILL'), 8000);
      await exit;
      clearTimeout(patience);
      // Whatever a killed daemon left mounted keeps its directory from going.
      await run(['sh', '-c', `grep -o '${root}[^ ]*' /proc/mounts | sort -r | xargs -r umount -l`]);
    });
    const docker = new Docker(scope, `unix://${socket}`, true);
    const end = Date.now() + (options.startMs ?? 20_000);
    while (Date.now() < end && !ended) {
      if (await docker.answers()) return docker;
      await delay(100);
    }
    const { stdout } = await run(['tail', '-n', '2', join(root, 'log')]);
    return `dockerd does not start: ${stdout.trim()}`;
  }

  get env(): Record<string, string> {
    return this.endpoint === undefined ? {} : { DOCKER_HOST: this.endpoint };
  }

  command(...args: string[]): Promise<string> {
    return runOk(['docker', ...args], { env: this.env, timeoutMs: 60_000 });
  }

  async answers(): Promise<boolean> {
    const argv = ['docker', 'version', '--format', '{{.Server.Version}}'];
    const { code } = await run(argv, { env: this.env, timeoutMs: 5000 });
    return code === 0;
  }

  /** A container without a network of its own, removed with the scope. */
  async container(name: string): Promise<Container> {
    const args = ['--detach', '--network', 'none', '--cap-add', 'NET_ADMIN', '--name', name];
    const id = (await this.command('run', ...args, '--init=false', IMAGE, 'sleep', '86400')).trim();
    this.#scope.defer(() => this.remove(name));
    const pid = Number((await this.command('inspect', '-f', '{{.State.Pid}}', name)).trim());
    return { id, name, pid, host: Host.ofProcess(name, pid) };
  }

  async remove(name: string): Promise<void> {
    await run(['docker', 'rm', '--force', '--volumes', name], { env: this.env });
  }

  /** An image without a registry: one static busybox and links to it. */
  async #importImage(): Promise<string | undefined> {
    const present = await run(['docker', 'image', 'inspect', IMAGE], { env: this.env });
    if (present.code === 0) return undefined;
    const busybox = BUSYBOX.find((path) => existsSync(path));
    if (busybox === undefined) return 'busybox-static is not installed';
    const tree = this.#scope.directory('hdimg');
    for (const part of ['bin', 'proc', 'sys', 'dev', 'etc', 'tmp']) mkdirSync(join(tree, part));
    copyFileSync(busybox, join(tree, 'bin/busybox'));
    chmodSync(join(tree, 'bin/busybox'), 0o755);
    for (const applet of APPLETS) symlinkSync('busybox', join(tree, 'bin', applet));
    const script = `tar -C ${tree} -c . | docker import - ${IMAGE}`;
    const { code, stderr } = await run(['sh', '-c', script], { env: this.env, timeoutMs: 60_000 });
    return code === 0 ? undefined : `docker import: ${stderr.trim()}`;
  }
}

function daemonArguments(root: string, socket: string): string[] {
  return [
    `--host=unix://${socket}`,
    `--data-root=${join(root, 'data')}`,
    `--exec-root=${join(root, 'exec')}`,
    `--pidfile=${join(root, 'pid')}`,
    '--iptables=false',
    '--ip6tables=false',
    '--bridge=none',
    '--storage-driver=vfs',
    '--live-restore=false',
  ];
}

async function available(command: string): Promise<boolean> {
  const { code } = await run(['sh', '-c', `command -v ${command}`]);
  return code === 0;
}
