/** In-band control: what a bridge lets through for its controllers, with Open vSwitch and for real. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, Host, Instance, isolate, REPOSITORY, Scope } from '@heddle/testing';

isolate();

const GATEWAY = '10.0.0.254';
const CONTROLLER = '10.0.0.2';

/** A bridge whose local port and `a0`, to a host with the controller, are all there is. */
async function bridge(scope: Scope, instance: Instance): Promise<Host> {
  const far = await Host.create(scope);
  await instance.host.veth(scope, 'a0', 'b0', far);
  for (const address of [CONTROLLER, GATEWAY]) {
    await far.exec('ip', 'addr', 'add', `${address}/24`, 'dev', 'b0');
  }
  await far.exec('ip', 'link', 'set', 'b0', 'up');
  const type = instance.kind.name === 'ours' ? 'system' : 'netdev';
  await instance.vsctl(
    ...['add-br', 'br0', '--', 'set', 'Bridge', 'br0', `datapath_type=${type}`],
    ...['fail_mode=secure', '--', 'add-port', 'br0', 'a0'],
  );
  return far;
}

async function setAddress(instance: Instance): Promise<void> {
  await instance.host.exec('ip', 'addr', 'add', '10.0.0.1/24', 'dev', 'br0');
  await instance.host.exec('ip', 'link', 'set', 'br0', 'up');
  await instance.host.exec('ip', 'route', 'add', 'default', 'via', GATEWAY);
}

/** Flows that OpenFlow does not show, without counters and with names for addresses. */
async function hiddenFlows(instance: Instance, hop: string): Promise<string[]> {
  const text = await instance.appctl('bridge/dump-flows', 'br0');
  const local = /in_port=LOCAL,dl_src=([^,]+)/.exec(text)?.[1] ?? 'none';
  return text
    .split('\n')
    .filter((line) => /priority=18000\d,/.test(line))
    .map((line) => line.replace(/^.*n_bytes=\d+, /, ''))
    .map((line) => line.replaceAll(local, 'LOCAL').replaceAll(hop, 'HOP'))
    .sort();
}

const QUEUED = /actions=set_queue:3,NORMAL$/;
const CONFIGURATIONS: readonly (readonly [flows: number, how: RegExp, ...words: string[]])[] = [
  [9, /actions=NORMAL$/, 'set-manager', 'ssl:10.0.1.5'],
  [13, /actions=NORMAL$/, 'set-controller', 'br0', `tcp:${CONTROLLER}:6653`],
  [
    9,
    QUEUED,
    ...['set', 'Controller', 'br0', 'connection_mode=out-of-band', '--'],
    ...['set', 'Bridge', 'br0', 'other_config:in-band-queue=3'],
  ],
  [
    19,
    QUEUED,
    ...['set-controller', 'br0', `tcp:${CONTROLLER}:6653`, `ssl:${CONTROLLER}:6653`],
    ...[`tcp:${CONTROLLER}:6654`, 'tcp:192.0.2.1', 'unix:/tmp/none', 'ptcp:7777'],
    ...['tcp:[fe80::1]:6653', '--', 'set', 'Bridge', 'br0', 'fail_mode=standalone'],
  ],
  [0, QUEUED, 'set', 'Bridge', 'br0', 'other_config:disable-in-band=true'],
];

test('the same hidden flows as Open vSwitch’s', async () => {
  await using scope = new Scope();
  const both = [await Instance.ours(scope), await Instance.oracle(scope)] as const;
  const hops: string[] = [];
  for (const instance of both) {
    const hop = await (await bridge(scope, instance)).mac('b0');
    hops.push(hop);
    await setAddress(instance);
    // The gateway is known from now on.
    await instance.host.exec(
      ...['ip', 'neigh', 'replace', GATEWAY, 'lladdr', hop],
      ...['nud', 'permanent', 'dev', 'br0'],
    );
  }
  for (const [count, how, ...words] of CONFIGURATIONS) {
    for (const instance of both) await instance.vsctl(...words);
    await eventually(`${count} flows after ${words.join(' ')}`, async () => {
      const flows = await hiddenFlows(both[0], hops[0]!);
      assert.equal(flows.length, count, flows.join('\n'));
      for (const flow of flows) assert.match(flow, how);
      assert.deepEqual(flows, await hiddenFlows(both[1], hops[1]!));
      return true;
    });
  }
});

test('DHCP reaches the local port, which gets its address from the controller', async () => {
  await using scope = new Scope();
  const traces: string[] = [];
  for (const instance of [await Instance.ours(scope), await Instance.oracle(scope)]) {
    await bridge(scope, instance);
    await instance.vsctl(
      ...['--', '--id=@c', 'create', 'Controller', `target="tcp:${CONTROLLER}:6653"`],
      ...['local_ip=10.0.0.1', 'local_netmask=255.255.255.128', 'local_gateway=10.0.0.100'],
      ...['--', 'set', 'Bridge', 'br0', 'controller=@c'],
    );
    await eventually('an address', async () => {
      const text = await instance.host.exec('ip', '-4', '-o', 'addr', 'show', 'dev', 'br0');
      assert.match(text, / 10\.0\.0\.1\/25 /);
      return true;
    });
    await eventually('a route', async () => {
      const text = await instance.host.exec('ip', 'route', 'show', 'default');
      assert.match(text, /^default via 10\.0\.0\.100 dev br0/);
      return true;
    });
    await eventually('flows', async () => {
      const text = await instance.appctl('bridge/dump-flows', 'br0');
      return text.includes('priority=180008');
    });
    let text = '';
    await instance.exec('ovs-ofctl', 'add-flow', 'br0', 'udp,actions=controller');
    for (const [port, from] of [
      [1, 67],
      ['LOCAL', 67],
      [1, 66],
    ]) {
      const packet = `in_port=${port},udp,udp_src=${from},udp_dst=68`;
      text += await instance.appctl('ofproto/trace', 'br0', packet);
    }
    traces.push(comparable(text));
  }
  assert.equal(traces[0], traces[1]);
});

/** Without numbers that each has of its own. */
function comparable(trace: string): string {
  return trace
    .replaceAll(/^Megaflow: .*$/gm, '')
    .replaceAll(/recirc_id=\w+/g, 'recirc_id=N')
    .replaceAll(/pid=\d+/g, 'pid=N')
    .replaceAll(/^Datapath actions: .*$/gm, (line) => line.replaceAll(/\b\d+(?=,|$)/g, 'PORT'));
}

test('a controller behind the bridge is reached though no flow says so', async () => {
  await using scope = new Scope();
  const ours = await Instance.ours(scope);
  const far = await bridge(scope, ours);
  await setAddress(ours);
  const pidfile = `${scope.directory('controller')}/pid`;
  await far.exec(
    ...[`${REPOSITORY}/bin/ovs-testcontroller`, 'ptcp:6653', '--detach', '--no-chdir'],
    ...[`--pidfile=${pidfile}`, `--unixctl=${pidfile}.ctl`],
  );
  scope.defer(async () => {
    await far.run(['sh', '-c', `kill $(cat ${pidfile})`]);
  });
  await ours.vsctl(
    ...['set-controller', 'br0', `tcp:${CONTROLLER}:6653`, '--', 'set', 'Controller', 'br0'],
    ...['max_backoff=1000', '--', 'set', 'Bridge', 'br0', 'other_config:disable-in-band=true'],
  );
  assert.equal(await far.reaches('10.0.0.1', 1), false);
  await ours.vsctl('set', 'Bridge', 'br0', 'other_config:disable-in-band=false');
  await eventually('connected', async () => {
    return (await ours.vsctl('get', 'Controller', 'br0', 'is_connected')).trim() === 'true';
  });
});
