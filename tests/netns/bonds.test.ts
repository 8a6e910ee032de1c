/** Bonds on real packets: two links between a switch and a host, one of which fails. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, Host, Instance, isolate, Scope } from '@heddle/testing';

isolate();

/** Two switches, each with a host, joined by two veth pairs that the first bonds. */
async function world(scope: Scope, mode: string) {
  const instance = await Instance.ours(scope);
  const vsctl = (...args: string[]) => instance.vsctl(...args);
  await vsctl('add-br', 'br0', '--', 'add-br', 'br1');
  const hosts: Host[] = [];
  for (let i = 0; i < 2; i++) {
    const host = await Host.create(scope);
    await host.veth(scope, 'eth0', `p${i}`, instance.host);
    await host.address('eth0', `10.0.0.${i + 1}/24`);
    await vsctl('add-port', `br${i}`, `p${i}`);
    hosts.push(host);
    await instance.host.exec('ip', 'link', 'add', `a${i}`, 'type', 'veth', 'peer', `b${i}`);
    for (const end of ['a', 'b']) await instance.host.exec('ip', 'link', 'set', `${end}${i}`, 'up');
  }
  await vsctl('add-bond', 'br0', 'bond0', 'a0', 'a1', `bond_mode=${mode}`);
  await vsctl('add-port', 'br1', 'b0', '--', 'add-port', 'br1', 'b1');
  return { instance, vsctl, hosts };
}

for (const mode of ['active-backup', 'balance-slb']) {
  test(`${mode}: hosts reach each other, also when a link goes down and comes back`, async () => {
    await using scope = new Scope();
    const { instance, vsctl, hosts } = await world(scope, mode);
    await instance.exec('ovs-appctl', 'bond/set-active-member', 'bond0', 'a0');
    const reaches = () => hosts[0]!.reaches('10.0.0.2', 2);
    await eventually('over both links', reaches);
    await instance.host.exec('ip', 'link', 'set', 'a0', 'down');
    await eventually('a0 is disabled', async () =>
      /member a0: disabled/.test(await instance.exec('ovs-appctl', 'bond/show')),
    );
    await eventually('over the second link', reaches);
    const mac = await instance.host.mac('a1');
    await eventually('the database tells the active member', async () =>
      (await vsctl('get', 'port', 'bond0', 'bond_active_slave')).includes(mac),
    );
    await instance.host.exec('ip', 'link', 'set', 'a0', 'up');
    await instance.host.exec('ip', 'link', 'set', 'a1', 'down');
    await eventually('over the first link again', reaches);
    assert.match(
      await instance.exec('ovs-appctl', 'bond/list'),
      new RegExp(`bond0\t${mode}\t0\ta0, a1`),
    );
  });
}

test('balance-tcp: LACP with Open vSwitch; a link that neither end sees fail is given up', async () => {
  await using scope = new Scope();
  const ours = await Instance.ours(scope);
  const theirs = await Instance.oracle(scope);
  const hosts: Host[] = [];
  for (const [i, instance] of [ours, theirs].entries()) {
    await instance.vsctl(
      ...['add-br', 'br0', '--', 'set', 'bridge', 'br0'],
      `datapath_type=${instance === ours ? 'system' : 'netdev'}`,
    );
    const host = await Host.create(scope);
    await host.veth(scope, 'eth0', 'p0', instance.host);
    await host.address('eth0', `10.0.0.${i + 1}/24`);
    // The userspace datapath does not complete checksums.
    await host.exec('ethtool', '-K', 'eth0', 'tx', 'off');
    await instance.vsctl('add-port', 'br0', 'p0');
    hosts.push(host);
  }
  for (const name of ['a0', 'a1']) await ours.host.veth(scope, name, name, theirs.host);
  for (const instance of [ours, theirs]) {
    await instance.vsctl(
      ...['add-bond', 'br0', 'bond0', 'a0', 'a1', 'bond_mode=balance-tcp', 'lacp=active'],
      'other_config:lacp-time=fast',
    );
  }
  for (const instance of [ours, theirs]) {
    await eventually('both links are agreed on', async () => {
      const text = await instance.exec('ovs-appctl', 'lacp/show');
      return text.match(/: current attached/g)?.length === 2 && /negotiated/.test(text);
    });
    await eventually('both members are enabled', async () => {
      const text = await instance.exec('ovs-appctl', 'bond/show');
      return text.match(/: enabled/g)?.length === 2 && /lacp_status: negotiated/.test(text);
    });
  }
  await eventually('over the aggregate', () => hosts[0]!.reaches('10.0.0.2', 2));
  assert.match(
    await ours.exec('ovs-appctl', 'ofproto/trace', 'br0', 'in_port=a0,dl_type=0x8809'),
    /Consists of LACP packets/,
  );
  await theirs.vsctl('del-port', 'br0', 'bond0', '--', 'add-port', 'br0', 'a1');
  await eventually('the bond is off', async () =>
    /lacp_status: configured/.test(await ours.exec('ovs-appctl', 'bond/show')),
  );
  await ours.vsctl('set', 'port', 'bond0', 'other_config:lacp-fallback-ab=true');
  await ours.exec('ovs-appctl', 'bond/set-active-member', 'bond0', 'a1');
  await eventually('as active-backup', () => hosts[0]!.reaches('10.0.0.2', 2));
});

test("bond_fake_iface: a device of the bond's name, from and to which flows send", async () => {
  await using scope = new Scope();
  const { instance, vsctl } = await world(scope, 'active-backup');
  const { host } = instance;
  await assert.rejects(host.exec('ip', 'link', 'show', 'bond0'), /does not exist/);
  await vsctl('set', 'port', 'bond0', 'bond_fake_iface=true');
  await host.exec('ip', 'link', 'set', 'bond0', 'up');
  await host.address('bond0', '10.0.0.9/24');
  await host.ping('10.0.0.1', { count: 1, waitSeconds: 1 }).catch(() => {});
  await eventually('NORMAL takes nothing from it', async () =>
    (await instance.appctl('heddle/drops', 'br0')).includes('fake interface of a bond'),
  );
  await instance.exec('ovs-ofctl', 'add-flow', 'br0', 'in_port=bond0,actions=p0');
  await instance.exec('ovs-ofctl', 'add-flow', 'br0', 'in_port=p0,actions=bond0');
  await eventually('flows lead there', () => host.reaches('10.0.0.1', 2));
  await vsctl('set', 'port', 'bond0', 'bond_fake_iface=false');
  await assert.rejects(host.exec('ip', 'link', 'show', 'bond0'), /does not exist/);
});
