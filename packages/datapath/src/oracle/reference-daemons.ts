/** The distribution's daemons: whether they are there, and their end. */
import { existsSync } from 'node:fs';

export const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema';

/** Whether Open vSwitch's own daemons are installed. */
export function oracleInstalled(): boolean {
  return existsSync(SCHEMA) && existsSync('/usr/sbin/ovs-vswitchd');
}

/** Waits for the end, so that nothing is written into a directory that goes away. */
export function terminate(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
    const cell = new Int32Array(new SharedArrayBuffer(4));
    for (let tries = 0; tries < 100; tries++) {
      process.kill(pid, 0);
      Atomics.wait(cell, 0, 0, 20);
    }
  } catch {
    // ESRCH: it is gone.
  }
}
