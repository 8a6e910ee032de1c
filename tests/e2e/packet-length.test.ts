/** What `check_pkt_larger` decides, the kernel's datapath decides by itself, packet by packet. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Host, Instance, isolate, Scope } from '@heddle/testing';

isolate();

test('packets too long for a pipeline are told apart without the daemon', async () => {
  await using scope = new Scope();
  const host = await Host.create(scope);
  const containers = [await Host.create(scope), await Host.create(scope)] as const;
  const switch_ = await Instance.ours(scope, { host });
  const idle = ['set', 'Open_vSwitch', '.', 'other_config:max-idle=100000'];
  await switch_.vsctl('add-br', 'br0', '--', ...idle);
  for (const [i, container] of containers.entries()) {
    await container.veth(scope, 'eth0', `c${i}`, host);
    await container.address('eth0', `10.2.0.${i + 1}/24`);
    await switch_.vsctl('add-port', 'br0', `c${i}`);
  }
  const flows = [
    'table=0,priority=1,icmp,actions=check_pkt_larger(1000)->NXM_NX_REG0[0],resubmit(,1)',
    'table=1,reg0=0,actions=normal',
    'table=1,reg0=1,actions=drop',
  ];
  for (const flow of flows) await switch_.exec('ovs-ofctl', 'add-flow', 'br0', flow);
  const ping = (...more: string[]) =>
    containers[0].run(['ping', '-c', '3', '-i', '0.2', ...more, '10.2.0.2']);
  assert.match((await ping('-W', '10')).stdout, / 3 received/);
  assert.match((await ping('-W', '1', '-s', '1200')).stdout, / 0 received/);
  const dump = await switch_.appctl('dpctl/dump-flows');
  assert.match(dump, /actions:check_pkt_len\(size=1000,gt\(drop\),le\(\d+\)\)/);
  assert.doesNotMatch(dump, /slow_path/);
});
