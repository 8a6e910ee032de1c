/** Loops of real switches: ours, Open vSwitch's, and a Linux bridge that speaks STP itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect, eventually, Host, Instance, isolate, Scope } from '@heddle/testing';

isolate();

const PATIENCE_MS = 60_000;

/** The least that the standard allows. */
const STP = ['stp_enable=true', 'other_config:stp-forward-delay=4', 'other_config:stp-max-age=6'];

async function packets(host: Host, device: string, way: 'rx' | 'tx'): Promise<number> {
  const [link] = JSON.parse(await host.exec('ip', '-j', '-s', 'link', 'show', 'dev', device));
  return link.stats64[way].packets;
}

function settled(text: string): boolean {
  return !/Discarding|Learning|listening|learning/.test(text.replaceAll(/.*Alternate.*\n/g, ''));
}

test('two links to a Linux bridge with STP: one is blocked, and stays so without the daemon and with the next', async () => {
  await using scope = new Scope();
  const switchHost = await Host.create(scope);
  const bridgeHost = await Host.create(scope);
  // What the kernel itself sends is not to be counted.
  for (const which of ['all', 'default']) {
    const file = `/proc/sys/net/ipv6/conf/${which}/disable_ipv6`;
    await switchHost.exec('sh', '-c', `echo 1 > ${file}`);
  }
  const instance = await Instance.ours(scope, { host: switchHost });
  const [a, b] = [await Host.create(scope), await Host.create(scope)];
  const inBridge = (...words: string[]) => bridgeHost.exec('ip', ...words);
  await inBridge('link', 'add', 'lbr', 'type', 'bridge', 'stp_state', '1', 'forward_delay', '400');
  await inBridge('link', 'set', 'lbr', 'up');
  for (const [i, host] of [a, b].entries()) {
    await host.veth(scope, 'eth0', `h${i}`, i === 0 ? switchHost : bridgeHost);
    await host.address('eth0', `10.0.0.${i + 1}/24`);
    await bridgeHost.veth(scope, `l${i}`, `p${i}`, switchHost);
    await inBridge('link', 'set', `l${i}`, 'master', 'lbr');
  }
  await inBridge('link', 'set', 'h1', 'master', 'lbr');
  // The switch is not the root: its second port is the one that blocks.
  await instance.vsctl(
    ...['add-br', 'br0', '--', 'set', 'Bridge', 'br0', ...STP, 'other_config:stp-priority=61440'],
    ...['h0', 'p0', 'p1'].flatMap((port, i) => [
      ...['--', 'add-port', 'br0', port, '--', 'set', 'Port', port],
      `other_config:stp-port-num=${i + 1}`,
    ]),
  );
  const show = () => instance.appctl('stp/show', 'br0');
  await eventually(
    'a port is the root port, another is blocked',
    async () => {
      const text = await show();
      return /root +forwarding/.test(text) && /alternate +blocking/.test(text) && settled(text);
    },
    PATIENCE_MS,
  );
  const blocked = /(p\d) +alternate/.exec(await show())![1]!;
  await eventually('hosts reach each other', () => a.reaches('10.0.0.2', 1));
  // Nobody who is alive lets packets of a blocked port pass, nor what a dead daemon has left.
  const crossed = async () => {
    const flows = await instance.appctl('dpctl/dump-flows', '--names');
    return flows.split('\n').filter((line) => {
      const passes = !/actions:(drop|userspace)/.test(line);
      return passes && (line.includes(`in_port(${blocked})`) || line.endsWith(blocked));
    });
  };
  assert.deepEqual(await crossed(), []);
  // ARP, which would wait for the daemon, has nothing to ask.
  await a.neighbour('eth0', '10.0.0.2', await b.mac('eth0'));
  await b.neighbour('eth0', '10.0.0.1', await a.mac('eth0'));
  assert.ok(await a.reaches('10.0.0.2', 2));
  const ping = collect(a.start(['ping', '-qi', '0.02', '-c', '300', '-W', '5', '10.0.0.2']));
  const whole = await show();
  await instance.kill('ovs-vswitchd');
  const sent = () => packets(switchHost, blocked, 'tx');
  const before = await sent();
  await a.run(['ping', '-c', '3', '-i', '0.2', '-W', '1', '-b', '10.0.0.255']);
  assert.equal(await sent(), before, 'the blocked port stays so without its daemon');
  await instance.startSwitch();
  assert.equal(await show(), whole, 'the next daemon goes on');
  assert.match((await ping).stdout, /300 received/);
  assert.equal(await show(), whole);
  assert.deepEqual(await crossed(), []);
});

test('RSTP: a ring of ours and of Open vSwitch has no loop, and no storm', async () => {
  await using scope = new Scope();
  const ours = await Instance.ours(scope);
  const theirs = await Instance.oracle(scope);
  const hosts: Host[] = [];
  // Two bridges of ours and one of Open vSwitch's, which has no kernel module here.
  const bridges = [
    { instance: ours, name: 'br0', words: [] },
    { instance: ours, name: 'br1', words: [] },
    { instance: theirs, name: 'br2', words: ['datapath_type=netdev'] },
  ];
  for (const [i, { instance, name, words }] of bridges.entries()) {
    const host = await Host.create(scope);
    await host.veth(scope, 'eth0', `h${i}`, instance.host);
    await host.address('eth0', `10.0.0.${i + 1}/24`);
    await instance.vsctl(
      ...['add-br', name, '--', 'set', 'Bridge', name, 'rstp_enable=true', ...words],
      ...['--', 'add-port', name, `h${i}`],
    );
    hosts.push(host);
  }
  for (const [i, { instance, name }] of bridges.entries()) {
    const next = bridges[(i + 1) % bridges.length]!;
    await next.instance.host.veth(scope, `y${i}`, `x${i}`, instance.host);
    await instance.vsctl(
      'add-port',
      name,
      `x${i}`,
      '--',
      'set',
      'Interface',
      `x${i}`,
      'type=system',
    );
    await next.instance.vsctl('add-port', next.name, `y${i}`);
  }
  const shows = () =>
    Promise.all(bridges.map(({ instance, name }) => instance.appctl('rstp/show', name)));
  await eventually(
    'one port of the ring blocks, the others forward',
    async () => {
      const texts = await shows();
      const blocked = texts.join('').match(/(Alternate|Backup) +Discarding/g) ?? [];
      return blocked.length === 1 && texts.every(settled);
    },
    PATIENCE_MS,
  );
  for (const address of ['10.0.0.2', '10.0.0.3']) {
    await eventually(`${address} answers`, () => hosts[0]!.reaches(address, 1));
  }
  const received = () => packets(hosts[1]!, 'eth0', 'rx');
  const before = await received();
  await hosts[0]!.run(['ping', '-c', '5', '-i', '0.2', '-W', '1', '10.0.0.2']);
  assert.ok((await received()) - before < 100, 'nothing goes round');
});
