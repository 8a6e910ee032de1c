/** `--user`: both servers give up the same of root's privileges, and go on serving. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { options, SIDES, TestServer, VSWITCH_SCHEMA } from './ovsdb-servers.ts';

const PRIVILEGES = /^(?:Uid|Gid|Groups|Cap\w+):.*$/gm;

/** A server whose directory belongs to `nobody`. */
function serverOfNobody(side: (typeof SIDES)[number]): TestServer {
  const server = new TestServer(side);
  server.create('conf.db', VSWITCH_SCHEMA);
  assert.equal(spawnSync('chown', ['-R', 'nobody:', server.dir]).status, 0);
  chmodSync(server.dir, 0o711);
  return server;
}

test(
  'a server of another user has its privileges, and its log file can be rotated',
  options,
  async () => {
    const found: string[][] = [];
    for (const side of SIDES) {
      await using server = serverOfNobody(side);
      const [pidfile, log] = ['pid', 'log'].map((name) => join(server.dir, name)) as [
        string,
        string,
      ];
      await server.start('--user=nobody', `--pidfile=${pidfile}`, join(server.dir, 'conf.db'));
      server.vsctl('add-br', 'br0');
      assert.equal(server.vsctl('list-br'), 'br0\n');
      renameSync(log, `${log}.1`);
      assert.equal(server.appctl('vlog/reopen'), '');
      assert.ok(existsSync(log));
      const pid = readFileSync(pidfile, 'utf8').trim();
      found.push(readFileSync(`/proc/${pid}/status`, 'utf8').match(PRIVILEGES)!);
    }
    assert.deepEqual(found[1], found[0]);
  },
);

test('users that cannot be are refused alike', options, async () => {
  const lines = ['--user=nosuch', '--user=nobody:nosuch', '--user=root:daemon', '--user=1234'];
  const answers: string[][] = [];
  for (const side of SIDES) {
    await using server = serverOfNobody(side);
    answers.push(
      [...lines, '--pidfile=DIR/pid --user=nosuch'].map((line) => {
        const words = line.replace('DIR', server.dir).split(' ');
        const { status, stderr } = server.serve(...words, 'conf.db');
        return `${line}: ${status} ${stderr}`.replaceAll(server.dir, 'DIR');
      }),
    );
  }
  assert.deepEqual(answers[1], answers[0]);
});
