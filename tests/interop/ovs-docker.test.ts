/**
 * Our ovs-docker beside the distribution's, on one switch: the same answers, and each works with the
 * other's ports. Docker is played by a script that knows the process of each namespace.
 */
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Host, Instance, isolate, REPOSITORY, type RunResult, run, Scope } from '@heddle/testing';

isolate();

const scope = new Scope();
const OURS = join(REPOSITORY, 'bin/ovs-docker');
const THEIRS = '/usr/bin/ovs-docker';
let instance: Instance;
let directory: string;
const hosts = new Map<string, Host>();

before(async () => {
  instance = await Instance.oracle(scope);
  directory = scope.directory('fake');
  const docker = `#!/bin/sh\nfor name; do :; done\ncat "${directory}/$name.pid" 2>/dev/null && exit\n`;
  const refuse = 'echo "Error: No such container: $name" >&2; exit 1\n';
  writeFileSync(join(directory, 'docker'), docker + refuse);
  chmodSync(join(directory, 'docker'), 0o755);
  for (const name of ['web', 'db']) {
    const host = await Host.create(scope);
    const sleeper = host.start(['sleep', '1000']);
    scope.defer(() => void sleeper.kill('SIGKILL'));
    writeFileSync(join(directory, `${name}.pid`), `${sleeper.pid}\n`);
    hosts.set(name, host);
  }
  for (const bridge of ['br0', 'br1']) {
    await instance.vsctl('add-br', bridge, '--', 'set', 'bridge', bridge, 'datapath_type=netdev');
  }
});

after(() => scope[Symbol.asyncDispose]());

function call(program: string, ...args: string[]): Promise<RunResult> {
  const env = { ...instance.env, PATH: `${directory}:${instance.env.PATH}` };
  return run(instance.host.argv(program, ...args), { env });
}

const REFUSED: readonly (readonly string[])[] = [
  ['frobnicate'],
  ['add-port', 'br0'],
  ['add-port', 'br0', 'eth1'],
  ['add-port', 'br0', 'eth1', 'web', '--nothing=1'],
  ['del-port', 'br0', 'eth1', 'web'],
  ['set-vlan', 'br0', 'eth1', 'web', '5'],
  ['del-ports', 'br0', 'web'],
];

for (const args of REFUSED) {
  test(`answers alike: ${args.join(' ')}`, async () => {
    const [mine, theirs] = [await call(OURS, ...args), await call(THEIRS, ...args)];
    const comparable = ({ code, stdout, stderr }: RunResult) => ({ code, text: stdout + stderr });
    assert.deepEqual(comparable(mine), comparable(theirs));
  });
}

for (const [maker, breaker, container] of [
  [OURS, THEIRS, 'web'],
  [THEIRS, OURS, 'db'],
] as const) {
  test(`a port of ${maker} is seen, tagged and deleted by ${breaker}`, async () => {
    const options = ['--ipaddress=10.0.0.1/24', '--gateway=10.0.0.254', '--mtu=1450'];
    const mac = '--macaddress=a2:c3:0d:49:7f:f8';
    const made = await call(maker, 'add-port', 'br0', 'eth1', container, ...options, mac);
    assert.equal(made.code, 0, made.stderr);
    const host = hosts.get(container)!;
    assert.match(await host.exec('ip', 'addr', 'show', 'eth1'), /mtu 1450[\s\S]*10\.0\.0\.1\/24/);
    assert.equal(await host.mac('eth1'), 'a2:c3:0d:49:7f:f8');
    assert.match(await host.exec('ip', 'route'), /default via 10\.0\.0\.254 dev eth1/);
    const twice = await call(breaker, 'add-port', 'br0', 'eth1', container);
    assert.equal(twice.code, 1);
    assert.match(twice.stderr, /Port already attached for CONTAINER=\w+ and INTERFACE=eth1/);
    const tagged = await call(breaker, 'set-vlan', 'br0', 'eth1', container, '42');
    assert.equal(tagged.code, 0, tagged.stderr);
    const [port] = (await instance.vsctl('list-ports', 'br0')).trim().split('\n');
    assert.equal((await instance.vsctl('get', 'port', port!, 'tag')).trim(), '42');
    const deleted = await call(breaker, 'del-port', 'br0', 'eth1', container);
    assert.equal(deleted.code, 0, deleted.stderr);
    assert.equal((await instance.vsctl('list-ports', 'br0')).trim(), '');
    assert.doesNotMatch(await host.exec('ip', 'link'), /eth1/);
  });
}

test('all ports of a container go at once', async () => {
  for (const name of ['eth1', 'eth2', 'eth3']) {
    assert.equal(
      (await call(OURS, 'add-port', 'br0', name, 'web', '--ip6address=fd00::1/64')).code,
      0,
    );
  }
  assert.equal((await call(OURS, 'del-ports', 'br0', 'web')).code, 0);
  assert.equal((await instance.vsctl('list-ports', 'br0')).trim(), '');
});

test('a container that does not run is named, and nothing is left', async () => {
  writeFileSync(join(directory, 'stopped.pid'), '0\n');
  const stopped = await call(OURS, 'add-port', 'br0', 'eth1', 'stopped');
  assert.match(stopped.stderr, /container stopped is not running/);
  const unknown = await call(OURS, 'add-port', 'br0', 'eth1', 'unknown');
  assert.match(unknown.stderr, /no such container: unknown/);
  assert.equal((await instance.vsctl('list-ports', 'br0')).trim(), '');
});
