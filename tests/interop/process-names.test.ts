/** Daemons and commands by the names under which scripts look for processes. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, isolate, REPOSITORY, run, runOk, Scope } from '@heddle/testing';

isolate();

const PATHS = {
  ours: `${join(REPOSITORY, 'bin')}:${process.env['PATH']}`,
  theirs: '/usr/sbin:/usr/bin',
};

/** Gone, or there for nobody to ask about it. */
function hasEnded(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1') === '';
  } catch {
    return true;
  }
}

/** What pidof, pgrep and /proc know of a database server that is watched over. */
async function names(path: string) {
  await using scope = new Scope();
  const directory = scope.directory();
  const env = { ...process.env, PATH: path, OVS_RUNDIR: directory, OVS_LOGDIR: directory };
  const database = join(directory, 'db');
  await runOk(['ovsdb-tool', 'create', database, join(REPOSITORY, 'share/vswitch.ovsschema')], {
    env,
  });
  const options = ['--detach', '--monitor', '--pidfile', '-vconsole:off'];
  const remote = join(directory, 'sock');
  await runOk(['ovsdb-server', ...options, `--remote=punix:${remote}`, database], { env });
  const pid = readFileSync(join(directory, 'ovsdb-server.pid'), 'utf8').trim();
  const [, parent] = /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!;
  scope.defer(async () => {
    await run(['ovs-appctl', '-t', 'ovsdb-server', 'exit'], { env });
    await eventually('the end of both', () => hasEnded(parent!));
  });
  const found = async (...command: string[]) => {
    const pids = (await run(command)).stdout.split(/\s+/);
    return [pids.includes(pid), pids.includes(parent!)];
  };
  return {
    pidof: await found('pidof', 'ovsdb-server'),
    pgrep: await found('pgrep', '-x', 'ovsdb-server'),
    ps: await found('ps', '-C', 'ovsdb-server', '-o', 'pid='),
    comm: [pid, parent].map((of) => readFileSync(`/proc/${of}/comm`, 'utf8').trim()),
    title: readFileSync(`/proc/${parent}/cmdline`, 'utf8').replace(pid, 'PID').replace(/\0+$/, ''),
  };
}

test('daemons are found by their names, those that watch over them are not', async () => {
  assert.deepEqual(await names(PATHS.ours), await names(PATHS.theirs));
});

test('a command line is what was typed, behind an interpreter', async () => {
  await using scope = new Scope();
  const socket = join(scope.directory(), 'none');
  const args = ['--timeout=30', 'wait', `unix:${socket}`, 'Open_vSwitch', 'connected'];
  const ended = run(['ovsdb-client', ...args], { env: { ...process.env, PATH: PATHS.ours } });
  const pid = await eventually('the process', async () =>
    (await run(['pgrep', '-f', `ovsdb-client --timeout=30 wait unix:${socket}`])).stdout.trim(),
  );
  const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  const [name, script, ...rest] = argv.map((word) => word.replace(/^.*\/(?=ovsdb-client$)/, ''));
  assert.deepEqual([name, script, ...rest], ['ovsdb-client', 'ovsdb-client', ...args]);
  process.kill(Number(pid));
  await ended;
});
