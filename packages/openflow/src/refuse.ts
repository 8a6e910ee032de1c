/** Errors of messages of which the log is told in Open vSwitch's words. */
import type { vlog } from '@heddle/runtime';
import { OfpError } from './errors.ts';

type Log = ReturnType<typeof vlog.module>;

/** To be thrown: the log has been told why. */
export function refusal(log: Log, ofpErr: string, why: string): OfpError {
  log.rl.warn(why);
  return new OfpError(ofpErr);
}
