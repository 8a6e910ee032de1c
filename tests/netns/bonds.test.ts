/** Bonds on real packets: two links between a switch and a host, one of which fails. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, Host, Instance, isolate, Scope } from '@heddle/testing';

isolate();

/** Two switches, each with a host, joined by two veth pairs that both bond. */
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
  await vsctl('add-bond', 'br1', 'bond1', 'b0', 'b1', `bond_mode=${mode}`);
  return { instance, vsctl, hosts };
}

for (const mode of ['active-backup', 'balance-slb']) {
  test(`${mode}: hosts reach each other, also when a link goes down and comes back`, async () => {
    await using scope = new Scope();
    const { instance, vsctl, hosts } = await world(scope, mode);
    if (mode === 'active-backup') {
      await instance.exec('ovs-appctl', 'bond/set-active-member', 'bond0', 'a0');
      await instance.exec('ovs-appctl', 'bond/set-active-member', 'bond1', 'b0');
    }
    const reaches = () => hosts[0]!.reaches('10.0.0.2', 2);
    await eventually('over both links', reaches);
    await instance.host.exec('ip', 'link', 'set', 'a0', 'down');
    await eventually('a0 and b0 are disabled', async () => {
      const text = await instance.exec('ovs-appctl', 'bond/show');
      return /member a0: disabled/.test(text) && /member b0: disabled/.test(text);
    });
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
