/** Commands under test: bounded in time, their text collected, their end always awaited. */
import { type ChildProcess, spawn } from 'node:child_process';

export interface RunOptions {
  timeoutMs?: number;
  env?: Record<string, string>;
  input?: string;
  cwd?: string;
}

export interface RunResult {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A command that should have succeeded did not. */
export class CommandError extends Error {
  constructor(argv: readonly string[], result: RunResult) {
    const how = result.signal === null ? `exit ${result.code}` : result.signal;
    super(`${argv.join(' ')}: ${how}\n${result.stderr}${result.stdout}`.trimEnd());
  }
}

const DEFAULT_TIMEOUT_MS = 30_000;

/** Runs a command to its end; never throws for its exit code. Killed at the time limit. */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const child = start(argv, options);
  return collect(child, options);
}

/** As `run`, but an exit code other than 0 is an error. Returns what it printed. */
export async function runOk(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await run(argv, options);
  if (result.code !== 0) throw new CommandError(argv, result);
  return result.stdout;
}

/** Starts a command and leaves it running: the caller ends it. */
export function start(argv: readonly string[], options: RunOptions = {}): ChildProcess {
  const [command, ...args] = argv;
  if (command === undefined) throw new TypeError('empty command');
  return spawn(command, args, {
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
}

/** Text and exit of a child that `start` made. */
export function collect(child: ChildProcess, options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    // A detached grandchild may hold the pipes open: the exit counts, not their end.
    let drain: NodeJS.Timeout | undefined;
    const limit = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    const finish = (code: number | null, signal: NodeJS.Signals | null): void => {
      clearTimeout(limit);
      clearTimeout(drain);
      child.stdout?.destroy();
      child.stderr?.destroy();
      resolve({ code, signal, stdout, stderr });
    };
    child.on('error', (error) => {
      clearTimeout(limit);
      reject(error);
    });
    child.on('close', finish);
    child.on('exit', (code, signal) => {
      drain = setTimeout(() => finish(code, signal), 200);
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
  });
}

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Polls until `check` gives a value; fails with the last reason at the time limit. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined> | T | undefined,
  timeoutMs = 20_000,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  let reason = 'no answer';
  while (true) {
    try {
      const value = await check();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      reason = (error as Error).message;
    }
    if (Date.now() > end) throw new Error(`${what}: not within ${timeoutMs} ms (${reason})`);
    await delay(50);
  }
}
