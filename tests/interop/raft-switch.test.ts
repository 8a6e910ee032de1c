/** Our ovs-vswitchd and ovs-vsctl on a RAFT cluster of the distribution's ovsdb-server. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually, isolate, REPOSITORY, runOk, Scope } from '@heddle/testing';
import { Cluster, SERVERS } from './raft-cluster.ts';

isolate();

const BIN = join(REPOSITORY, 'bin');
const scope = new Scope();
let cluster: Cluster;
let env: Record<string, string>;

before(async () => {
  const schema: unknown = JSON.parse(
    readFileSync(join(REPOSITORY, 'share/vswitch.ovsschema'), 'utf8'),
  );
  cluster = await Cluster.create(scope, schema);
  const { directory } = cluster;
  env = { OVS_RUNDIR: directory, OVS_LOGDIR: directory, OVS_SYSCONFDIR: directory };
  await vsctl('--no-wait', 'init');
  const daemon = ['--pidfile', '--detach', '--no-chdir', '--log-file'];
  await runOk([join(BIN, 'ovs-vswitchd'), cluster.remotes, ...daemon], { env });
  scope.defer(async () => {
    const pid = Number(readFileSync(join(directory, 'ovs-vswitchd.pid'), 'utf8'));
    await runOk([join(BIN, 'ovs-appctl'), '--timeout=10', 'exit', '--cleanup'], { env });
    await eventually('the switch to end', () => !isAlive(pid));
  });
});
after(() => scope[Symbol.asyncDispose]());

function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat[stat.lastIndexOf(')') + 2] !== 'Z';
  } catch {
    return false;
  }
}

function vsctl(...args: string[]): Promise<string> {
  return runOk([join(BIN, 'ovs-vsctl'), `--db=${cluster.remotes}`, '--timeout=25', ...args], {
    env,
  });
}

const ofport = async (name: string) => Number(await vsctl('get', 'Interface', name, 'ofport'));

test('a port is added while the leader dies: ovs-vsctl and the switch find the next', async () => {
  await vsctl('add-br', 'br0');
  assert.equal(await ofport('br0'), 65534);
  await cluster.killLeader(300);
  // Returns when the switch has done it: both have found the new leader by themselves.
  await vsctl('add-port', 'br0', 'p0', '--', 'set', 'Interface', 'p0', 'type=internal');
  assert.ok((await ofport('p0')) > 0);
  assert.equal(await vsctl('list-ports', 'br0'), 'p0\n');
});

test('a leader that is cut off costs time only', async () => {
  const old = await cluster.leader();
  await cluster.cutOff(old);
  await vsctl('add-port', 'br0', 'p2', '--', 'set', 'Interface', 'p2', 'type=internal');
  assert.ok((await ofport('p2')) > 0);
  await cluster.reconnect(old);
  const select = { op: 'select', table: 'Port', where: [['name', '==', 'p2']], columns: ['name'] };
  for (const server of SERVERS) {
    await eventually(`server ${server} to have it`, async () => {
      const [{ rows }] = (await cluster.query(server, select)) as [{ rows: unknown[] }];
      return rows.length === 1;
    });
  }
});
