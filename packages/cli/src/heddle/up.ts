/** `heddle up`: database and switch in one process. Returns when both serve. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  applyDaemonOption,
  applyLogOption,
  daemonConfig,
  daemonStart,
} from '@heddle/runtime/daemon';
import { dirs } from '@heddle/runtime/dirs';
import { messageOf } from '@heddle/runtime/errors';
import type { ParsedLine } from '@heddle/runtime/options';
import { vlog } from '@heddle/runtime/vlog';
import { Collector } from '../attach/collector.ts';
import { AttachError } from '../attach/errors.ts';
import { type DaemonName, daemonPid } from './daemons.ts';

const PROGRAM = 'heddle';
const log = vlog.module('heddle');
const SERVES_AS: readonly DaemonName[] = ['ovsdb-server', 'ovs-vswitchd'];

export async function up(line: ParsedLine): Promise<number> {
  const config = daemonConfig();
  const remotes: string[] = [];
  let detach = true;
  vlog.setLevel(undefined, 'console', 'warn');
  for (const option of line.options) {
    if (applyDaemonOption(PROGRAM, config, option) || applyLogOption(PROGRAM, option)) continue;
    if (option.spec.long === 'no-detach') detach = false;
    else if (option.spec.long === 'remote') remotes.push(option.value!);
  }
  config.detach = detach;
  refuseTwice();
  for (const directory of [dirs.rundir, dirs.dbdir, dirs.logdir]) {
    mkdirSync(directory, { recursive: true });
  }
  const daemon = await daemonStart(PROGRAM, config);
  if (vlog.file === undefined && detach) vlog.openFile(join(dirs.logdir, 'heddle.log'));
  const stop = await serve(remotes);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => void stop(false).then(() => process.exit(0)));
  }
  if (detach) vlog.setLevel(undefined, 'console', 'off');
  daemon.ready();
  return 0;
}

function refuseTwice(): void {
  for (const name of SERVES_AS) {
    const pid = daemonPid(name);
    if (pid !== undefined && pid !== process.pid) {
      throw new AttachError(`${name} runs already in ${dirs.rundir}, as pid ${pid}`);
    }
  }
}

/** Starts everything; returns what stops it, with the traffic or without. */
async function serve(remotes: readonly string[]): Promise<(cleanup: boolean) => Promise<void>> {
  const [{ startDatabase }, { startSwitch }] = await Promise.all([
    import('./embedded-database.ts'),
    import('./embedded-switch.ts'),
  ]);
  const database = await startDatabase(remotes);
  const stop = async (cleanup: boolean): Promise<void> => {
    collector[Symbol.dispose]();
    await vswitch.stop(cleanup).catch((error: unknown) => log.err(messageOf(error)));
    await database.stop();
  };
  const vswitch = await startSwitch((cleanup) => void stop(cleanup).then(() => process.exit(0)));
  const collector = new Collector();
  for (const name of SERVES_AS) writePidfile(name);
  return stop;
}

function writePidfile(name: DaemonName): void {
  const path = join(dirs.rundir, `${name}.pid`);
  writeFileSync(path, `${process.pid}\n`);
  process.on('exit', () => {
    if (existsSync(path) && daemonPid(name) === process.pid) rmSync(path, { force: true });
  });
}
