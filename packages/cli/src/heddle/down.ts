/** `heddle down`: stops switch and database, whoever started them in this run directory. */
import { print } from '@heddle/runtime/stdio';
import { AttachError } from '../attach/errors.ts';
import { callDaemon, type DaemonName, daemonPid } from './daemons.ts';

/** The switch first: it writes its last status to the database. */
const ORDER: readonly DaemonName[] = ['ovs-vswitchd', 'ovsdb-server'];

export async function down(keepTraffic: boolean): Promise<number> {
  let stopped = 0;
  for (const name of ORDER) {
    const pid = daemonPid(name);
    if (pid === undefined) continue;
    await stop(name, pid, name === 'ovs-vswitchd' && !keepTraffic ? ['--cleanup'] : []);
    print(`${name} (pid ${pid}) stopped\n`);
    stopped++;
  }
  if (stopped === 0) print('nothing runs\n');
  return 0;
}

async function stop(name: DaemonName, pid: number, args: string[]): Promise<void> {
  try {
    await callDaemon(name, pid, 'exit', ...args);
  } catch (error) {
    // A daemon that ends may close its socket before its reply. One that goes on did refuse.
    await ended(name, pid).catch(() => {
      throw error;
    });
    return;
  }
  // One process that serves as both may wait for the second `exit`.
  if (name === 'ovs-vswitchd' && daemonPid('ovsdb-server') === pid) return;
  await ended(name, pid);
}

const PATIENCE_MS = 10_000;

async function ended(name: DaemonName, pid: number): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (daemonPid(name) === pid) {
    if (Date.now() > end) throw new AttachError(`${name} (pid ${pid}) does not end`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
