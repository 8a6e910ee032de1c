/** Finds descriptors that code under test left open. */
import { readdirSync, readlinkSync } from 'node:fs';

/** Open descriptors and what they are: `socket:[123]`, `/dev/net/tun` … */
export function openFds(): Map<number, string> {
  const open = new Map<number, string>();
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      open.set(Number(name), readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // The directory listing's own descriptor is gone by now.
    }
  }
  return open;
}

/** Call it before; what it returns, called after, lists what has been opened and not closed. */
export function fdLeakCheck(): () => string[] {
  const before = openFds();
  return () =>
    [...openFds()]
      .filter(([fd, what]) => before.get(fd) !== what)
      .map(([fd, what]) => `${fd} ${what}`);
}
