/** What the switch writes into the database by itself, compared with what Open vSwitch writes. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { eventually, Instance, isolate, Scope } from '@heddle/testing';

isolate();

const DUMMY = { switchArgs: ['--enable-dummy=override', '--disable-system'] };

/** An `ovs-vsctl` map without quotes. */
function entries(map: string): Map<string, string> {
  return new Map(
    [...map.matchAll(/([\w-]+)=("[^"]*"|[^,}]*)/g)].map(([, key, value]) => [
      key!,
      value!.replaceAll('"', ''),
    ]),
  );
}

test('a port that has just been added has counters and an address', async () => {
  const columns = async (create: typeof Instance.ours) => {
    await using scope = new Scope();
    const instance = await create(scope);
    await instance.vsctl(
      ...['add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev'],
      ...['--', 'add-port', 'br0', 'int', '--', 'set', 'interface', 'int', 'type=internal'],
      ...['--', 'add-port', 'br0', 'patch', '--', 'set', 'interface', 'patch', 'type=patch'],
      ...['options:peer=none', '--', 'add-port', 'br0', 'vx', '--', 'set', 'interface', 'vx'],
      ...['type=vxlan', 'options:remote_ip=192.0.2.1'],
    );
    const told: Record<string, unknown> = {};
    for (const name of ['br0', 'int', 'patch', 'vx']) {
      const text = await instance.vsctl('get', 'interface', name, 'statistics', 'mac_in_use');
      const [statistics, mac] = text.split('\n');
      const counters = [...entries(statistics!)].filter(([key]) =>
        /^[rt]x_(packets|bytes)$/.test(key),
      );
      told[name] = [Object.fromEntries(counters), /^"(..:){5}..+"$/.test(mac!)];
    }
    return told;
  };
  assert.deepEqual(await columns(Instance.ours), await columns(Instance.oracle));
});

test('stats-update-interval says how often counters are written, at least each 5 s', async () => {
  const written = async (create: typeof Instance.ours, interval: string) => {
    await using scope = new Scope();
    const instance = await create(scope, DUMMY);
    await instance.vsctl(
      ...['set', 'open', '.', `other_config:stats-update-interval=${interval}`, '--'],
      ...[
        'add-br',
        'br0',
        '--',
        'add-port',
        'br0',
        'p1',
        '--',
        'set',
        'interface',
        'p1',
        'type=dummy',
      ],
    );
    await instance.appctl('time/stop');
    const packet = 'eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x1234)';
    const counts: string[] = [];
    for (let s = 0; s < 24; s += 6) {
      await instance.appctl('netdev-dummy/receive', 'p1', packet);
      await instance.appctl('time/warp', '6000', '500');
      // What is written goes out of the daemon before it answers to the next command, or soon.
      await instance.vsctl('set', 'bridge', 'br0', `external_ids:at=${s}`);
      counts.push(
        entries(await instance.vsctl('get', 'interface', 'p1', 'statistics')).get('rx_packets')!,
      );
    }
    return counts;
  };
  const told = new Set<string>();
  for (const interval of ['1000', 'junk', '15000']) {
    const ours = await written(Instance.ours, interval);
    assert.deepEqual(ours, await written(Instance.oracle, interval), interval);
    told.add(ours.join());
  }
  assert.equal(told.size, 2);
});

test('enable-statistics tells of the system and the daemons', async () => {
  await using scope = new Scope();
  const [ours, theirs] = [await Instance.ours(scope, DUMMY), await Instance.oracle(scope, DUMMY)];
  const statistics = async (instance: Instance) => {
    await instance.vsctl('set', 'open', '.', 'other_config:enable-statistics=true');
    return await eventually('statistics', async () => {
      const map = entries(await instance.vsctl('get', 'open', '.', 'statistics'));
      return map.size > 0 ? map : undefined;
    });
  };
  const [got, want] = [await statistics(ours), await statistics(theirs)];
  // Open vSwitch reads /etc/mtab, which there need not be.
  const isTold = existsSync('/etc/mtab');
  if (!isTold) {
    assert.match(got.get('file_systems')!, /^\/\S*,\d+,\d+( |$)/);
    got.delete('file_systems');
  }
  assert.deepEqual([...got.keys()].sort(), [...want.keys()].sort());
  assert.equal(got.get('cpu'), want.get('cpu'));
  assert.match(got.get('load_average')!, /^\d+\.\d\d,\d+\.\d\d,\d+\.\d\d$/);
  for (const key of ['process_ovs-vswitchd', 'process_ovsdb-server']) {
    assert.match(got.get(key)!, /^(\d+,){6}\d+$/);
    assert.match(want.get(key)!, /^(\d+,){6}\d+$/);
  }
  const columns = (map: Map<string, string>, key: string, which: number[]) =>
    map
      .get(key)!
      .split(' ')
      .map((item) => which.map((i) => item.split(',')[i]));
  // What does not change in between: total memory and swap, places and sizes of file systems.
  assert.deepEqual(columns(got, 'memory', [0, 3]), columns(want, 'memory', [0, 3]));
  if (isTold) {
    assert.deepEqual(columns(got, 'file_systems', [0, 1]), columns(want, 'file_systems', [0, 1]));
  }
  const [used, usedThere] = [got, want].map((map) => Number(map.get('memory')!.split(',')[1]));
  assert.ok(Math.abs(used! - usedThere!) < usedThere! / 2, `${used} and ${usedThere} KiB used`);
  await ours.vsctl('set', 'open', '.', 'other_config:enable-statistics=false');
  assert.equal((await ours.vsctl('get', 'open', '.', 'statistics')).trim(), '{}');
});
