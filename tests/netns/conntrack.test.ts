/** Connection tracking between real hosts: a stateful firewall, translation, and a daemon that is killed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ethernet, ipv4, tcp } from '@heddle/packet/build';
import { eventually, type Host, isolate, Scope, Wire } from '@heddle/testing';
import { twoHosts } from './two-hosts.ts';

isolate();

const FIREWALL = [
  'table=0,priority=10,arp actions=normal',
  'table=0,priority=5,ip actions=ct(table=1)',
  'table=1,priority=20,ct_state=+est+trk,ip actions=normal',
  'table=1,priority=10,ct_state=+new+trk,ip,in_port=1 actions=ct(commit),normal',
  'table=1,priority=0 actions=drop',
];
const DNAT = [
  'table=0,priority=10,arp actions=normal',
  'table=0,priority=5,ip,in_port=1 actions=ct(commit,nat(dst=10.0.0.2),table=1)',
  'table=0,priority=5,ip,in_port=2 actions=ct(nat,table=1)',
  'table=1,priority=0 actions=normal',
];
const NAT = [
  'table=0,priority=10,arp actions=normal',
  'table=0,priority=5,ip,in_port=1 actions=ct(commit,nat(dst=10.0.0.2:5201),table=1)',
  'table=0,priority=5,ip,in_port=2 actions=ct(nat,table=1)',
  'table=1,priority=0 actions=normal',
];

/** Bytes that arrived. */
async function transfer(client: Host, server: Host, to: string, port: string, seconds: number) {
  const daemon = server.exec('iperf3', '-s', '-1', '-p', '5201');
  await eventually('a server', async () => (await server.exec('ss', '-ltn')).includes(':5201'));
  const args = ['-c', to, '-p', port, '-t', String(seconds), '-J'];
  const out = await client.exec('iperf3', ...args);
  await daemon;
  return JSON.parse(out).end.sum_received.bytes as number;
}

test('a stateful firewall lets answers in and nothing else', async () => {
  await using scope = new Scope();
  const { instance, client, server } = await twoHosts(scope, FIREWALL);
  await eventually('a way out', () => client.reaches('10.0.0.2', 4));
  assert.equal(await server.reaches('10.0.0.1', 4), false);
  assert.ok((await transfer(client, server, '10.0.0.2', '5201', 1)) > 0);
  const dump = await instance.exec('ovs-appctl', 'dpctl/dump-conntrack');
  assert.match(dump, /tcp,orig=\(src=10.0.0.1,dst=10.0.0.2,.*dport=5201\).*state=TIME_WAIT/);
});

test('a translated connection outlives the daemon', async () => {
  await using scope = new Scope();
  const { instance, client, server } = await twoHosts(scope, NAT);
  const neighbour = ['10.0.0.9', 'lladdr', await server.mac('eth0'), 'dev', 'eth0'];
  await client.exec('ip', 'neigh', 'replace', ...neighbour, 'nud', 'permanent');
  const row = ['--id=@dp', 'create', 'Datapath', 'datapath_version=1'];
  await instance.vsctl(...['--', ...row, '--', 'set', 'Open_vSwitch', '.', 'datapaths:system=@dp']);
  await instance.vsctl('add-zone-tp', 'system', 'zone=0', 'icmp_first=1', 'icmp_reply=1');
  await eventually('a translated answer', () => client.reaches('10.0.0.9', 1));
  const arrived = transfer(client, server, '10.0.0.9', '80', 3);
  const dump = () => instance.exec('ovs-appctl', 'dpctl/dump-conntrack');
  await eventually('a connection', async () => (await dump()).includes('state=ESTABLISHED'));
  process.kill(instance.pid('ovs-vswitchd')!, 'SIGKILL');
  // New ones begin meanwhile, too.
  assert.ok(await client.reaches('10.0.0.9', 4));
  assert.ok((await arrived) > 0);
  await instance.startSwitch();
  const count = () => instance.exec('ovs-appctl', 'dpctl/ct-get-nconns');
  await eventually('those that expired to be removed', async () => {
    const text = await dump();
    return !text.includes('icmp') && Number(await count()) === text.trim().split('\n').length;
  });
  assert.match(await dump(), /dst=10.0.0.9,sport=\d+,dport=80\),reply=\(src=10.0.0.2,.*sport=5201/);
});

test('timeouts and limits of zones come from the database', async () => {
  await using scope = new Scope();
  const { instance, client } = await twoHosts(scope, [
    'table=0,priority=10,arp actions=normal',
    'table=0,priority=5,ip actions=ct(commit,zone=5,table=1)',
    'table=1,priority=0 actions=normal',
  ]);
  const row = ['--id=@dp', 'create', 'Datapath', 'datapath_version=1'];
  await instance.vsctl(...['--', ...row, '--', 'set', 'Open_vSwitch', '.', 'datapaths:system=@dp']);
  assert.match(await instance.vsctl('list-dp-cap', 'system'), /\bct_timeout=true\b/);
  await instance.vsctl('add-zone-tp', 'system', 'zone=5', 'icmp_first=1000', 'icmp_reply=2000');
  await instance.vsctl('set-zone-limit', 'system', 'zone=5', '1');
  const dpctl = (...args: string[]) => instance.exec('ovs-appctl', ...args);
  assert.match(await dpctl('dpctl/ct-get-limits', 'zone=5'), /zone=5,limit=1,count=0/);
  await eventually('an answer', () => client.reaches('10.0.0.2', 1));
  const dump = await dpctl('dpctl/dump-conntrack', '-s', 'zone=5');
  assert.match(dump, /^icmp,.*zone=5,timeout=(2000|19[0-9][0-9])$/m);
  await client.reaches('10.0.0.2', 1);
  assert.match(await dpctl('dpctl/ct-get-limits', 'zone=5'), /zone=5,limit=1,count=1/);
  await dpctl('dpctl/flush-conntrack');
  await instance.vsctl('del-zone-tp', 'system', 'zone=5', '--', 'del-zone-limit', 'system', '5');
  for (let i = 0; i < 2; i++) assert.ok(await client.reaches('10.0.0.2', 2));
  assert.match(await dpctl('dpctl/ct-get-limits', 'zone=5'), /zone=5,limit=0,count=2/);
  assert.match(await dpctl('dpctl/dump-conntrack', '-s'), /timeout=([12]?[0-9]|30)$/m);
});

test('fragments are tracked by the packets that they are of', async () => {
  await using scope = new Scope();
  const { instance, client, server } = await twoHosts(scope, FIREWALL);
  const fragmented = { count: 2, size: 4000, intervalSeconds: 0.2 };
  const reaches = async (from: Host, to: string) => (await from.ping(to, fragmented)).received > 0;
  await eventually('a way out', () => reaches(client, '10.0.0.2'));
  assert.equal(await reaches(server, '10.0.0.1'), false);
  const status = await instance.exec('ovs-appctl', 'dpctl/ipf-get-status');
  assert.match(status, /v4 frags completed: [1-9]/);
  assert.match(status, /num frag: 0/);
  await instance.exec('ovs-ofctl', 'del-flows', 'br0');
  for (const flow of DNAT) await instance.exec('ovs-ofctl', 'add-flow', 'br0', flow);
  const neighbour = ['10.0.0.9', 'lladdr', await server.mac('eth0'), 'dev', 'eth0'];
  await client.exec('ip', 'neigh', 'replace', ...neighbour, 'nud', 'permanent');
  await eventually('a translated answer', () => reaches(client, '10.0.0.9'));
});

test('a flood of new connections pushes out nothing but itself', async () => {
  await using scope = new Scope();
  const { instance, client, server } = await twoHosts(scope, FIREWALL);
  const appctl = (...args: string[]) => instance.exec('ovs-appctl', ...args);
  await appctl('dpctl/ct-set-maxconns', '64');
  const wire = Wire.open(scope, client, 'eth0');
  const macs = { src: await client.mac('eth0'), dst: await server.mac('eth0') };
  await eventually('a way out', () => client.reaches('10.0.0.2', 1));
  await server.iperfServer(scope);
  const stream = client.start(['iperf3', '-c', '10.0.0.2', '-t', '600', '-b', '1M']);
  scope.defer(async () => void stream.kill('SIGKILL'));
  const established = async () => {
    const dump = await appctl('dpctl/dump-conntrack');
    return [...dump.matchAll(/dport=5201\).*state=ESTABLISHED/g)].length;
  };
  const received = async () => {
    const [link] = JSON.parse(await server.exec('ip', '-j', '-s', 'link', 'show', 'eth0'));
    return link.stats64.rx.bytes as number;
  };
  await eventually('control and data', async () => (await established()) === 2);
  const flood = (from: number) => {
    for (let port = from; port < from + 300; port++) {
      const syn = tcp({ src: port, dst: 80, flags: 2 });
      wire.send(ethernet(macs, ipv4({ src: '10.0.0.1', dst: '10.0.0.77' }, syn)));
    }
  };
  for (const from of [1000, 2000, 3000]) {
    flood(from);
    assert.ok(Number(await appctl('dpctl/ct-get-nconns')) <= 64);
    assert.equal(await established(), 2);
    // Others begin connections meanwhile.
    assert.ok(await client.reaches('10.0.0.2', 3));
  }
  const before = await received();
  await eventually('more of the stream', async () => (await received()) > before + 100_000);
  await eventually('counted', async () => {
    return Number(await appctl('coverage/read-counter', 'conntrack_evicted')) > 600;
  });
  assert.equal(await appctl('coverage/read-counter', 'conntrack_full'), '0\n');
});
