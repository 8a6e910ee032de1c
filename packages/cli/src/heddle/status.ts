/** `heddle status`: what runs in this run directory, and how it does. */
import { dirs } from '@heddle/runtime/dirs';
import { messageOf } from '@heddle/runtime/errors';
import { print } from '@heddle/runtime/stdio';
import { callDaemon, type DaemonName, daemonPid } from './daemons.ts';

interface DaemonStatus {
  readonly pid: number | undefined;
  readonly answers: boolean;
  readonly error?: string;
}

interface Status {
  readonly rundir: string;
  readonly database: DaemonStatus;
  readonly switch: DaemonStatus;
  /** As `ovs-appctl dpctl/show` prints it. */
  readonly datapaths: string | undefined;
}

/** Exit status 0 when both serve. */
export async function status(options: { json: boolean }): Promise<number> {
  const [database, vswitch] = await Promise.all([ask('ovsdb-server'), ask('ovs-vswitchd')]);
  const datapaths =
    vswitch.pid === undefined || !vswitch.answers
      ? undefined
      : await callDaemon('ovs-vswitchd', vswitch.pid, 'dpctl/show').catch(() => undefined);
  const all: Status = { rundir: dirs.rundir, database, switch: vswitch, datapaths };
  print(options.json ? `${JSON.stringify(all, null, 2)}\n` : text(all));
  return database.answers && vswitch.answers ? 0 : 1;
}

async function ask(name: DaemonName): Promise<DaemonStatus> {
  const pid = daemonPid(name);
  if (pid === undefined) return { pid, answers: false };
  try {
    await callDaemon(name, pid, 'version');
    return { pid, answers: true };
  } catch (error) {
    return { pid, answers: false, error: messageOf(error) };
  }
}

function text({ rundir, database, switch: vswitch, datapaths }: Status): string {
  const line = (name: string, { pid, answers, error }: DaemonStatus): string => {
    if (pid === undefined) return `${name} does not run\n`;
    return `${name} ${answers ? 'runs' : `does not answer (${error})`}, pid ${pid}\n`;
  };
  return `${line('database', database)}${line('switch  ', vswitch)}files in ${rundir}\n${datapaths ?? ''}`;
}
