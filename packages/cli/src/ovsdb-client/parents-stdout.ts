import { closeSync, openSync } from 'node:fs';
import { ROLE } from '@heddle/runtime/role';

/**
 * A daemon's standard output is nowhere, but what a detached monitor prints goes where its caller
 * wanted it: to the output of the parent, which waits until this process serves. To be called
 * before daemonStart.
 */
export function adoptParentsStdout(): void {
  if (process.env[ROLE] !== 'daemon') return;
  try {
    closeSync(1);
    // The lowest free descriptor is the one just closed.
    openSync(`/proc/${process.ppid}/fd/1`, 'a');
  } catch {
    // Closed, or a socket, which cannot be opened again.
    openSync('/dev/null', 'w');
  }
}
