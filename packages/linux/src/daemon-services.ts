import { installCapabilityKeeper, installFileLocks, installUnixDatagram } from '@heddle/runtime';
import { keepDaemonCapabilities } from './capabilities.ts';
import { linuxFileLocks } from './file-lock.ts';
import { unixDatagram } from './unix-datagram.ts';

/** Brings daemons what Node lacks: pidfile locks, syslog and capabilities. To be called before daemonStart. */
export function installDaemonServices(): void {
  installFileLocks(linuxFileLocks);
  installUnixDatagram(unixDatagram);
  installCapabilityKeeper(keepDaemonCapabilities);
}
