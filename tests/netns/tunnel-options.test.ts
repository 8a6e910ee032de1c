/** Geneve options that are longer than keys have room for: matched, set, carried on, and adopted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, isolate, Scope } from '@heddle/testing';
import { connect, createNetwork, createSite, type Site } from './tunnel-world.ts';

isolate();

const MAPS = [
  '{class=0x102,type=0x80,len=4}->tun_metadata0',
  '{class=0x103,type=0x87,len=124}->tun_metadata1',
  '{class=0x103,type=0x8,len=60}->tun_metadata2',
];
const LONG = `0x${'5a'.repeat(124)}`;

async function program({ instance }: Site, container: string, tunnel: string): Promise<void> {
  await instance.exec('ovs-ofctl', 'add-tlv-map', 'br0', MAPS.join(','));
  await instance.exec('ovs-ofctl', 'del-flows', 'br0');
  const set = `set_field:7->tun_metadata0,set_field:${LONG}->tun_metadata1`;
  const matched = `tun_metadata0=7,tun_metadata1=${LONG},tun_metadata2=0x99/0xff`;
  for (const flow of [
    `in_port=${container},actions=${set},set_field:0x99->tun_metadata2,output:${tunnel}`,
    `in_port=${tunnel},${matched},actions=output:${container}`,
    'priority=0,actions=drop',
  ]) {
    await instance.exec('ovs-ofctl', '-O', 'OpenFlow13', 'add-flow', 'br0', flow);
  }
}

test('options of 200 bytes between two switches', async () => {
  await using scope = new Scope();
  const network = await createNetwork(scope);
  const a = await createSite(scope, network, 1);
  const b = await createSite(scope, network, 2);
  for (const { host, number: n } of [a, b]) {
    await host.exec('ip', 'link', 'set', 'eth0', 'mtu', '1700');
    await network.exec('ip', 'link', 'set', `to${n}`, 'mtu', '1700');
  }
  await connect(a, b, 'geneve', { extra: ['key=flow'] });
  await program(a, 'c1', 't2');
  await program(b, 'c2', 't1');
  await eventually('the way', () => a.container.reaches('10.2.0.2', 1));
  await b.container.iperfServer(scope);
  assert.ok((await a.container.iperf('10.2.0.2', 1)) > 0);
  const dump = await b.instance.appctl('dpctl/dump-flows');
  assert.match(dump, new RegExp(`geneve\\(.*class=0x103,type=0x87,len=124,${LONG}`));
  // Other options are other packets.
  const [all, long] = ['actions=drop', `in_port=t2,tun_metadata1=${LONG},actions=c1`];
  await a.instance.exec('ovs-ofctl', 'del-flows', 'br0', 'in_port=t2');
  await a.instance.exec('ovs-ofctl', 'add-flow', 'br0', `priority=9,in_port=t2,${all}`);
  assert.equal(await a.container.reaches('10.2.0.2'), false);
  await a.instance.exec('ovs-ofctl', 'add-flow', 'br0', `priority=10,${long}`);
  await eventually('the way again', () => a.container.reaches('10.2.0.2', 1));
  // The next daemon finds in the kernel what the keys stand for.
  await b.instance.kill('ovs-vswitchd');
  const orphaned = await a.container.ping('10.2.0.2', { count: 20, intervalSeconds: 0.02 });
  assert.equal(orphaned.received, 20, orphaned.text);
  const wait = ['open_vswitch', '.', 'other_config:flow-restore-wait=true'];
  await b.instance.vsctl('--no-wait', 'set', ...wait);
  await b.instance.startSwitch();
  assert.match(b.instance.log('ovs-vswitchd'), /adopted [1-9]\d* flows/);
  assert.match(await b.instance.appctl('dpctl/dump-flows'), new RegExp(LONG));
  await program(b, 'c2', 't1');
  await b.instance.vsctl('remove', 'open_vswitch', '.', 'other_config', 'flow-restore-wait');
  assert.ok(await a.container.reaches('10.2.0.2', 3));
});
