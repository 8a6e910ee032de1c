import { installFileLocks, installUnixDatagram } from '@heddle/runtime';
import { linuxFileLocks } from './file-lock.ts';
import { unixDatagram } from './unix-datagram.ts';

/** Brings daemons what Node lacks: pidfile locks and syslog. To be called before daemonStart. */
export function installDaemonServices(): void {
  installFileLocks(linuxFileLocks);
  installUnixDatagram(unixDatagram);
}
