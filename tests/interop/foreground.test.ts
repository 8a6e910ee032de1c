/** Daemons that run in the foreground, as in containers: what they say there, and what ends them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, isolate, REPOSITORY, runOk, Scope } from '@heddle/testing';

isolate();

const PATHS = {
  ours: `${join(REPOSITORY, 'bin')}:${process.env['PATH']}`,
  theirs: '/usr/sbin:/usr/bin',
};

/** What a server has said and how it ended when it was sent SIGTERM. */
async function ended(path: string, ...options: string[]): Promise<string[]> {
  await using scope = new Scope();
  const directory = scope.directory();
  const env = { ...process.env, PATH: path, OVS_RUNDIR: directory, OVS_LOGDIR: directory };
  const database = join(directory, 'db');
  const schema = join(REPOSITORY, 'share/vswitch.ovsschema');
  await runOk(['ovsdb-tool', 'create', database, schema], { env });
  const remote = join(directory, 'sock');
  const args = ['--pidfile', `--remote=punix:${remote}`, ...options, database];
  const server = spawn('ovsdb-server', args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const pidfile = join(directory, 'ovsdb-server.pid');
  // Where it is watched over, too: whoever holds the pipe keeps the test waiting.
  scope.defer(() => {
    if (existsSync(pidfile)) process.kill(Number(readFileSync(pidfile, 'utf8')), 'SIGKILL');
    server.kill('SIGKILL');
    server.stderr.destroy();
  });
  let text = '';
  server.stderr.on('data', (bytes: Buffer) => {
    text += bytes;
  });
  const end = new Promise<string>((resolve) => {
    server.on('close', (code, signal) => resolve(`${code} ${signal}`));
  });
  await eventually('its greeting', () => existsSync(remote) && text.includes('(Open vSwitch)'));
  process.kill(Number(readFileSync(pidfile, 'utf8')), 'SIGTERM');
  const status = await end;
  const lines = text
    .trim()
    .split('\n')
    .filter((line) => !line.includes('opened log file'));
  // Without times, numbers of messages and processes, and versions.
  const plain = (line: string) =>
    line
      .replace(/^[^|]*\|\d+\|/, '')
      .replace(/pid \d+/, 'pid')
      .replace(/(?<=\(Open vSwitch\)).*/, '');
  return [...lines.map(plain), status];
}

for (const options of [[], ['--monitor']]) {
  test(`ovsdb-server ${options.join(' ')}`, async () => {
    const [ours, theirs] = await Promise.all([
      ended(PATHS.ours, ...options),
      ended(PATHS.theirs, ...options),
    ]);
    assert.deepEqual(ours, theirs);
    assert.ok(ours.includes('fatal_signal|WARN|terminating with signal 15 (Terminated)'));
  });
}
