import { constants } from 'node:os';
import { removeExitFiles } from './exit-files.ts';
import { vlog } from './vlog.ts';

/** strsignal(3) of the signals that end daemons. */
const TEXT: Readonly<Record<string, string>> = {
  SIGHUP: 'Hangup',
  SIGINT: 'Interrupt',
  SIGQUIT: 'Quit',
  SIGILL: 'Illegal instruction',
  SIGTRAP: 'Trace/breakpoint trap',
  SIGABRT: 'Aborted',
  SIGBUS: 'Bus error',
  SIGFPE: 'Floating point exception',
  SIGKILL: 'Killed',
  SIGUSR1: 'User defined signal 1',
  SIGSEGV: 'Segmentation fault',
  SIGUSR2: 'User defined signal 2',
  SIGPIPE: 'Broken pipe',
  SIGALRM: 'Alarm clock',
  SIGTERM: 'Terminated',
  SIGXCPU: 'CPU time limit exceeded',
  SIGXFSZ: 'File size limit exceeded',
};

export function signalText(signal: string): string {
  return TEXT[signal] ?? signal;
}

const FATAL = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGALRM'] as const;

/**
 * On a signal that ends the daemon: a line in the log, `stop`, its files removed, then death by that
 * signal. Leaves alone the signals that somebody listens for already.
 */
export function dieOfSignals(stop: () => void | Promise<void> = () => {}): void {
  let isEnding = false;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (isEnding) return;
    isEnding = true;
    const n = constants.signals[signal];
    vlog.module('fatal_signal').warn(`terminating with signal ${n} (${signalText(signal)})`);
    await stop();
    removeExitFiles();
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  };
  for (const signal of FATAL) {
    if (process.listenerCount(signal) === 0) process.on(signal, (s) => void end(s));
  }
}

/** A bug ends the daemon as a crash does: a monitor or a service manager sees it and restarts. */
export function crashOnBugs(): void {
  const crash = (error: unknown) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    vlog.module('util').emer(text);
    removeExitFiles();
    process.kill(process.pid, 'SIGABRT');
  };
  process.on('uncaughtException', crash);
}
