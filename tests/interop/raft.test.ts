/** The replica on three servers of the distribution that form a RAFT cluster, while they die. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Idl } from '@heddle/ovsdb';
import { vlog } from '@heddle/runtime';
import { eventually, isolate, runOk, Scope } from '@heddle/testing';

isolate();
vlog.setLevel(undefined, 'console', 'off');

const schema = {
  name: 'T',
  version: '1.0.0',
  tables: {
    A: { isRoot: true, columns: { name: { type: 'string' }, n: { type: 'integer' } } },
  },
} as const;

const SERVERS = [1, 2, 3] as const;
const scope = new Scope();
let dir: string;

before(async () => {
  dir = scope.directory('raft');
  await runOk(['ip', 'link', 'set', 'lo', 'up']);
  writeFileSync(join(dir, 'schema'), JSON.stringify(schema));
  await runOk(['ovsdb-tool', 'create-cluster', db(1), join(dir, 'schema'), raft(1)]);
  for (const i of [2, 3]) await runOk(['ovsdb-tool', 'join-cluster', db(i), 'T', raft(i), raft(1)]);
  for (const i of SERVERS) await start(i);
  scope.defer(() => SERVERS.forEach(kill));
});
after(() => scope[Symbol.asyncDispose]());

const db = (i: number) => join(dir, `${i}.db`);
const raft = (i: number) => `tcp:127.0.0.1:${16640 + i}`;
const remote = (i: number) => `unix:${join(dir, `${i}.sock`)}`;
const REMOTES = () => SERVERS.map(remote).join(',');

async function start(i: number): Promise<void> {
  const file = (suffix: string) => join(dir, `${i}.${suffix}`);
  const files = [
    `--pidfile=${file('pid')}`,
    `--unixctl=${file('ctl')}`,
    `--log-file=${file('log')}`,
  ];
  const quiet = ['--detach', '--no-chdir', '-vconsole:off', '-vsyslog:off'];
  await runOk(['/usr/sbin/ovsdb-server', ...quiet, ...files, `--remote=p${remote(i)}`, db(i)]);
}

function kill(i: number): void {
  try {
    process.kill(Number(readFileSync(join(dir, `${i}.pid`), 'utf8')), 'SIGKILL');
  } catch {
    // Dead already.
  }
}

async function leader(): Promise<number> {
  return eventually('a leader', async () => {
    for (const i of SERVERS) {
      const argv = ['ovs-appctl', '-t', join(dir, `${i}.ctl`), 'cluster/status', 'T'];
      const status = await runOk(argv).catch(() => '');
      if (/^Role: leader$/m.test(status)) return i;
    }
    return undefined;
  });
}

test('leaders are killed while a row is counted: no count is lost, none done twice', async () => {
  const idl = new Idl(schema, { remote: REMOTES(), leaderOnly: true }).start();
  const follower = new Idl(schema, { remote: REMOTES() }).start();
  scope.defer(() => {
    idl.close();
    follower.close();
  });
  await Promise.all([idl.whenSynced(), follower.whenSynced()]);
  await idl.transact((txn) => {
    if (!idl.first('A')) txn.insert('A', { name: 'counter' });
  });
  const seen: number[] = [];
  follower.onChange((events) => {
    for (const { now } of events) seen.push(Number(now?.['n']));
  });
  const TOTAL = 150;
  for (let i = 0; i < TOTAL; i++) {
    if (i % 50 === 25) {
      const old = await leader();
      kill(old);
      setTimeout(() => void start(old), 500);
    }
    // Knows of each try whether it was done: the count itself says so.
    await idl.transact((txn) => {
      const row = idl.first('A')!;
      if (row.n > i) return;
      txn.verify('A', row._uuid, 'n');
      txn.update('A', row._uuid, { n: row.n + 1 });
    });
    assert.equal(idl.first('A')!.n, i + 1);
  }
  await eventually('the follower to catch up', () => follower.first('A')?.n === TOTAL);
  assert.deepEqual(
    [...seen].sort((a, b) => a - b),
    seen,
    'counts go up only',
  );
});
