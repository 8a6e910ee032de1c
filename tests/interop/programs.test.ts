/**
 * Programs that people drive Open vSwitch with, on our commands and daemons: Mininet, controllers
 * of the OS-Ken framework, Neutron's database library.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, Host, Instance, isolate, runOk, Scope } from '@heddle/testing';

isolate();

const PYTHON = '/usr/bin/python3';
const PROGRAMS = join(import.meta.dirname, 'programs');

test('Mininet makes networks of our bridges, ports and controller', async () => {
  await using scope = new Scope();
  const { env, host } = await Instance.ours(scope);
  const parts = ['bridge', 'listening', 'controlled', 'shaped', 'by_hand'];
  const argv = host.argv(PYTHON, join(PROGRAMS, 'mininet-nets.py'), ...parts);
  const text = await runOk(argv, { env, timeoutMs: 200_000 });
  const told = text.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
  assert.deepEqual(told, [
    { name: 'bridge', lost: 0, flows: 1, ports: ['s1-eth1', 's1-eth2', 's1-eth3'] },
    { name: 'listening', lost: 0, flows: 1 },
    { name: 'controlled', lost: 0, connected: true },
    { name: 'cut', lost: 100 },
    { name: 'mended', lost: 0 },
    { name: 'shaped', lost: 0, qdisc: 'htb' },
    { name: 'by hand', lost: { 'h1-h2': 0, 'h1-h3': 100 }, dropped: true },
  ]);
});

test('a controller of the OS-Ken framework makes a bridge learn, in each version', async () => {
  await using scope = new Scope();
  const ours = await Instance.ours(scope);
  const hosts = [await Host.create(scope), await Host.create(scope)] as const;
  for (const [i, each] of hosts.entries()) {
    await each.veth(scope, 'eth0', `p${i}`, ours.host);
    await each.address('eth0', `10.0.0.${i + 1}/24`);
  }
  for (const version of ['1.0', '1.2', '1.3', '1.4', '1.5']) {
    await using round = new Scope();
    const directory = round.directory();
    const out = join(directory, 'out');
    const script = `exec osken-manager --ofp-tcp-listen-port 6653 "$0" >${out} 2>${directory}/err`;
    const controller = ours.host.start(['sh', '-c', script, join(PROGRAMS, 'os-ken-switch.py')], {
      env: { ...ours.env, OSKEN_VERSION: version },
    });
    round.defer(() => {
      controller.kill('SIGKILL');
    });
    const protocol = `OpenFlow${version.replace('.', '')}`;
    await ours.vsctl(
      ...['add-br', 'br0', '--', 'set', 'bridge', 'br0', 'fail-mode=secure'],
      ...[`protocols=${protocol}`, 'other-config:datapath-id=00000000000000aa'],
      ...['--', 'add-port', 'br0', 'p0', '--', 'add-port', 'br0', 'p1'],
      ...['--', 'set-controller', 'br0', 'tcp:127.0.0.1:6653'],
      ...['--', 'set', 'controller', 'br0', 'max_backoff=1000'],
    );
    await eventually(
      `a connection with ${version}`,
      () => readFileSync(out, 'utf8').includes('features 00000000000000aa'),
      60_000,
    );
    await eventually(`flows of the controller`, async () => {
      await hosts[0].ping('10.0.0.2', { count: 1 });
      const flows = await ours.exec('ovs-ofctl', '-O', protocol, 'dump-flows', 'br0');
      return /in_port=1,.*output:2/.test(flows);
    });
    assert.ok(await hosts[0].reaches('10.0.0.2'), version);
    const told = readFileSync(out, 'utf8');
    assert.match(told, /^flow 2 1$/m, version);
    if (version !== '1.2') assert.match(told, /^desc Nicira, Inc.$/m, version);
    if (version >= '1.3') assert.match(told, /^ports br0 p0 p1$/m, version);
    assert.doesNotMatch(told, /^error/m, version);
    await ours.vsctl('del-br', 'br0');
  }
});

test("Neutron's library ovsdbapp gets of ours what it gets of Open vSwitch's", async () => {
  const answers = await Promise.all(
    ([Instance.oracle, Instance.ours] as const).map(async (create) => {
      await using scope = new Scope();
      const args = ['--enable-dummy=override', '--disable-system'];
      const { env, host, socket } = await create(scope, { switchArgs: args });
      const argv = host.argv(
        PYTHON,
        join(PROGRAMS, 'ovsdbapp-agent.py'),
        `unix:${socket}`,
        'dummy',
      );
      return await runOk(argv, { env, timeoutMs: 100_000 });
    }),
  );
  assert.match(answers[0]!, /^left: \['tap2'\]$/m);
  assert.equal(answers[1], answers[0]);
});
