/**
 * Start-up of a daemon as ovs-vswitchd(8) "Daemon Options" has it. Node cannot fork: --detach and
 * --monitor run the same command again with a pipe on which it tells that it serves.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { absoluteIn, dirs } from './dirs.ts';
import { errnoOf, HeddleError, strerror } from './errors.ts';
import { fileLocks } from './file-lock.ts';
import type { OptionSpec, ParsedOption } from './options.ts';
import { selfCommand } from './self.ts';
import { vlog } from './vlog.ts';

/** Set for the process that serves: the descriptor to tell readiness on. */
const READY_FD = 'HEDDLE_READY_FD';
/** Set for the process that watches over the one that serves. */
const MONITOR = 'HEDDLE_MONITOR';

const log = vlog.module('daemon');

export const DAEMON_OPTIONS: readonly OptionSpec[] = [
  { long: 'detach', help: 'run in background as daemon' },
  { long: 'no-chdir', help: "do not chdir to '/'" },
  { long: 'pidfile', argument: 'FILE', optional: true, help: 'create pidfile' },
  { long: 'overwrite-pidfile', help: 'with --pidfile, start even if already running' },
  { long: 'monitor', help: 'restart the daemon when it crashes' },
  { long: 'no-self-confinement', help: 'accepted for compatibility' },
  { long: 'user', argument: 'USER[:GROUP]', help: 'run as that user (refused: needs root)' },
];

export const LOG_OPTIONS: readonly OptionSpec[] = [
  { long: 'verbose', short: 'v', argument: 'SPEC', optional: true, help: 'set logging levels' },
  { long: 'log-file', argument: 'FILE', optional: true, help: 'enable logging to FILE' },
  { long: 'syslog-method', argument: 'METHOD', help: '(libc|unix:file|udp:ip:port|null)' },
  { long: 'syslog-target', argument: 'HOST:PORT', help: 'also send syslog messages there' },
];

export interface DaemonConfig {
  detach: boolean;
  chdir: boolean;
  monitor: boolean;
  pidfile: string | undefined;
  overwritePidfile: boolean;
}

/** Applies a logging option; returns whether it was one. Throws HeddleError on a bad SPEC. */
export function applyLogOption(program: string, { spec, value }: ParsedOption): boolean {
  switch (spec.long) {
    case 'verbose': {
      if (value === undefined) vlog.setLevel(undefined, 'console', 'dbg');
      else {
        const wrong = vlog.apply(value);
        if (wrong !== undefined && !wrong.startsWith('no facility')) {
          throw new HeddleError(`${program}: processing "${value}": ${wrong}`);
        }
      }
      return true;
    }
    case 'log-file': {
      const path = absoluteIn(dirs.logdir, value ?? `${program}.log`);
      try {
        vlog.openFile(path);
      } catch (error) {
        process.stderr.write(
          `${program}: failed to open ${path} for logging: ${strerror(errnoOf(error))}\n`,
        );
      }
      return true;
    }
    case 'syslog-method':
    case 'syslog-target':
      return true;
    default:
      return false;
  }
}

/** Applies a daemon option to `config`; returns whether it was one. */
export function applyDaemonOption(
  program: string,
  config: DaemonConfig,
  { spec, value }: ParsedOption,
): boolean {
  switch (spec.long) {
    case 'detach':
      config.detach = true;
      return true;
    case 'no-chdir':
      config.chdir = false;
      return true;
    case 'pidfile':
      config.pidfile = absoluteIn(dirs.rundir, value ?? `${program}.pid`);
      return true;
    case 'overwrite-pidfile':
      config.overwritePidfile = true;
      return true;
    case 'monitor':
      config.monitor = true;
      return true;
    case 'no-self-confinement':
      return true;
    case 'user':
      throw new HeddleError(`${program}: --user is not supported: this program needs root`);
    default:
      return false;
  }
}

export function daemonConfig(): DaemonConfig {
  return {
    detach: false,
    chdir: true,
    monitor: false,
    pidfile: undefined,
    overwritePidfile: false,
  };
}

export interface Daemon {
  /** To be called once when the daemon serves: a parent that waits for it returns. */
  ready(): void;
}

/**
 * Becomes the daemon that `config` asks for. In a process that only starts another, this does not
 * return: it ends with the other's exit status when the other is ready or has failed.
 */
export async function daemonStart(program: string, config: DaemonConfig): Promise<Daemon> {
  vlog.setProgram(program);
  const inChild = process.env[READY_FD] !== undefined;
  if (config.detach && !inChild) process.exit(await startDetached(config.monitor));
  if (config.monitor && process.env[MONITOR] !== undefined) process.exit(await watchOver());
  const fd = inChild ? Number(process.env[READY_FD]) : undefined;
  delete process.env[READY_FD];
  delete process.env[MONITOR];
  if (config.pidfile !== undefined) claimPidfile(program, config);
  if (config.detach && config.chdir) process.chdir('/');
  return {
    ready() {
      if (fd === undefined) return;
      try {
        writeSync(fd, 'r');
        closeSync(fd);
      } catch {
        // The parent has gone: nobody waits.
      }
    },
  };
}

/** Resolves with 0 when the child said that it is ready, else with its exit status. */
function startDetached(monitored: boolean): Promise<number> {
  const env = { ...process.env, [READY_FD]: '3', ...(monitored ? { [MONITOR]: '1' } : {}) };
  const child = spawn(process.execPath, selfCommand(), {
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    env,
  });
  return new Promise((resolve) => {
    let ready = false;
    child.stdio[3]?.on('data', () => {
      ready = true;
      resolve(0);
    });
    child.on('exit', (code) => {
      if (!ready) resolve(code ?? 1);
    });
    child.on('error', () => resolve(1));
  });
}

/** Runs the daemon and runs it again when it dies of a signal that tells of a crash. */
async function watchOver(): Promise<number> {
  const crash = new Set(['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSEGV', 'SIGXCPU', 'SIGPIPE']);
  let status = 'healthy';
  for (;;) {
    const env = { ...process.env };
    delete env[MONITOR];
    const first = status === 'healthy';
    const ready = Number(process.env[READY_FD]);
    const child = spawn(process.execPath, selfCommand(), {
      stdio: ['ignore', 'ignore', first ? 'inherit' : 'ignore', first ? ready : 'ignore'],
      env: { ...env, [READY_FD]: '3' },
    });
    if (first) closeSync(ready);
    for (const s of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      process.removeAllListeners(s);
      process.on(s, () => child.kill(s));
    }
    const { code, signal } = await new Promise<{ code: number | null; signal: string | null }>(
      (resolve) => child.on('exit', (c, s) => resolve({ code: c, signal: s })),
    );
    if (signal === null || !crash.has(signal)) return code ?? 0;
    status = `pid ${child.pid} died, killed (${signal})`;
    log.err(`${status}, restarting`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** Creates the pidfile, refusing when its process still runs, and keeps it locked as upstream. */
function claimPidfile(program: string, config: DaemonConfig): void {
  const path = config.pidfile!;
  const running = runningPid(path);
  if (running !== undefined && running !== process.pid && !config.overwritePidfile) {
    throw new HeddleError(`${program}: ${path}: already running as pid ${running}, aborting`);
  }
  const tmp = `${path}.tmp${process.pid}`;
  try {
    // The descriptor stays open for as long as the process lives: it carries the lock.
    const fd = openSync(tmp, 'w', 0o644);
    writeSync(fd, `${process.pid}\n`);
    fileLocks()?.lock(fd);
    renameSync(tmp, path);
  } catch (error) {
    rmSync(tmp, { force: true });
    throw new HeddleError(`${program}: ${path}: create failed (${strerror(errnoOf(error))})`);
  }
  process.on('exit', () => {
    if (readPid(path) === process.pid) rmSync(path, { force: true });
  });
}

function readPid(path: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(path, 'utf8'), 10);
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** The pid in a pidfile when that daemon lives, which its lock on the file tells. */
export function runningPid(path: string): number | undefined {
  const pid = readPid(path);
  if (pid === undefined || pid === process.pid) return pid;
  const locks = fileLocks();
  try {
    if (locks) {
      const fd = openSync(path, 'r+');
      const holder = locks.holder(fd);
      closeSync(fd);
      return holder === undefined ? undefined : pid;
    }
    process.kill(pid, 0);
    return pid;
  } catch {
    return undefined;
  }
}

/** The control socket's path: `--unixctl`, else RUNDIR/PROGRAM.PID.ctl. */
export function unixctlPath(program: string, option: string | undefined): string {
  return option === undefined
    ? join(dirs.rundir, `${program}.${process.pid}.ctl`)
    : absoluteIn(dirs.rundir, option);
}
