import {
  installCapabilityKeeper,
  installDirectSockets,
  installFileLocks,
  installRecordWriter,
  installUnixDatagram,
} from '@heddle/runtime';
import { keepDaemonCapabilities } from './capabilities.ts';
import { linuxFileLocks } from './file-lock.ts';
import { attend, sendEach, sendNow, writeRecord } from './native.ts';
import { unixDatagram } from './unix-datagram.ts';

/** Brings daemons what Node lacks: pidfile locks, syslog, capabilities, sockets without streams. To be called before daemonStart. */
export function installDaemonServices(): void {
  installFileLocks(linuxFileLocks);
  installRecordWriter(writeRecord);
  installUnixDatagram(unixDatagram);
  installDirectSockets({ send: sendNow, sendEach, attend });
  installCapabilityKeeper(keepDaemonCapabilities);
}
