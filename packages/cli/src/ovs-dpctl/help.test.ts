/** The texts of `ovs-dpctl`, and which commands `--read-only` refuses, beside Open vSwitch's. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const OURS = join(import.meta.dirname, '../../../../bin/ovs-dpctl');
const THEIRS = '/usr/bin/ovs-dpctl';

function run(program: string, ...args: string[]): string {
  const { stdout, stderr, status } = spawnSync(program, ['-vconsole:off', ...args], {
    encoding: 'utf8',
    env: { ...process.env, OVS_RUNDIR: '/nonexistent' },
  });
  return `${stdout}${stderr}${status}`.replaceAll('/usr/bin/', '');
}

test('--help, and what --read-only refuses, are as in Open vSwitch', () => {
  assert.ok(existsSync(THEIRS), 'the distribution’s ovs-dpctl is installed');
  for (const line of [
    '--help',
    'help',
    '--read-only add-dp d',
    '-t x show',
    'show --foo',
    'add-flow x',
  ]) {
    assert.equal(run(OURS, ...line.split(' ')), run(THEIRS, ...line.split(' ')), line);
  }
});

test('list-commands tells of each command that there is', () => {
  const theirs = run(THEIRS, 'list-commands');
  assert.equal(run(OURS, 'list-commands'), theirs);
});
