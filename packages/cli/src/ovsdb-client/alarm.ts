import { HeddleError } from '@heddle/runtime/errors';
import { vlog } from '@heddle/runtime/vlog';

const MAX_TIMER_MS = 2 ** 31 - 1;

/** Ends the process by SIGALRM, as alarm(2) would, when `text` seconds have passed. */
export function startAlarm(text: string): void {
  const seconds = Number(text);
  if (!/^\d+$/.test(text) || seconds < 1 || seconds >= 2 ** 31) {
    throw new HeddleError(`value ${text} on -t or --timeout is invalid`);
  }
  const end = () => {
    // Who listens tells of it.
    if (process.listenerCount('SIGALRM') === 0) {
      vlog.module('fatal_signal').warn('terminating with signal 14 (Alarm clock)');
    }
    process.kill(process.pid, 'SIGALRM');
  };
  setTimeout(end, Math.min(seconds * 1000, MAX_TIMER_MS)).unref();
}
