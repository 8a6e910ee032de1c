/**
 * `heddle restart`: new processes for the running ones, with their options. The kernel forwards by
 * its megaflows meanwhile; OpenFlow flows, groups and TLV maps are saved before and restored before
 * the new switch takes packets (ovs-ctl(8), "The restart command"; `flow-restore-wait` in
 * ovs-vswitchd.conf.db(5)).
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { HeddleError } from '@heddle/runtime/errors';
import { ROLE } from '@heddle/runtime/role';
import { print } from '@heddle/runtime/stdio';
import { runCommand, saveFlows } from '../ovs-save/save-flows.ts';
import { type DaemonName, daemonPid } from './daemons.ts';
import { down } from './down.ts';

/** The database first: the switch needs it. */
const ORDER: readonly DaemonName[] = ['ovsdb-server', 'ovs-vswitchd'];
const WAIT = 'other_config:flow-restore-wait=true';

interface Process {
  readonly name: DaemonName;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export async function restart(): Promise<number> {
  const processes = runningProcesses();
  const bridges = runCommand('ovs-vsctl', ['list-br']).split('\n').filter(Boolean);
  const own = bridges.filter((b) => runCommand('ovs-vsctl', ['br-to-parent', b]).trim() === b);
  const { directory, restore } = saveFlows(own);
  runCommand('ovs-vsctl', ['--no-wait', 'set', 'Open_vSwitch', '.', WAIT]);
  try {
    await down(true);
    for (const { name, command, environment } of processes) {
      const [program = '', ...args] = command;
      const { status } = spawnSync(program, args, { stdio: 'inherit', env: environment });
      if (status !== 0) throw new HeddleError(`${name} did not start: exit status ${status}`);
    }
    for (const words of restore) runCommand('ovs-ofctl', words);
  } finally {
    goOn();
  }
  rmSync(directory, { recursive: true, force: true });
  for (const name of ORDER) print(`${name} (pid ${daemonPid(name)}) runs\n`);
  return 0;
}

/** From now on the switch takes packets, whatever came of the restart. */
function goOn(): void {
  if (daemonPid('ovsdb-server') === undefined) return;
  const wait = daemonPid('ovs-vswitchd') === undefined ? ['--no-wait'] : [];
  runCommand('ovs-vsctl', [
    ...wait,
    'remove',
    'Open_vSwitch',
    '.',
    'other_config',
    'flow-restore-wait',
  ]);
}

/** One when database and switch share a process. */
function runningProcesses(): Process[] {
  const out = new Map<number, Process>();
  for (const name of ORDER) {
    const pid = daemonPid(name);
    if (pid === undefined) throw new HeddleError(`${name} does not run`);
    if (out.has(pid)) continue;
    const command = words(`/proc/${pid}/cmdline`);
    const isDetached = command.includes('--detach') || command.includes('up');
    if (!isDetached || command.includes('--no-detach')) {
      throw new HeddleError(
        `${name} (pid ${pid}) runs in the foreground: whoever started it restarts it`,
      );
    }
    const pairs = words(`/proc/${pid}/environ`).map(
      (pair) => pair.split(/=(.*)/s, 2) as [string, string],
    );
    out.set(pid, {
      name,
      command,
      environment: Object.fromEntries(pairs.filter(([key]) => key !== ROLE)),
    });
  }
  return [...out.values()];
}

function words(path: string): string[] {
  return readFileSync(path, 'utf8').split('\0').slice(0, -1);
}
