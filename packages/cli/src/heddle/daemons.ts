/** The daemons of the run directory, whether they are two processes or one (`heddle up`). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dirs } from '@heddle/runtime/dirs';
import { HeddleError } from '@heddle/runtime/errors';
import { unixctlCall } from '@heddle/runtime/unixctl-client';
import { processStart } from '../attach/owner.ts';

export type DaemonName = 'ovsdb-server' | 'ovs-vswitchd';

/** The pid in the daemon's pidfile if that process is alive. */
export function daemonPid(name: DaemonName): number | undefined {
  try {
    const pid = Number(readFileSync(join(dirs.rundir, `${name}.pid`), 'utf8'));
    return processStart(pid) === undefined ? undefined : pid;
  } catch {
    return undefined;
  }
}

const CALL_MS = 10_000;

/** Throws what the daemon refused, or that it does not answer. */
export async function callDaemon(
  name: DaemonName,
  pid: number,
  command: string,
  ...args: string[]
): Promise<string> {
  const socket = join(dirs.rundir, `${name}.${pid}.ctl`);
  const reply = await unixctlCall(socket, command, args, AbortSignal.timeout(CALL_MS));
  if (reply.error !== null) throw new HeddleError(`${name}: ${reply.error.trim()}`);
  return reply.result ?? '';
}
