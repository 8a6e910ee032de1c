import { readdirSync, readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { dirs } from '@heddle/runtime/dirs';
import { errnoOf, HeddleError, strerror } from '@heddle/runtime/errors';
import { vlog } from '@heddle/runtime/vlog';

/**
 * The control socket of TARGET (ovs-appctl(8)): an absolute path is the socket itself, anything
 * else names the pidfile RUNDIR/TARGET.pid. A bare pid is taken, too, when no such pidfile exists.
 */
export function controlSocket(target: string): string {
  if (isAbsolute(target)) return target;
  const pidfile = join(dirs.rundir, `${target}.pid`);
  let text: string;
  try {
    text = readFileSync(pidfile, 'latin1');
  } catch (error) {
    const socket = /^[1-9]\d*$/.test(target) ? socketOfPid(target) : undefined;
    if (socket !== undefined) return socket;
    const why = strerror(errnoOf(error));
    vlog.module('daemon_unix').warn(`${pidfile}: open: ${why}`);
    throw new HeddleError(`cannot read pidfile "${pidfile}" (${why})`);
  }
  const pid = Number.parseInt(text, 10);
  if (!isRunning(pid)) {
    throw new HeddleError(`cannot read pidfile "${pidfile}" (${strerror('ESRCH')})`);
  }
  return join(dirs.rundir, `${target}.${pid}.ctl`);
}

function socketOfPid(pid: string): string | undefined {
  try {
    const name = readdirSync(dirs.rundir).find((file) => file.endsWith(`.${pid}.ctl`));
    return name === undefined ? undefined : join(dirs.rundir, name);
  } catch {
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  if (!(pid > 0 && pid < 2 ** 31)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}
