/** Node cannot fork: --detach and --monitor start the same command again in the role of a child. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { ROLE, type Role } from './role.ts';
import { nameProcess, selfCommand } from './self.ts';
import { signalText } from './signals.ts';
import { vlog } from './vlog.ts';

/** In a child, the descriptor on which it tells its parent that it serves. */
const READY_FD = 3;

/** Signals that tell of a bug, after which the monitor starts the daemon again. */
const CRASHES = new Set([
  ...['SIGABRT', 'SIGALRM', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGPIPE', 'SIGSEGV', 'SIGTRAP'],
  ...['SIGXCPU', 'SIGXFSZ'],
]);
const RESTART_MS = 10_000;

const log = vlog.module('daemon_unix');

/** Tells the parent that waits for it, and lets go of its standard error if need be. */
export function tellReady(background: boolean, keepsStderr = false): void {
  try {
    writeSync(READY_FD, 'r');
    closeSync(READY_FD);
  } catch {
    // The parent has gone: nobody waits.
  }
  if (background && !keepsStderr) redirectStderr();
  if (background) vlog.setLevel(undefined, 'console', 'off');
}

/** As upstream: a caller that reads our standard error until its end must not wait for our end. */
function redirectStderr(): void {
  try {
    closeSync(2);
    // The lowest free descriptor is the one just closed.
    openSync('/dev/null', 'w');
  } catch {
    // Without /dev/null there is nothing to do about it.
  }
}

function start(role: Role, relay: boolean, keepsStderr: boolean): ChildProcess {
  return spawn(process.execPath, selfCommand(), {
    argv0: process.argv0,
    detached: relay,
    stdio: ['ignore', 'ignore', keepsStderr ? 'inherit' : relay ? 'pipe' : 'ignore', 'pipe'],
    env: { ...process.env, [ROLE]: role },
  });
}

/**
 * Starts the process in the background; resolves with 0 when it said that it serves, else with the
 * status that it ended with. What it writes to standard error until then is ours, or for good when
 * it is to keep it.
 */
export function detach(role: Role, keepsStderr: boolean): Promise<number> {
  const child = start(role, true, keepsStderr);
  child.stderr?.on('data', (bytes: Buffer) => writeSync(2, bytes));
  return new Promise((resolve) => {
    child.stdio[READY_FD]?.on('data', () => resolve(0));
    child.on('close', (code) => resolve(code ?? 1));
    child.on('error', (error) => {
      log.err(`could not start: ${error.message}`);
      resolve(1);
    });
  });
}

/** Runs the daemon, and again when it crashed; resolves with the status to exit with. */
export async function watchOver(program: string, detached: boolean): Promise<number> {
  vlog.setThread('monitor');
  let current: ChildProcess | undefined;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => current?.kill(signal));
  }
  let crashes = 0;
  let lastRestart = Number.NEGATIVE_INFINITY;
  let status = 'healthy';
  for (;;) {
    const first = crashes === 0;
    current = start('daemon', false, first || !detached);
    process.title = `${program}: monitoring pid ${current.pid} (${status})`;
    nameProcess('monitor');
    if (detached && first) current.stdio[READY_FD]?.once('data', () => tellReady(true));
    const { code, signal } = await ended(current);
    const death = signal === null ? `exit status ${code}` : `killed (${signalText(signal)})`;
    if (signal === null || !CRASHES.has(signal)) {
      log.info(`pid ${current.pid} died, ${death}, exiting`);
      return code ?? 0;
    }
    crashes++;
    status = `${crashes} crashes: pid ${current.pid} died, ${death}`;
    const wait = lastRestart + RESTART_MS - performance.now();
    if (wait > 0) {
      log.warn(`${status}, waiting until 10 seconds since last restart`);
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
    log.err(`${status}, restarting`);
    lastRestart = performance.now();
  }
}

function ended(child: ChildProcess): Promise<{ code: number | null; signal: string | null }> {
  return new Promise((resolve) => {
    child.on('exit', (code, signal) => resolve({ code, signal }));
    child.on('error', () => resolve({ code: 1, signal: null }));
  });
}
