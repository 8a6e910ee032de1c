/**
 * Two hosts: containers on bridges, a tunnel between them, the tunnel over bonded links with LACP,
 * one side's connections translated. Each daemon is killed under load: nothing breaks. (LACP is slow
 * here: partners of fast LACP give a link up when nothing is heard of it for three seconds.)
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delay, eventually, Host, Instance, isolate, Scope } from '@heddle/testing';

isolate();

interface Side {
  readonly host: Host;
  readonly container: Host;
  readonly instance: Instance;
}

const LINKS = ['eth0', 'eth1'];

/** Host N has 10.1.0.N on its bond, its container 10.2.0.N. */
async function side(scope: Scope, host: Host, n: number): Promise<Side> {
  const instance = await Instance.ours(scope, { host });
  const container = await Host.create(scope);
  await container.veth(scope, 'eth0', 'c0', host);
  for (const [on, device] of [
    [container, 'eth0'],
    [host, 'c0'],
  ] as const) {
    await on.exec('ip', 'link', 'set', device, 'mtu', '1400');
  }
  await container.address('eth0', `10.2.0.${n}/24`);
  const bond = ['bond_mode=balance-tcp', 'lacp=active', 'other_config:lacp-time=slow'];
  await instance.vsctl(
    ...['add-br', 'phy', '--', 'add-bond', 'phy', 'bond0', ...LINKS, ...bond],
    ...[
      '--',
      'add-br',
      'br0',
      '--',
      'set-fail-mode',
      'br0',
      'secure',
      '--',
      'add-port',
      'br0',
      'c0',
    ],
    ...['--', 'add-port', 'br0', 't0', '--', 'set', 'interface', 't0', 'type=vxlan'],
    ...[`options:remote_ip=10.1.0.${3 - n}`, 'options:key=7'],
  );
  await host.exec('ip', 'link', 'set', 'phy', 'up');
  await host.address('phy', `10.1.0.${n}/24`);
  return { host, container, instance };
}

/** Its container goes out under another address. */
const TRANSLATION = [
  'priority=10,arp actions=normal',
  'priority=5,ip,in_port=c0 actions=ct(commit,nat(src=10.2.0.100),table=1)',
  'priority=5,ip,in_port=t0 actions=ct(nat,table=1)',
  'table=1,priority=0 actions=normal',
];
const SWITCHING = ['priority=0 actions=normal'];

async function addFlows({ instance }: Side, flows: readonly string[]): Promise<void> {
  for (const flow of flows) {
    await instance.exec('ovs-ofctl', '-O', 'OpenFlow14', 'add-flow', 'br0', flow);
  }
}

/** The next daemon leaves the traffic as it is until the flow tables are there again. */
async function killAndRestart(side: Side, flows: readonly string[]): Promise<void> {
  const { instance } = side;
  await instance.kill('ovs-vswitchd');
  const wait = ['open_vswitch', '.', 'other_config:flow-restore-wait=true'];
  await instance.vsctl('--no-wait', 'set', ...wait);
  await instance.startSwitch();
  assert.match(instance.log('ovs-vswitchd'), /adopted [1-9]\d* flows/);
  await addFlows(side, flows);
  await instance.vsctl('remove', 'open_vswitch', '.', 'other_config', 'flow-restore-wait');
}

/** Whether packets come and none of them needs the daemon. */
async function isQuiet(instance: Instance): Promise<boolean> {
  const count = async () => {
    const text = await instance.exec('ovs-appctl', 'dpctl/show');
    const [, hit, missed] = /lookups: hit:(\d+) missed:(\d+)/.exec(text)!;
    return { hit: Number(hit), missed: Number(missed) };
  };
  const before = await count();
  await delay(300);
  const after = await count();
  return after.missed === before.missed && after.hit > before.hit;
}

test('kill -9 under load: a tunnel over a bond, with translated connections', async () => {
  await using scope = new Scope();
  const hosts = [await Host.create(scope), await Host.create(scope)] as const;
  for (const link of LINKS) await hosts[0].veth(scope, link, link, hosts[1]);
  for (const host of hosts) for (const l of LINKS) await host.exec('ip', 'link', 'set', l, 'up');
  const a = await side(scope, hosts[0], 1);
  const b = await side(scope, hosts[1], 2);
  for (const { instance } of [a, b]) {
    await eventually('LACP', async () => {
      const text = await instance.exec('ovs-appctl', 'bond/show', 'bond0');
      return /lacp_status: negotiated/.test(text) && text.match(/: enabled/g)?.length === 2;
    });
  }
  await addFlows(a, TRANSLATION);
  await addFlows(b, SWITCHING);
  const { container } = a;
  // Kernels ask for neighbours now and then: an address is one more flow, which waits for a daemon.
  for (const [on, device, address, mac] of [
    [b.container, 'eth0', '10.2.0.100', await container.mac('eth0')],
    [container, 'eth0', '10.2.0.2', await b.container.mac('eth0')],
    [a.host, 'phy', '10.1.0.2', await b.host.mac('phy')],
    [b.host, 'phy', '10.1.0.1', await a.host.mac('phy')],
  ] as const) {
    const entry = [address, 'lladdr', mac, 'dev', device, 'nud', 'permanent'];
    await on.exec('ip', 'neigh', 'replace', ...entry);
  }
  await eventually('the way', () => container.reaches('10.2.0.2', 2));

  await b.container.iperfServer(scope);
  const stream = container.iperf('10.2.0.2', 12);
  await eventually('the stream', async () => {
    const dump = await a.instance.exec('ovs-appctl', 'dpctl/dump-conntrack');
    return /dst=10\.2\.0\.2,.*dport=5201\).*dst=10\.2\.0\.100,.*state=ESTABLISHED/.test(dump);
  });
  const ping = container.ping('10.2.0.2', { count: 400, intervalSeconds: 0.02 });
  for (const { instance } of [a, b]) await eventually('its flows', () => isQuiet(instance));
  await a.instance.kill('ovsdb-server');
  await a.instance.startDatabase();
  await killAndRestart(a, TRANSLATION);
  await killAndRestart(b, SWITCHING);
  const { received, text } = await ping;
  assert.equal(received, 400, text);
  assert.ok((await stream) > 0);
  const dump = await a.instance.exec('ovs-appctl', 'dpctl/dump-conntrack');
  assert.match(dump, /src=10\.2\.0\.1,dst=10\.2\.0\.2,.*dst=10\.2\.0\.100/);
  // What is new is translated, too.
  assert.ok(await container.reaches('10.2.0.2', 3));
});
