/** The address and the datapath id of a bridge through what comes and goes, compared with Open vSwitch's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, Instance, isolate, Scope } from '@heddle/testing';

isolate();

/** The other end of each is called x and the name. */
const VETHS = {
  bond1: '00:16:3e:00:00:c0',
  bond2: '00:16:3e:00:00:10',
  hard: '00:16:3e:00:00:e0',
  made: '02:00:00:00:00:0f',
  low: '00:16:3e:00:00:01',
  taken: '00:e0:2b:00:00:04',
};

const set = (table: string, row: string, ...values: string[]) => ['set', table, row, ...values];
const mirror = ['--id=@p', 'get', 'port', 'low', '--', '--id=@m', 'create', 'mirror', 'name=m'];

/** Either ovs-vsctl's arguments, or `ip`, `link` … */
const STEPS: readonly (readonly string[])[] = [
  ['add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev'],
  ['add-port', 'br0', 'taken'],
  ['add-port', 'br0', 'made'],
  ['add-port', 'br0', 'hard'],
  set('interface', 'hard', 'mac="00:16:3e:00:00:02"'),
  set('port', 'hard', 'mac="00:16:3e:00:00:03"'),
  set('port', 'hard', 'mac="02:16:3e:00:00:03"'),
  set('port', 'hard', 'mac="01:16:3e:00:00:03"'),
  set('port', 'hard', 'mac="00:00:00:00:00:00"'),
  set('port', 'hard', 'mac=junk'),
  ['clear', 'port', 'hard', 'mac', '--', 'clear', 'interface', 'hard', 'mac'],
  ['add-port', 'br0', 'int', '--', 'set', 'interface', 'int', 'type=internal'],
  set('port', 'int', 'mac="00:16:3e:00:00:04"'),
  ['clear', 'port', 'int', 'mac'],
  set('interface', 'int', 'mac="00:16:3e:00:00:05"'),
  ['del-port', 'int'],
  set('port', 'br0', 'mac="00:16:3e:00:00:06"'),
  ['clear', 'port', 'br0', 'mac'],
  set('interface', 'br0', 'mac="00:16:3e:00:00:07"'),
  ['clear', 'interface', 'br0', 'mac'],
  ['add-bond', 'br0', 'bond', 'bond2', 'bond1'],
  set('port', 'bond', 'mac="00:16:3e:00:00:08"'),
  ['del-port', 'bond'],
  [
    ...['add-port', 'br0', 'low', '--', ...mirror, 'output-port=@p'],
    ...['--', 'set', 'bridge', 'br0', 'mirrors=@m'],
  ],
  set('port', 'low', 'mac="00:16:3e:00:00:09"'),
  ['clear', 'bridge', 'br0', 'mirrors', '--', 'clear', 'port', 'low', 'mac'],
  ['ip', 'link', 'set', 'low', 'address', '00:16:3e:00:00:ff'],
  ['ip', 'link', 'set', 'hard', 'address', '00:16:3e:00:01:ff'],
  ['ip', 'link', 'delete', 'low'],
  ['del-port', 'hard'],
  ...['junk', '"01:00:00:00:00:00"', '"02:00:00:00:00:00"', '"00:00:00:00:00:00"', '"0:1:2:3:4:5"']
    .concat(['"00:11:22:33:44:5g"', '"00:11:22:33:44:55:66"', '"00:11:22:33:44:AA"'])
    .map((text) => set('bridge', 'br0', `other_config:hwaddr=${text}`)),
  ['clear', 'bridge', 'br0', 'other_config'],
  ['ip', 'link', 'set', 'br0', 'address', '00:77:00:00:00:01'],
  ...['0000000000000012', '12', '0x12', '0X12', '0', '0x0', '0000000000000000', 'xyz', '0x']
    .concat(['12345678901234567', 'ABCDEF0123456789', '0xABCDEF0123456789', '-00000000000001f'])
    .map((text) => set('bridge', 'br0', `other_config:datapath-id=${text}`)),
  ['clear', 'bridge', 'br0', 'other_config'],
  ['add-br', 'fake', 'br0', '7'],
  set('interface', 'fake', 'mac="00:16:3e:00:00:0a"'),
];

/** What each step leads to, with the address that the switch made up as `own`. */
async function follow(instance: Instance, steps: typeof STEPS): Promise<string[]> {
  const { host } = instance;
  for (const [name, mac] of Object.entries(VETHS)) {
    const peer = ['type', 'veth', 'peer', 'name', `x${name}`];
    await host.exec('ip', 'link', 'add', 'dev', name, 'address', mac, ...peer);
  }
  const read = ['get', 'interface', 'br0', 'mac_in_use', '--', 'get', 'bridge', 'br0'];
  const state = async () => {
    const link = JSON.parse(await host.exec('ip', '-j', 'link', 'show', 'br0'));
    const columns = await instance.vsctl(...read, 'datapath_id', 'other_config');
    const [inUse, id, config] = columns.replaceAll('"', '').split('\n');
    return { mac: link[0].address as string, inUse, id: id!, config: config! };
  };
  const told: string[] = [];
  let own: string | undefined;
  for (const step of steps) {
    if (step[0] === 'ip') await host.exec(...step);
    else await instance.vsctl(...step);
    // Nothing tells when the switch has heard of a device, and columns follow by events.
    if (step[0] === 'ip')
      await instance.vsctl('set', 'bridge', 'br0', `external_ids:a=${told.length}`);
    const { mac, id } = await eventually('one address everywhere', async () => {
      const now = await state();
      const isOne = now.config.includes('datapath-id') || now.id === dpid(now.mac);
      return isOne && now.mac === now.inUse ? now : undefined;
    });
    own ??= mac;
    const text = `${mac} ${id}`.replace(own, 'own').replace(dpid(own), 'own');
    told.push(`${step.join(' ')}: ${text}`);
  }
  return told;
}

function dpid(mac: string): string {
  return `0000${mac.replaceAll(':', '')}`;
}

test('a bridge has the address that Open vSwitch would give it', async () => {
  await using scope = new Scope();
  const [want, got] = await Promise.all([
    follow(await Instance.oracle(scope), STEPS),
    follow(await Instance.ours(scope), STEPS),
  ]);
  assert.deepEqual(got, want);
});

test('containers that come and go change neither address nor datapath id', async () => {
  await using scope = new Scope();
  const instance = await Instance.ours(scope);
  const steps = [
    ['add-br', 'br0'],
    ['add-port', 'br0', 'made'],
    ['del-port', 'made'],
  ];
  const told = await follow(instance, steps);
  for (const each of told) assert.match(each, /: own own$/);
  // A daemon that finds the device leaves it the address that was made up for it.
  const address = () => instance.vsctl('get', 'interface', 'br0', 'mac_in_use');
  const before = await address();
  await instance.kill('ovs-vswitchd');
  await instance.startSwitch();
  assert.equal(await address(), before);
});
