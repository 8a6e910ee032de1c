/** Runs openssl(1); what it says goes to the log file. */
import { spawnSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { HeddleError } from '@heddle/runtime/errors';

export interface RunOptions {
  readonly log: string;
  readonly cwd?: string;
}

/** Its standard output. Throws, after showing what went wrong, when it fails. */
export function openssl(args: readonly string[], { log, cwd }: RunOptions): string {
  const { stdout, stderr, status, error } = spawnSync('openssl', args, {
    encoding: 'utf8',
    ...(cwd !== undefined && { cwd }),
  });
  if (error) throw new HeddleError('openssl could not be run: is it installed?');
  try {
    appendFileSync(log, stderr);
  } catch (why) {
    throw new HeddleError(`${log}: ${(why as Error).message}`);
  }
  if (status !== 0) throw new HeddleError(`openssl ${args[0]} failed:\n${stderr.trim()}`);
  return stdout;
}
