/** What fails in one row of the database stays there: the rest is in force, and the daemon lives. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually, Instance, isolate, Scope } from '@heddle/testing';

isolate();

/** From now on the daemon can open no file and no socket, or as many as it could before. */
async function limitFiles(instance: Instance, limit: 'none' | 'any'): Promise<void> {
  const pid = instance.pid('ovs-vswitchd')!;
  const descriptors = () => new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
  let open = descriptors();
  // Some are there for a moment only.
  for (let i = 0; i < 10; i++) {
    await delay(50);
    open = open.intersection(descriptors());
  }
  let free = 0;
  while (open.has(free)) free++;
  const n = limit === 'none' ? free : 4096;
  await instance.exec('prlimit', `--pid=${pid}`, `--nofile=${n}:4096`);
}

/** Whether datagrams go to a collector. */
async function exportsTo(instance: Instance, port: number): Promise<boolean> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return (await instance.host.exec('cat', '/proc/net/udp')).includes(`0100007F:${hex}`);
}

test('a collector for which there is no socket: all else is in force, and the next change brings it', async () => {
  await using scope = new Scope();
  const instance = await Instance.ours(scope);
  await instance.vsctl('add-br', 'br0', '--', 'add-br', 'br1');
  await limitFiles(instance, 'none');
  await instance.vsctl(
    ...['--', '--id=@s', 'create', 'sFlow', 'agent=lo', 'targets="127.0.0.1:6343"'],
    ...['--', 'set', 'Bridge', 'br0', 'sflow=@s'],
    ...['--', '--id=@t', 'create', 'Flow_Table', 'name=named'],
    ...['--', 'set', 'Bridge', 'br0', 'flow_tables:1=@t', '--', 'set', 'Port', 'br1', 'tag=5'],
  );
  assert.match(
    instance.log('ovs-vswitchd'),
    /\|bridge\|ERR\|bridge br0: could not configure exporters \(.*Too many open files/,
  );
  await limitFiles(instance, 'any');
  const tables = await instance.exec('ovs-ofctl', 'dump-tables', 'br0');
  assert(tables.includes('table 1 ("named")'));
  assert.equal(await exportsTo(instance, 6343), false);
  await instance.vsctl('remove', 'Port', 'br1', 'tag', '5');
  await eventually('the collector', () => exportsTo(instance, 6343));
});

test('a tap whose device somebody has deleted comes again, and goes', async () => {
  await using scope = new Scope();
  const instance = await Instance.ours(scope);
  await instance.vsctl(
    ...['add-br', 'br0', '--', 'add-port', 'br0', 'tap0'],
    ...['--', 'set', 'Interface', 'tap0', 'type=tap'],
  );
  const pid = instance.pid('ovs-vswitchd');
  const index = async () => {
    const { stdout } = await instance.run('ip', '-o', 'link', 'show', 'tap0');
    return Number.parseInt(stdout, 10) || 0;
  };
  const before = await index();
  await instance.host.exec('ip', 'link', 'del', 'tap0');
  await eventually('a new device', async () => (await index()) > before);
  await eventually('its port', async () => (await instance.ofport('tap0')) > 0);
  await instance.vsctl('del-port', 'tap0');
  assert.equal(await index(), 0);
  assert.equal(instance.pid('ovs-vswitchd'), pid);
});
