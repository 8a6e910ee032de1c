/** BFD and CFM over real links: with Open vSwitch over a veth, between two of ours through VXLAN. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect, eventually, Host, Instance, isolate, Scope } from '@heddle/testing';

isolate();

const BFD = ['bfd:enable=true', 'bfd:min_rx=200', 'bfd:min_tx=200'];

const bfdOf = (instance: Instance, port: string) =>
  instance.vsctl('get', 'Interface', port, 'bfd_status');

/** Waits until both ends say so of BFD. */
async function bothAre(ends: readonly (readonly [Instance, string])[], text: RegExp) {
  for (const [instance, port] of ends) {
    await eventually(`${instance.kind.name} ${port}: ${text}`, async () => {
      assert.match(await bfdOf(instance, port), text);
      return true;
    });
  }
}

test('with Open vSwitch: up, down when packets are lost, up again; a group follows', async () => {
  await using scope = new Scope();
  const ours = await Instance.ours(scope);
  const theirs = await Instance.oracle(scope);
  await ours.host.veth(scope, 'a0', 'b0', theirs.host);
  const ends = [
    [ours, 'a0'],
    [theirs, 'b0'],
  ] as const;
  for (const [instance, port] of ends) {
    const type = instance === ours ? 'system' : 'netdev';
    await instance.vsctl(
      ...['add-br', 'br0', '--', 'set', 'Bridge', 'br0', `datapath_type=${type}`, '--'],
      ...['add-port', 'br0', port, '--', 'set', 'Interface', port, ...BFD],
      ...[`cfm_mpid=${instance === ours ? 1 : 2}`, 'other_config:cfm_interval=100'],
    );
  }
  await bothAre(ends, /forwarding="true".*state=up/);
  const cfm = (instance: Instance, port: string) =>
    instance.vsctl('get', 'Interface', port, 'cfm_fault', 'cfm_remote_mpids');
  await eventually('CFM hears them', async () => (await cfm(ours, 'a0')) === 'false\n[2]\n');
  await eventually('CFM is heard', async () => (await cfm(theirs, 'b0')) === 'false\n[1]\n');
  await ours.host.exec('ip', 'link', 'add', 'c0', 'up', 'type', 'veth', 'peer', 'c1');
  await ours.host.exec('ip', 'link', 'set', 'c1', 'up');
  await ours.vsctl('add-port', 'br0', 'c0');
  await ours.exec(
    ...['ovs-ofctl', '-O', 'OpenFlow13', 'add-group', 'br0'],
    'group_id=1,type=ff,bucket=watch_port:a0,actions=a0,bucket=watch_port:c0,actions=c0',
  );
  await ours.exec('ovs-ofctl', '-O', 'OpenFlow13', 'add-flow', 'br0', 'actions=group:1');
  const outputs = async () =>
    /Datapath actions: (.*)/.exec(
      await ours.appctl('ofproto/trace', 'br0', 'in_port=LOCAL,dl_type=0x1234'),
    )?.[1];
  const whileUp = await outputs();
  // Lost, though both ends have carrier.
  await theirs.vsctl('set', 'Interface', 'b0', 'bfd:enable=false');
  await eventually('ours is down', async () => {
    assert.match(await bfdOf(ours, 'a0'), /diagnostic="Control Detection Time Expired"/);
    return true;
  });
  assert.notEqual(await outputs(), whileUp, 'the group goes by another port');
  await theirs.vsctl('set', 'Interface', 'b0', 'bfd:enable=true');
  await bothAre(ends, /forwarding="true".*state=up/);
  assert.equal(await outputs(), whileUp);
  await ours.vsctl('set', 'Interface', 'a0', 'bfd:cpath_down=true');
  await eventually('theirs hears that the path is down', async () => {
    assert.match(await bfdOf(theirs, 'b0'), /forwarding="false".*Concatenated Path Down/);
    return true;
  });
});

test('through VXLAN: the other end of a killed daemon says down, and up when it is back', async () => {
  await using scope = new Scope();
  const a = await Instance.ours(scope);
  const b = await Instance.ours(scope);
  await a.host.veth(scope, 'eth0', 'eth0', b.host);
  const ends = [
    [a, 'vx0'],
    [b, 'vx0'],
  ] as const;
  await a.host.address('eth0', '192.168.9.1/24');
  await b.host.address('eth0', '192.168.9.2/24');
  for (const [instance, port] of ends) {
    const remote = instance === a ? '192.168.9.2' : '192.168.9.1';
    await instance.vsctl(
      ...['add-br', 'br0', '--', 'add-port', 'br0', port, '--', 'set', 'Interface', port],
      ...['type=vxlan', `options:remote_ip=${remote}`, 'options:key=7', ...BFD],
    );
  }
  await bothAre(ends, /forwarding="true".*state=up/);
  await b.kill('ovs-vswitchd');
  await bothAre([ends[0]], /forwarding="false".*state=down/);
  await b.startSwitch();
  await bothAre(ends, /forwarding="true".*state=up/);
});

test('a daemon that is replaced: sessions over a bond stay up at both ends, nothing is lost', async () => {
  await using scope = new Scope();
  const both = [await Instance.ours(scope), await Instance.ours(scope)] as const;
  const hosts: Host[] = [];
  for (const name of ['a0', 'a1']) await both[0].host.veth(scope, name, name, both[1].host);
  for (const [i, instance] of both.entries()) {
    const host = await Host.create(scope);
    await host.veth(scope, 'eth0', 'p0', instance.host);
    await host.address('eth0', `10.0.0.${i + 1}/24`);
    hosts.push(host);
    await instance.vsctl(
      ...['add-br', 'br0', '--', 'add-port', 'br0', 'p0', '--'],
      ...['add-bond', 'br0', 'bond0', 'a0', 'a1', 'bond_mode=active-backup'],
      // However slow a daemon starts, its neighbour waits for it.
      ...['a0', 'a1'].flatMap((name) => [
        ...['--', 'set', 'Interface', name, 'bfd:enable=true', 'bfd:mult=30'],
      ]),
    );
  }
  const ends = both.flatMap((instance) =>
    ['a0', 'a1'].map((name): readonly [Instance, string] => [instance, name]),
  );
  await bothAre(ends, /forwarding="true".*state=up/);
  // Each end takes from its active member alone: they agree on the one that nobody prefers.
  for (const instance of both) {
    await eventually('a1 is active, in the database, too', async () => {
      await instance.appctl('bond/set-active-member', 'bond0', 'a1');
      const mac = JSON.stringify(await instance.host.mac('a1'));
      return (await instance.vsctl('get', 'Port', 'bond0', 'bond_active_slave')).trim() === mac;
    });
  }
  const [a, b] = hosts as [Host, Host];
  await a.neighbour('eth0', '10.0.0.2', await b.mac('eth0'));
  await b.neighbour('eth0', '10.0.0.1', await a.mac('eth0'));
  await eventually('a way', () => a.reaches('10.0.0.2', 4));
  const status = () => Promise.all(ends.map(([instance, name]) => bfdOf(instance, name)));
  const before = await status();
  const ping = collect(a.start(['ping', '-qi', '0.02', '-c', '300', '-W', '5', '10.0.0.2']));
  await both[0].kill('ovs-vswitchd');
  await both[0].startSwitch();
  assert.deepEqual(await status(), before);
  assert.match((await ping).stdout, /300 received/);
  assert.deepEqual(await status(), before);
});
