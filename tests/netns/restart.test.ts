/** OpenFlow flows over a restart: saved, restored, and traffic in between. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, Host, Instance, isolate, Scope } from '@heddle/testing';

isolate();

const FLOWS = [
  'cookie=0x1,table=0,priority=5,in_port=1 actions=group:7',
  'cookie=0x2,table=0,priority=5,in_port=2 actions=resubmit(,4)',
  'cookie=0x3,table=4,priority=9,idle_timeout=3000 actions=load:0x5->NXM_NX_REG0[],output:1',
];

async function world(scope: Scope) {
  const instance = await Instance.ours(scope);
  await instance.vsctl('add-br', 'br0', '--', 'set-fail-mode', 'br0', 'secure');
  const hosts: Host[] = [];
  for (const i of [1, 2]) {
    const host = await Host.create(scope);
    await host.veth(scope, 'eth0', `p${i}`, instance.host);
    await host.address('eth0', `10.0.0.${i}/24`);
    const set = ['set', 'interface', `p${i}`, `ofport_request=${i}`];
    await instance.vsctl('add-port', 'br0', `p${i}`, '--', ...set);
    hosts.push(host);
  }
  const ofctl = (...args: string[]) => instance.exec('ovs-ofctl', '-O', 'OpenFlow14', ...args);
  const dump = async () => [
    await ofctl('dump-flows', '--no-stats', 'br0'),
    await ofctl('dump-groups', 'br0').then((text) => text.replace(/xid=\w+/, '')),
  ];
  const fill = async () => {
    await ofctl('add-group', 'br0', 'group_id=7,type=select,bucket=output:2');
    const file = join(instance.directory, 'flows');
    writeFileSync(file, `${FLOWS.join('\n')}\n`);
    await ofctl('--bundle', 'add-flows', 'br0', file);
  };
  return { instance, hosts, ofctl, dump, fill };
}

test('heddle restart keeps flows and groups, and traffic goes on', async () => {
  await using scope = new Scope();
  const { instance, hosts, dump, fill } = await world(scope);
  await fill();
  const before = await dump();
  // What has a megaflow goes on; a probe of ARP's, for one, waits for the switch.
  const macs = await Promise.all(hosts.map((h) => h.mac('eth0')));
  const fix = (from: number, to: number) =>
    hosts[from]!.neighbour('eth0', `10.0.0.${to + 1}`, macs[to]!);
  await Promise.all([fix(0, 1), fix(1, 0)]);
  await eventually('a way', () => hosts[0]!.reaches('10.0.0.2', 4));
  const pids = [instance.pid('ovs-vswitchd'), instance.pid('ovsdb-server')];
  const [, ping] = await Promise.all([
    instance.exec('heddle', 'restart'),
    hosts[0]!.exec('sh', '-c', 'ping -qi 0.02 -c 300 -W 5 10.0.0.2 || true'),
  ]);
  const after = [instance.pid('ovs-vswitchd'), instance.pid('ovsdb-server')];
  for (const [i, pid] of after.entries()) assert.ok(pid !== undefined && pid !== pids[i]);
  assert.deepEqual(await dump(), before);
  assert.match(ping, /300 received/);
  assert.equal((await instance.vsctl('get', 'Open_vSwitch', '.', 'other_config')).trim(), '{}');
});

test('flow-restore-wait: no packets and no controllers before it is taken away', async () => {
  await using scope = new Scope();
  const { instance, hosts, dump, fill } = await world(scope);
  await instance.exec('ovs-appctl', 'exit', '--cleanup');
  await eventually('its end', () => instance.pid('ovs-vswitchd') === undefined);
  const wait = 'other_config:flow-restore-wait=true';
  await instance.vsctl('--no-wait', 'set', 'Open_vSwitch', '.', wait);
  await instance.vsctl('--no-wait', 'set-controller', 'br0', 'tcp:127.0.0.1:6699');
  await instance.startSwitch();
  await fill();
  assert.equal((await dump())[0]!.trim().split('\n').length, 3);
  assert.equal(await hosts[0]!.reaches('10.0.0.2', 4), false);
  const status = await instance.vsctl('get', 'Controller', 'br0', 'status');
  assert.doesNotMatch(status, /BACKOFF|CONNECTING/);
  await instance.vsctl('remove', 'Open_vSwitch', '.', 'other_config', 'flow-restore-wait');
  await eventually('packets', () => hosts[0]!.reaches('10.0.0.2', 4));
  await eventually('an attempt to connect', async () =>
    /BACKOFF|CONNECTING/.test(await instance.vsctl('get', 'Controller', 'br0', 'status')),
  );
});

test('ovs-save: a script of ours or of the distribution restores what was there', async () => {
  await using scope = new Scope();
  const { instance, ofctl, dump, fill } = await world(scope);
  await fill();
  const map = '{class=0xffff,type=0x1,len=4}->tun_metadata0';
  await ofctl('add-tlv-map', 'br0', map);
  const before = [...(await dump()), await ofctl('dump-tlv-map', 'br0')];
  const empty = async () => {
    await ofctl('del-flows', 'br0');
    await ofctl('del-groups', 'br0');
    await ofctl('del-tlv-map', 'br0');
  };
  const theirs = ['sh', '/usr/share/openvswitch/scripts/ovs-save'];
  for (const save of [['ovs-save'], theirs]) {
    const script = await instance.exec(...save, 'save-flows', 'br0');
    assert.match(script, /^ovs-ofctl -O OpenFlow14 add-tlv-map br0 '\{class=0xffff,type=0x1/);
    await empty();
    assert.notDeepEqual(await dump(), before.slice(0, 2));
    await instance.exec('sh', '-ec', script);
    const after = [...(await dump()), await ofctl('dump-tlv-map', 'br0')];
    assert.deepEqual(
      after.map((t) => t.replace(/xid=\w+/, '')),
      before.map((t) => t.replace(/xid=\w+/, '')),
    );
  }
  const { code, stderr } = await instance.run('ovs-save', 'bogus');
  assert.equal(code, 1);
  assert.match(stderr, /unknown command "bogus" \(use --help for help\)/);
});
