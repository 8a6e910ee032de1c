/** heddle attach, ovs-docker's bookkeeping and the collection of dead ports, on both switches. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  eventually,
  Host,
  Instance,
  isolate,
  REPOSITORY,
  type RunResult,
  run,
  Scope,
} from '@heddle/testing';

isolate();

const SWITCHES = [
  ['Open vSwitch', Instance.oracle, ['datapath_type=netdev']],
  ['ours', Instance.ours, []],
] as const;

const ours = (command: string): string => join(REPOSITORY, 'bin', command);

async function world(scope: Scope, open: typeof Instance.oracle, columns: readonly string[]) {
  const instance = await open(scope);
  const set = columns.length === 0 ? [] : ['--', 'set', 'bridge', 'br0', ...columns];
  await instance.vsctl('add-br', 'br0', ...set);
  const heddle = (...args: string[]): Promise<RunResult> => instance.run(ours('heddle'), ...args);
  return { instance, heddle };
}

async function devices(host: Host): Promise<string[]> {
  const links = JSON.parse(await host.exec('ip', '-j', 'link')) as { ifname: string }[];
  return links.map(({ ifname }) => ifname).sort();
}

for (const [name, open, columns] of SWITCHES) {
  test(`${name}: by name, by path and by pid; addresses, routes, tags`, async () => {
    await using scope = new Scope();
    const { instance, heddle } = await world(scope, open, columns);
    const hosts = [await Host.create(scope), await Host.create(scope), await Host.create(scope)];
    const sleeper = hosts[2]!.start(['sleep', '1000']);
    scope.defer(() => void sleeper.kill('SIGKILL'));
    const targets = [hosts[0]!.name, hosts[1]!.netns, String(sleeper.pid)];
    for (const [index, target] of targets.entries()) {
      const args = [`--ip=10.0.0.${index + 1}/24`, `--ip=fd00::${index + 1}/64`, '--mtu=1400'];
      const result = await heddle('attach', 'br0', target, ...args, '--gateway=10.0.0.254');
      assert.equal(result.code, 0, result.stderr);
      assert.match(result.stdout, /^[0-9a-f]{13}_l\n$/);
    }
    assert.equal(await hosts[0]!.reaches('10.0.0.2', 4), true);
    assert.equal(await hosts[0]!.reaches('10.0.0.3', 4), true);
    assert.match(await hosts[0]!.exec('ip', 'route'), /default via 10\.0\.0\.254 dev eth1/);
    assert.match(await hosts[0]!.exec('ip', 'link', 'show', 'eth1'), /mtu 1400/);
    const update = await heddle('attach', 'br0', targets[0]!, '--update', '--tag=7');
    assert.equal(update.code, 0, update.stderr);
    assert.equal((await instance.vsctl('get', 'Port', update.stdout.trim(), 'tag')).trim(), '7');
    assert.equal(await hosts[0]!.reaches('10.0.0.2'), false);
    for (const target of targets) assert.equal((await heddle('detach', 'br0', target)).code, 0);
    assert.equal((await instance.vsctl('list-ports', 'br0')).trim(), '');
    assert.deepEqual(await devices(hosts[0]!), ['lo']);
  });

  test(`${name}: what cannot be attached is refused and leaves nothing`, async () => {
    await using scope = new Scope();
    const { instance, heddle } = await world(scope, open, columns);
    const host = await Host.create(scope);
    await heddle('attach', 'br0', host.name, '--interface=eth5');
    const before = [await devices(instance.host), await devices(host)];
    const cases: readonly [readonly string[], RegExp][] = [
      [['br9', host.name], /no bridge named br9/],
      [['br0', host.name, '--interface=eth5'], /Port already attached/],
      [['br0', host.name, '--interface=lo'], /there is an interface lo inside already/],
      [['br0', host.name, '--ip=10.0.0.300/24'], /is not an address/],
      [['br0', host.name, '--ip=10.0.0.1/24', '--gateway=192.0.2.1'], /gateway 192\.0\.2\.1/],
      [['br0', host.name, '--mac=01:00:00:00:00:01'], /multicast/],
      [['br0', host.name, '--mtu=7'], /not an MTU/],
      [['br0', host.name, '--tag=5000'], /5000/],
      [['br0', host.name, '--interface=a-name-that-is-too-long'], /not a valid device name/],
      [['br0', '/nowhere/at/all'], /no such namespace/],
      [['br0', 'nobody-has-this-name'], /no namespace, no process and no container/],
    ];
    for (const [args, error] of cases) {
      const { code, stderr } = await heddle('attach', ...args);
      assert.notEqual(code, 0, args.join(' '));
      assert.match(stderr, error);
      assert.deepEqual([await devices(instance.host), await devices(host)], before, args.join(' '));
    }
  });

  test(`${name}: an attach killed at any step leaves nothing, or a port with an owner`, async () => {
    await using scope = new Scope();
    const { instance, heddle } = await world(scope, open, columns);
    for (const step of ['built', 'handed over', 'entered']) {
      const host = await Host.create(scope);
      const before = await devices(instance.host);
      const { signal } = await instance.run(
        process.execPath,
        '--input-type=module',
        '-e',
        killedAt(host, step),
      );
      assert.equal(signal, 'SIGKILL', step);
      if (step === 'entered') await run(['ip', 'netns', 'del', host.name]);
      // The kernel ends namespaces, and the devices in them, at leisure.
      await eventually(`nothing left after '${step}'`, async () => {
        assert.equal((await heddle('gc')).code, 0);
        assert.deepEqual(await devices(instance.host), before, step);
        assert.equal((await instance.vsctl('list-ports', 'br0')).trim(), '', step);
        return true;
      });
    }
  });

  test(`${name}: only dead ports that have an owner are collected`, async () => {
    await using scope = new Scope();
    const { instance, heddle } = await world(scope, open, columns);
    const [dies, lives] = [await Host.create(scope), await Host.create(scope)];
    const dead = (await heddle('attach', 'br0', dies.name)).stdout.trim();
    const alive = (await heddle('attach', 'br0', lives.name)).stdout.trim();
    await instance.run('ovs-vsctl', '--no-wait', 'add-port', 'br0', 'nobodys');
    await run(['ip', 'netns', 'del', dies.name]);
    await eventually(`end of ${dead}`, async () => {
      return !(await devices(instance.host)).includes(dead);
    });
    // Our switch collects by itself, too: it may have been first.
    const lines = open === Instance.ours ? [`port ${dead}\n`, ''] : [`port ${dead}\n`];
    for (const option of [['--dry-run'], []]) {
      const { stdout } = await heddle('gc', ...option);
      assert.ok(lines.includes(stdout), stdout);
    }
    assert.equal((await heddle('gc')).stdout, '');
    const left = (await instance.vsctl('list-ports', 'br0')).trim().split('\n');
    assert.deepEqual(left, [alive, 'nobodys'].sort());
  });

  test(`${name}: pipework makes the bridge and sets address, MAC and VLAN`, async () => {
    await using scope = new Scope();
    const { instance } = await world(scope, open, columns);
    const host = await Host.create(scope);
    const pipework = (...args: string[]): Promise<RunResult> =>
      instance.run(ours('pipework'), ...args);
    const args = ['10.0.0.1/24@10.0.0.254', '02:00:00:00:00:99', '@30'];
    const done = await pipework('br7', '-i', 'net0', host.name, ...args);
    assert.equal(done.code, 0, done.stderr);
    const [port] = (await instance.vsctl('list-ports', 'br7')).trim().split('\n');
    assert.equal((await instance.vsctl('get', 'Port', port!, 'tag')).trim(), '30');
    assert.equal(await host.mac('net0'), '02:00:00:00:00:99');
    const bad = await pipework('br7', '-i', 'net1', host.name, '10.0.0.1');
    assert.match(bad.stderr, /should include a netmask/);
  });
}

/** A program that attaches and is killed when it has done a step. */
function killedAt(host: Host, step: string): string {
  const source = join(REPOSITORY, 'packages/cli/src/attach');
  return `
    import { attach } from '${source}/attach.ts';
    import { insideConfig } from '${source}/inside-config.ts';
    import { resolveTarget } from '${source}/target.ts';
    await attach({
      bridge: 'br0',
      target: await resolveTarget('${host.name}'),
      ...insideConfig('eth1', { address: '10.0.0.1/24' }),
      onStep: (step) => step === '${step}' && process.kill(process.pid, 'SIGKILL'),
    });`;
}
