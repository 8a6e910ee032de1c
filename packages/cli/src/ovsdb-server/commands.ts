/** The commands of ovs-appctl(8) that concern databases and remotes. */
import type { Database } from '@heddle/ovsdb';
import { HeddleError, messageOf, UnixctlError, type UnixctlServer, vlog } from '@heddle/runtime';
import type { OvsdbDaemon } from './daemon.ts';

const log = vlog.module('ovsdb_server');
const PREFIX = 'ovsdb-server';

export function registerCommands(ctl: UnixctlServer, daemon: OvsdbDaemon): void {
  const exit = () => void daemon.stop().then(() => process.exit(0));
  ctl.registerExit('', 0, () => {}, exit);
  registerDatabases(ctl, daemon);
  registerRemotes(ctl, daemon);
  const { server } = daemon;
  const nothing = (name: string, usage: string, args: 0 | 1, work: (arg: string) => void) =>
    ctl.register(`${PREFIX}/${name}`, usage, args, args, ([arg = '']) => {
      work(arg);
      return '';
    });
  nothing('reconnect', '', 0, () => server.reconnect());
  nothing('disable-monitor-cond', '', 0, () => {
    server.monitorCondDisabled = true;
    server.reconnect();
  });
  nothing('perf-counters-clear', '', 0, () => {});
  ctl.register(
    `${PREFIX}/perf-counters-show`,
    '',
    0,
    0,
    () => 'performance counter is not supported on this platform\n',
  );
  nothing('memory-trim-on-compaction', 'on|off', 1, (state) => {
    if (state !== 'on' && state !== 'off') throw new UnixctlError('invalid argument');
    // Node gives memory back by itself.
    log.info(`memory trimming after compaction ${state === 'on' ? 'enabled' : 'disabled'}.`);
  });
}

function registerDatabases(ctl: UnixctlServer, daemon: OvsdbDaemon): void {
  const { server } = daemon;
  ctl.register(`${PREFIX}/add-db`, 'DB', 1, 1, async ([file]) => {
    await refuse(() => daemon.openFile(file!));
    return '';
  });
  ctl.register(`${PREFIX}/remove-db`, 'DB', 1, 1, async ([name]) => {
    if (name === '_Server') throw new UnixctlError('Cannot remove reserved database.');
    if (!(await daemon.closeFile(name!))) throw new UnixctlError('Failed to find the database.');
    return '';
  });
  ctl.register(`${PREFIX}/list-dbs`, '', 0, 0, () => lines(server.databaseNames().toSorted()));
  ctl.register(`${PREFIX}/get-db-storage-status`, 'DB', 1, 1, ([name]) => {
    if (!server.databaseNames().includes(name!)) {
      throw new UnixctlError('Failed to find the database.');
    }
    return 'status: ok\n';
  });
  ctl.register(`${PREFIX}/compact`, '', 0, 1, async ([name]) => {
    if (name === '_Server') throw new UnixctlError('cannot compact built-in databases');
    const all = [...server.databases.values()].filter((db) => db.name !== '_Server');
    const chosen = name === undefined ? all : all.filter((db) => db.name === name);
    // A relay without a copy has nothing to compact.
    if (name !== undefined && chosen.length === 0 && !server.relays.has(name)) {
      throw new UnixctlError('no database by that name');
    }
    for (const db of chosen) await refuse(() => compact(db));
    return '';
  });
}

function compact(db: Database): Promise<void> {
  log.info(`compacting ${db.name} database by user request`);
  return db.compact();
}

function registerRemotes(ctl: UnixctlServer, { remotes }: OvsdbDaemon): void {
  ctl.register(`${PREFIX}/add-remote`, 'REMOTE', 1, 1, async ([remote]) => {
    await refuse(() => remotes.add(remote!));
    return '';
  });
  ctl.register(`${PREFIX}/remove-remote`, 'REMOTE', 1, 1, ([remote]) => {
    if (!remotes.remove(remote!)) throw new UnixctlError('no such remote');
    return '';
  });
  ctl.register(`${PREFIX}/list-remotes`, '', 0, 0, () => lines(remotes.list()));
}

function lines(words: readonly string[]): string {
  return words.map((w) => `${w}\n`).join('');
}

async function refuse(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof HeddleError)) log.err(messageOf(error));
    throw new UnixctlError(messageOf(error));
  }
}
