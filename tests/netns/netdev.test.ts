/** `datapath_type=netdev`: real traffic between hosts without BPF, by AF_PACKET sockets and taps. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, Host, Instance, isolate, Scope } from '@heddle/testing';

isolate();

/** Three hosts, 10.0.0.1 to 10.0.0.3, on ports p1 to p3; an internal port `host0` with 10.0.0.9. */
async function world(scope: Scope) {
  const instance = await Instance.ours(scope);
  await instance.vsctl(
    ...['add-br', 'br0', '--', 'set', 'Bridge', 'br0', 'datapath_type=netdev'],
    ...['--', 'add-port', 'br0', 'host0', '--', 'set', 'Interface', 'host0', 'type=internal'],
  );
  const hosts: Host[] = [];
  for (const n of [1, 2, 3]) {
    const host = await Host.create(scope);
    await host.veth(scope, 'eth0', `p${n}`, instance.host);
    await host.address('eth0', `10.0.0.${n}/24`);
    await instance.vsctl('add-port', 'br0', `p${n}`);
    hosts.push(host);
  }
  await instance.host.address('host0', '10.0.0.9/24');
  await instance.host.exec('ip', 'link', 'set', 'host0', 'up');
  const [a, b, c] = hosts as [Host, Host, Host];
  const comes = (from: Host, to: string) =>
    eventually(`a packet to ${to}`, () => from.reaches(to, 4));
  return { instance, a, b, c, comes };
}

/** Segments that arrived with a wrong checksum. */
async function checksumErrors(host: Host): Promise<number> {
  const lines = (await host.exec('cat', '/proc/net/snmp'))
    .split('\n')
    .filter((l) => /^Tcp:/.test(l));
  const [names, values] = lines.map((line) => line.split(' '));
  return Number(values![names!.indexOf('InCsumErrors')]);
}

/** TCP by iperf3, whose super-packets cross as they are. */
async function streams(from: Host, to: Host, address: string): Promise<void> {
  const before = await checksumErrors(to);
  const gbps = await from.iperf(address, 1);
  assert.ok(gbps > 0.05, `${gbps} Gbit/s`);
  assert.equal((await checksumErrors(to)) - before, 0);
}

test('hosts and an internal port speak TCP to each other', async () => {
  await using scope = new Scope();
  const { instance, a, b, comes } = await world(scope);
  await comes(a, '10.0.0.2');
  await comes(a, '10.0.0.9');
  await b.iperfServer(scope);
  await instance.host.iperfServer(scope);
  await streams(a, b, '10.0.0.2');
  await streams(a, instance.host, '10.0.0.9');
  await streams(instance.host, b, '10.0.0.2');
  assert.match(await instance.appctl('dpif/show'), /^netdev@ovs-netdev: .*\n {2}br0:\n/);
  const statistics = await instance.vsctl('get', 'Interface', 'p1', 'status');
  assert.match(statistics, /driver_name=veth/);
  await eventually('statistics', async () => {
    const bytes = await instance.vsctl('get', 'Interface', 'p1', 'statistics:rx_bytes');
    return Number(bytes) > 1_000_000;
  });
});

test('rewritten addresses and ports leave unfinished checksums right', async () => {
  await using scope = new Scope();
  const { instance, a, b, comes } = await world(scope);
  await comes(a, '10.0.0.2');
  await b.iperfServer(scope);
  const mac = await b.mac('eth0');
  await a.exec('ip', 'neigh', 'add', '10.0.0.77', 'lladdr', mac, 'dev', 'eth0');
  const flow = (match: string, actions: string) =>
    instance.exec('ovs-ofctl', 'add-flow', 'br0', `priority=9,${match} actions=${actions}`);
  await flow(
    'tcp,nw_dst=10.0.0.77,tp_dst=77',
    'mod_nw_dst:10.0.0.2,mod_tp_dst:5201,mod_nw_tos:8,NORMAL',
  );
  await flow('tcp,nw_src=10.0.0.2,tp_src=5201', 'mod_nw_src:10.0.0.77,mod_tp_src:77,NORMAL');
  const before = [await checksumErrors(a), await checksumErrors(b)];
  const gbps = await a.iperf('10.0.0.77', 1, ['-p', '77']);
  assert.ok(gbps > 0.05, `${gbps} Gbit/s`);
  assert.deepEqual([await checksumErrors(a), await checksumErrors(b)], before);
});

test('tags come and go on super-packets', async () => {
  await using scope = new Scope();
  const { instance, a, b, c, comes } = await world(scope);
  // A trunk between two bridges: what is tagged on one side leaves it by a device.
  await instance.host.exec('ip', 'link', 'add', 't0', 'type', 'veth', 'peer', 'name', 't1');
  for (const t of ['t0', 't1']) await instance.host.exec('ip', 'link', 'set', t, 'up');
  await instance.vsctl(
    ...['add-br', 'br1', '--', 'set', 'Bridge', 'br1', 'datapath_type=netdev'],
    ...['--', 'del-port', 'p2', '--', 'add-port', 'br1', 'p2', 'tag=10'],
    ...['--', 'add-port', 'br0', 't0', '--', 'add-port', 'br1', 't1', 'trunks=10,12'],
    ...['--', 'set', 'Port', 'p1', 'tag=10', '--', 'set', 'Port', 'p3', 'tag=11'],
  );
  await comes(a, '10.0.0.2');
  await a.iperfServer(scope);
  await b.iperfServer(scope);
  await streams(a, b, '10.0.0.2');
  await streams(b, a, '10.0.0.1');
  assert.equal(await c.reaches('10.0.0.2'), false);
});

test('after kill -9 a new daemon takes over, internal ports keep their addresses', async () => {
  await using scope = new Scope();
  const { instance, a, comes } = await world(scope);
  await comes(a, '10.0.0.9');
  await instance.kill('ovs-vswitchd');
  await instance.vsctl('--no-wait', 'del-port', 'p3', '--', 'add-port', 'br0', 'gone0');
  await instance.startSwitch();
  await comes(a, '10.0.0.2');
  await comes(a, '10.0.0.9');
  await instance.kill('ovs-vswitchd');
  await instance.vsctl('--no-wait', 'del-port', 'host0');
  await instance.startSwitch();
  const links = await instance.host.exec('ip', '-o', 'link');
  assert.doesNotMatch(links, /host0/);
  await instance.appctl('exit', '--cleanup');
  await eventually('no taps', async () => {
    return !/ovs-netdev|br0/.test(await instance.host.exec('ip', '-o', 'link'));
  });
});

test('a device that leaves closes its port, and opens it again when it is back', async () => {
  await using scope = new Scope();
  const { instance, a, comes } = await world(scope);
  await comes(a, '10.0.0.2');
  const ofport = () => instance.ofport('p1');
  await a.exec('ip', 'link', 'del', 'eth0');
  await eventually('the port to close', async () => (await ofport()) === -1);
  await a.veth(scope, 'eth0', 'p1', instance.host);
  await a.address('eth0', '10.0.0.1/24');
  await eventually('the port to open', async () => (await ofport()) > 0);
  await comes(a, '10.0.0.2');
});

test('an internal port whose device somebody has deleted gets a new one', async () => {
  await using scope = new Scope();
  const { instance, a, comes } = await world(scope);
  await comes(a, '10.0.0.9');
  const index = async () => {
    const { stdout } = await instance.run('ip', '-o', 'link', 'show', 'host0');
    return Number.parseInt(stdout, 10) || 0;
  };
  const before = await index();
  await instance.host.exec('ip', 'link', 'del', 'host0');
  await eventually('a new device', async () => (await index()) > before);
  await instance.host.address('host0', '10.0.0.9/24');
  await instance.host.exec('ip', 'link', 'set', 'host0', 'up');
  // Its address is another, which the host has yet to ask for.
  await a.exec('ip', 'neigh', 'flush', 'dev', 'eth0');
  await comes(a, '10.0.0.9');
});

test('a device that was down before it left comes back, too', async () => {
  await using scope = new Scope();
  const { instance, a, comes } = await world(scope);
  await comes(a, '10.0.0.2');
  const ofport = () => instance.ofport('p1');
  await instance.host.exec('ip', 'link', 'set', 'p1', 'down');
  await eventually('the port to be down', async () => {
    return /down/.test(await instance.vsctl('get', 'Interface', 'p1', 'admin_state'));
  });
  await a.exec('ip', 'link', 'del', 'eth0');
  await eventually('the port to close', async () => (await ofport()) === -1);
  await a.veth(scope, 'eth0', 'p1', instance.host);
  await a.address('eth0', '10.0.0.1/24');
  await eventually('the port to open', async () => (await ofport()) > 0);
  await comes(a, '10.0.0.2');
});
