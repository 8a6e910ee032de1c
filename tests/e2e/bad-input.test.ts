/** What cannot be is answered as Open vSwitch answers it, and the rest keeps working. */
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Host, Instance, isolate, Scope } from '@heddle/testing';

isolate();

const scope = new Scope();
let oracle: Instance;
let ours: Instance;

before(async () => {
  oracle = await Instance.oracle(scope);
  ours = await Instance.ours(scope);
  for (const instance of [oracle, ours]) {
    const netdev = instance === oracle ? ['datapath_type=netdev'] : ['fail_mode=standalone'];
    for (const bridge of ['br0', 'br1']) {
      await instance.vsctl('add-br', bridge, '--', 'set', 'bridge', bridge, ...netdev);
    }
    for (const n of [1, 2]) {
      const host = await Host.create(scope);
      await host.veth(scope, 'eth0', `p${n}`, instance.host);
      await instance.vsctl('add-port', 'br0', `p${n}`);
    }
  }
});

after(() => scope[Symbol.asyncDispose]());

const COMMANDS: readonly (readonly string[])[] = [
  ['ovs-vsctl', 'add-port', 'nobridge', 'p9'],
  ['ovs-vsctl', 'add-port', 'br0', 'p1'],
  ['ovs-vsctl', 'add-port', 'br1', 'p1'],
  ['ovs-vsctl', 'add-br', 'br0'],
  ['ovs-vsctl', 'del-br', 'nobridge'],
  ['ovs-vsctl', 'del-port', 'noport'],
  ['ovs-vsctl', 'del-port', 'br1', 'p1'],
  ['ovs-vsctl', 'add-port', 'br0', 'longer-than-a-device-name'],
  ['ovs-vsctl', 'get', 'interface', 'longer-than-a-device-name', 'error', 'ofport'],
  ['ovs-vsctl', 'del-port', 'longer-than-a-device-name'],
  ['ovs-vsctl', 'add-port', 'br0', 'x'.repeat(300)],
  ['ovs-vsctl', 'del-port', 'x'.repeat(300)],
  ['ovs-vsctl', 'add-port', 'br0', 'with/slash'],
  ['ovs-vsctl', 'del-port', 'with/slash'],
  ['ovs-vsctl', 'add-port', 'br0', 'with space'],
  ['ovs-vsctl', 'del-port', 'with space'],
  ['ovs-vsctl', 'set', 'port', 'p1', 'tag=5000'],
  ['ovs-vsctl', 'set', 'port', 'p1', 'tag=-1'],
  ['ovs-vsctl', 'set', 'port', 'p1', 'tag=x'],
  ['ovs-vsctl', 'set', 'port', 'p1', 'vlan_mode=nonsense'],
  ['ovs-vsctl', 'set', 'port', 'p1', 'nocolumn=1'],
  ['ovs-vsctl', 'set', 'notable', 'p1', 'tag=1'],
  ['ovs-vsctl', 'set', 'port', 'noport', 'tag=1'],
  ['ovs-vsctl', 'get', 'interface', 'p1', 'nocolumn'],
  ['ovs-vsctl', 'nocommand'],
  ['ovs-vsctl', '--nooption', 'show'],
  ['ovs-vsctl', 'add-port', 'br0'],
  ['ovs-vsctl', '--db=unix:/nowhere.sock', '--timeout=1', 'show'],
  ['ovs-vsctl', 'add-br', 'br2', 'br0', '5000'],
  ['ovs-vsctl', 'add-br', 'br2', 'nobridge', '5'],
  ['ovs-appctl', 'nocommand'],
  ['ovs-appctl', 'fdb/show', 'nobridge'],
  ['ovs-appctl', 'fdb/show'],
  ['ovs-appctl', '-t', 'nodaemon', 'version'],
  ['ovs-testcontroller', '--nooption'],
  ['ovs-testcontroller', '-@'],
  ['ovs-testcontroller', '--max-idle=0', 'ptcp:'],
  ['ovs-testcontroller'],
];

/** Runs a command on both: what they print and how they end must be the same. */
async function compare(command: readonly string[]): Promise<string> {
  const theirs = await oracle.run(...command);
  const mine = await ours.run(...command);
  const normal = (text: string, { directory }: Instance): string =>
    text
      .replaceAll(directory, 'DIR')
      .replace(/^\d{4}-\d\d-\d\dT[^|]*\|\d+\|/gm, '')
      .replace(/\d+\.ctl/g, 'PID.ctl');
  assert.equal(normal(mine.stderr, ours), normal(theirs.stderr, oracle));
  assert.equal(normal(mine.stdout, ours), normal(theirs.stdout, oracle));
  assert.equal(mine.code, theirs.code);
  return mine.stderr;
}

for (const command of COMMANDS) {
  test(command.join(' '), async () => {
    await compare(command);
  });
}

test('no permission', async () => {
  // Root, but bound by the modes of files.
  const bound = ['setpriv', '--bounding-set=-dac_override,-dac_read_search'];
  for (const { socket } of [oracle, ours]) chmodSync(socket, 0);
  try {
    const stderr = await compare([...bound, 'ovs-vsctl', 'show']);
    assert.match(stderr, /database connection failed \(Permission denied\)/);
  } finally {
    for (const { socket } of [oracle, ours]) chmodSync(socket, 0o660);
  }
});

test('a device that does not exist is an error on its interface only', async () => {
  const errors: string[] = [];
  for (const instance of [oracle, ours]) {
    const { code, stderr } = await instance.run('ovs-vsctl', 'add-port', 'br0', 'nodevice');
    assert.equal(code, 0);
    assert.match(stderr, /Error detected while setting up 'nodevice'/);
    errors.push(await instance.vsctl('get', 'interface', 'nodevice', 'error', 'ofport'));
    assert.notEqual((await instance.vsctl('get', 'interface', 'p2', 'ofport')).trim(), '-1');
  }
  assert.equal(errors[1], errors[0]);
});
