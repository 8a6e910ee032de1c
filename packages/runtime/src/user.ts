/** `--user=USER[:GROUP]` (ovsdb-server(1), "Daemon Options"): a daemon gives up root's privileges. */
import { spawnSync } from 'node:child_process';
import { HeddleError } from './errors.ts';

/** The user that a daemon is to become. */
export interface DaemonUser {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Capabilities of Linux: runs `change`, which changes the user of the process, and leaves the
 * process with those alone that a daemon of another user is granted. Node has no such calls; the
 * package that has brings them here.
 */
export type CapabilityKeeper = (change: () => void) => void;

let keeper: CapabilityKeeper = (change) => change();

export function installCapabilityKeeper(keep: CapabilityKeeper): void {
  keeper = keep;
}

/**
 * Looks a user and a group up, by name as upstream; either may be left out. `pidfile` is what
 * upstream's words begin with. Throws HeddleError.
 */
export function findUser(program: string, pidfile: string | undefined, text: string): DaemonUser {
  const where = `${program}: ${pidfile ?? '(null)'}`;
  if (process.geteuid!() !== 0) throw new HeddleError(`${where}: only root can use --user option`);
  const colon = text.indexOf(':');
  const user = colon < 0 ? text : text.slice(0, colon);
  const group = colon < 0 ? '' : text.slice(colon + 1);
  const account = user === '' ? entry('passwd', '0') : named('passwd', user);
  if (!account) throw new HeddleError(`${where}: user ${user} not found, aborting.`);
  const [name, , uid, primary] = account;
  if (group === '') return { uid: Number(uid), gid: Number(primary) };
  const members = named('group', group);
  if (!members) throw new HeddleError(`${where}: group ${group} not found, aborting.`);
  const [, , gid, list = ''] = members;
  if (gid !== primary && !list.split(',').includes(name!)) {
    const why = `user ${name} is not in group ${group}`;
    throw new HeddleError(`${where}: Invalid --user option ${text} (${why}), aborting.`);
  }
  return { uid: Number(uid), gid: Number(gid) };
}

function named(database: 'passwd' | 'group', name: string): string[] | undefined {
  const found = entry(database, name);
  // getent takes numbers, too.
  return found?.[0] === name ? found : undefined;
}

/** Of whatever sources of names the machine has (nsswitch.conf(5)). */
function entry(database: 'passwd' | 'group', key: string): string[] | undefined {
  const { status, stdout } = spawnSync('getent', [database, '--', key], { encoding: 'utf8' });
  return status === 0 ? stdout.trimEnd().split(':') : undefined;
}

/** Becomes that user, in no group but its own. */
export function becomeUser({ uid, gid }: DaemonUser): void {
  keeper(() => {
    process.setgid!(gid);
    process.setgroups!([]);
    process.setuid!(uid);
  });
}
