/** ovs-tcpdump on a port with traffic: what it sees, and that it leaves nothing behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, Host, Instance, isolate, Scope } from '@heddle/testing';

isolate();

test('what passes a port is dumped; port and mirror go with the command, also by a signal', async () => {
  await using scope = new Scope();
  const instance = await Instance.ours(scope);
  await instance.vsctl('add-br', 'br0');
  const hosts: Host[] = [];
  for (const i of [1, 2]) {
    const host = await Host.create(scope);
    await host.veth(scope, 'eth0', `p${i}`, instance.host);
    await host.address('eth0', `10.0.0.${i}/24`);
    await instance.vsctl('add-port', 'br0', `p${i}`);
    hosts.push(host);
  }
  await eventually('a way', () => hosts[0]!.reaches('10.0.0.2', 4));
  const before = await instance.vsctl('list-ports', 'br0');
  const clean = async () => {
    assert.equal(await instance.vsctl('list-ports', 'br0'), before);
    assert.equal((await instance.vsctl('list', 'mirror')).trim(), '');
  };
  const dump = instance.run(
    'ovs-tcpdump',
    '-i',
    'p1',
    '-nn',
    '-c',
    '4',
    '--immediate-mode',
    'icmp',
  );
  const ping = hosts[0]!.exec('sh', '-c', 'ping -qi 0.2 -c 60 10.0.0.2 || true');
  const { code, stdout } = await dump;
  assert.equal(code, 0);
  assert.match(stdout, /10\.0\.0\.1 > 10\.0\.0\.2: ICMP echo request/);
  assert.match(stdout, /10\.0\.0\.2 > 10\.0\.0\.1: ICMP echo reply/);
  await clean();
  const stopped = instance.run(
    'timeout',
    '-s',
    'INT',
    '3',
    'ovs-tcpdump',
    '--span',
    '-i',
    'p2',
    '-w',
    '/dev/null',
  );
  await stopped;
  await clean();
  const { stderr, code: missing } = await instance.run('ovs-tcpdump', '-i', 'nope');
  assert.deepEqual([missing, stderr], [1, 'ERROR: Port nope does not exist.\n']);
  await ping;
});

test('a bridge has a port, which can be dumped, and so has a bridge within one', async () => {
  await using scope = new Scope();
  const instance = await Instance.ours(scope);
  await instance.vsctl('add-br', 'br0', '--', 'add-br', 'br7', 'br0', '7');
  const host = await Host.create(scope);
  await host.veth(scope, 'eth0', 'p1', instance.host);
  await host.address('eth0', '10.0.0.1/24');
  await instance.vsctl('add-port', 'br0', 'p1');
  for (const bridge of ['br0', 'br7']) {
    await instance.exec('ip', 'addr', 'add', '10.0.0.9/24', 'dev', bridge);
    await instance.exec('ip', 'link', 'set', bridge, 'up');
    await host.exec('ip', 'neigh', 'flush', 'all');
    await eventually('a way', () => host.reaches('10.0.0.9', 4));
    const ping = host.exec('sh', '-c', 'ping -qi 0.2 -c 40 10.0.0.9 || true');
    const dump = ['ovs-tcpdump', '-i', bridge, '-nn', '-c', '2', '--immediate-mode', 'icmp'];
    const { code, stdout, stderr } = await instance.run(...dump);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /10\.0\.0\.9 > 10\.0\.0\.1: ICMP echo reply/);
    await ping;
    await instance.exec('ip', 'addr', 'del', '10.0.0.9/24', 'dev', bridge);
    await instance.vsctl('set', 'port', 'p1', 'tag=7');
  }
});
