import { isAbsolute, join } from 'node:path';

/** Where files live: upstream's defaults (ovs-appctl(8), ovsdb-server(1)) and its environment. */
export const dirs = {
  get sysconfdir(): string {
    return process.env['OVS_SYSCONFDIR'] || '/etc';
  },
  get rundir(): string {
    return process.env['OVS_RUNDIR'] || '/var/run/openvswitch';
  },
  get logdir(): string {
    return process.env['OVS_LOGDIR'] || '/var/log/openvswitch';
  },
  /** OVS_DBDIR, else OVS_SYSCONFDIR/openvswitch. */
  get dbdir(): string {
    return process.env['OVS_DBDIR'] || join(this.sysconfdir, 'openvswitch');
  },
  get defaultDb(): string {
    return join(this.dbdir, 'conf.db');
  },
  /** `unix:RUNDIR/db.sock`, the default DATABASE of every client. */
  get defaultRemote(): string {
    return `unix:${join(this.rundir, 'db.sock')}`;
  },
};

/** A path that upstream takes relative to `directory` unless it is absolute. */
export function absoluteIn(directory: string, path: string): string {
  return isAbsolute(path) ? path : join(directory, path);
}
