/** The database within this process: the same files and sockets as a separate ovsdb-server. */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { linuxFileLocks } from '@heddle/linux/file-lock';
import { type Json, LogFile, parseSchema, schemaToJson, vswitchSchema } from '@heddle/ovsdb';
import { coverage } from '@heddle/runtime/coverage';
import { unixctlPath } from '@heddle/runtime/daemon';
import { dirs } from '@heddle/runtime/dirs';
import { installFileLocks } from '@heddle/runtime/file-lock';
import { UnixctlServer } from '@heddle/runtime/unixctl-server';
import { OvsdbDaemon } from '../ovsdb-server/daemon.ts';

/** Serves RUNDIR/db.sock and what the database's manager_options ask for. */
export async function startDatabase(remotes: readonly string[]): Promise<OvsdbDaemon> {
  installFileLocks(linuxFileLocks);
  createIfMissing(dirs.defaultDb);
  const ctl = new UnixctlServer('ovsdb-server');
  coverage.register(ctl);
  const daemon = new OvsdbDaemon(ctl, {
    privateKey: undefined,
    certificate: undefined,
    caCert: undefined,
  });
  const listen = [`punix:${join(dirs.rundir, 'db.sock')}`];
  const managers = 'db:Open_vSwitch,Open_vSwitch,manager_options';
  await daemon.start([dirs.defaultDb], [...listen, managers, ...remotes]);
  await ensureRoot(daemon);
  await ctl.listen(unixctlPath('ovsdb-server', undefined));
  return daemon;
}

function createIfMissing(path: string): void {
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true });
  LogFile.create(path, [schemaToJson(parseSchema(vswitchSchema as unknown as Json))]);
}

/** The one row of table Open_vSwitch, as `ovs-vsctl init` makes it. */
async function ensureRoot({ server }: OvsdbDaemon): Promise<void> {
  const where = { op: 'wait', table: 'Open_vSwitch', columns: [], where: [] };
  const db = server.databases.get('Open_vSwitch')!;
  await db.transact(
    [
      { ...where, timeout: 0, until: '==', rows: [] },
      { op: 'insert', table: 'Open_vSwitch', row: {} },
    ],
    { ownsLock: () => true },
  );
}
