/** A fault in one row of the configuration: everything else is in force, and the next change mends it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { DummyNetdevs } from '@heddle/datapath';
import { Database, type Json, OvsdbServer, parseSchema, vswitchSchema } from '@heddle/ovsdb';
import { FakeClock, realClock, vlog } from '@heddle/runtime';
import type { Bridge } from './bridge.ts';
import { Switch } from './switch.ts';

const FAULT = new TypeError('undone by a test');

const directory = mkdtempSync(join(tmpdir(), 'heddle-guarded-'));
const remote = `unix:${join(directory, 'db.sock')}`;
const netdevs = new DummyNetdevs({ clock: realClock, override: true });
const logged: string[] = [];
let server: OvsdbServer;
let sw: Switch;

before(async () => {
  process.env['OVS_RUNDIR'] = directory;
  vlog.setConsole((line) => logged.push(line));
  vlog.setLevel('bridge', 'console', 'dbg');
  vlog.setRateLimits([], false);
  server = new OvsdbServer();
  await server.addDatabase(new Database(parseSchema(vswitchSchema as unknown as Json)));
  await server.addRemote(`p${remote}`);
  await change({ op: 'insert', table: 'Open_vSwitch', row: {} });
  sw = new Switch({
    remote,
    openDpif: async () => netdevs.openDpif('dummy'),
    datapathTypes: ['dummy'],
    ifaceTypes: ['dummy'],
    // What runs by the clock, as bonds, is none of this.
    clock: new FakeClock(),
    dummy: { netdevs, override: true },
  });
  sw.start();
  for (const bridge of ['br0', 'br1']) await addBridge(bridge);
  await sw.ready;
});

after(async () => {
  await sw.stop(true);
  server.close();
  vlog.setConsole(undefined);
  rmSync(directory, { recursive: true });
});

function change(...ops: Json[]): Promise<unknown> {
  return server.databases.get(vswitchSchema.name)!.change(ops);
}

const next = { op: 'mutate', table: 'Open_vSwitch', where: [], mutations: [['next_cfg', '+=', 1]] };

/** Makes a change and waits for `cur_cfg`, as ovs-vsctl does. */
async function configure(...ops: Json[]): Promise<void> {
  await change(...ops, next);
  wanted++;
  const current = () => sw.idl.rows('Open_vSwitch')[0]?.cur_cfg;
  for (let i = 0; i < 4000 && current() !== wanted; i++) await delay(5);
  assert.equal(current(), wanted);
}
let wanted = 0;

function port(name: string, type: string, options: Record<string, string> = {}): Json[] {
  const uuid = (of: string): Json => ['named-uuid', `${of}_${name}`];
  const map: Json = ['map', Object.entries(options)];
  const iface = { name, type, options: map };
  return [
    { op: 'insert', table: 'Interface', row: iface, 'uuid-name': `iface_${name}` },
    {
      ...{ op: 'insert', table: 'Port', 'uuid-name': `port_${name}` },
      row: { name, interfaces: uuid('iface') },
    },
  ];
}

function addBridge(name: string): Promise<void> {
  const row = { name, datapath_type: 'dummy', ports: ['named-uuid', `port_${name}`] };
  return configure(
    ...port(name, 'internal'),
    { op: 'insert', table: 'Bridge', row, 'uuid-name': 'bridge' },
    {
      ...{ op: 'mutate', table: 'Open_vSwitch', where: [] },
      mutations: [['bridges', 'insert', ['named-uuid', 'bridge']]],
    },
  );
}

function addPort(bridge: string, name: string, type = 'dummy', options = {}): Promise<void> {
  return configure(...port(name, type, options), {
    ...{ op: 'mutate', table: 'Bridge', where: [['name', '==', bridge]] },
    mutations: [['ports', 'insert', ['named-uuid', `port_${name}`]]],
  });
}

function row(name: string) {
  const found = sw.idl.rows('Interface').find((iface) => iface.name === name);
  assert(found);
  return found;
}

/** What a method does is replaced until the end of the scope. */
function replaced<T extends object, K extends keyof T>(of: T, method: K, by: T[K]): Disposable {
  const own = Object.getOwnPropertyDescriptor(of, method);
  Object.defineProperty(of, method, { value: by, configurable: true, writable: true });
  return {
    [Symbol.dispose]: () => {
      if (own) Object.defineProperty(of, method, own);
      else delete of[method];
    },
  };
}

const fail = (): never => {
  throw FAULT;
};

test('a port that throws while it is opened: its row says why, others come, and the next change opens it', async () => {
  const { dpif } = sw.bridges.get('br0')!.backer;
  const portAdd = dpif.portAdd.bind(dpif);
  {
    using _ = replaced(dpif, 'portAdd', (name, ...rest) =>
      name.startsWith('vxlan') ? fail() : portAdd(name, ...rest),
    );
    await addPort('br0', 'tun', 'vxlan', { remote_ip: '192.0.2.1' });
    assert.equal(row('tun').error, 'tun: could not configure port (undone by a test)');
    assert.equal(row('tun').ofport, -1);
    await addPort('br0', 'beside', 'dummy');
    assert(row('beside').ofport! > 0);
    assert.equal(row('beside').error, undefined);
  }
  await configure();
  assert.equal(row('tun').error, undefined);
  assert(row('tun').ofport! > 0);
});

test('a device that cannot be configured: its port stays, its row tells, and the next change mends it', async () => {
  await addPort('br0', 'p1');
  const { devices } = sw;
  const real = devices.configure.bind(devices);
  const told: string[] = [];
  {
    using _ = replaced(devices, 'configure', (name, options) => {
      if (name === 'p1') fail();
      told.push(name);
      real(name, options);
    });
    await addPort('br1', 'p2');
    assert.equal(row('p1').error, 'p1: could not configure device (undone by a test)');
    assert(row('p1').ofport! > 0);
    assert(told.includes('p2'));
  }
  await configure();
  assert.equal(row('p1').error, undefined);
});

test('a status that the database refuses: all other rows have theirs, and cur_cfg advances', async () => {
  // The column takes no negative number.
  await addPort('br1', 'odd', 'dummy', { ifindex: '-5' });
  await addPort('br1', 'even', 'dummy');
  assert(row('even').ofport! > 0);
  assert.equal(row('odd').ofport, undefined);
  const where = [['name', '==', 'odd']];
  await configure({ op: 'update', table: 'Interface', where, row: { options: ['map', []] } });
  assert(row('odd').ofport! > 0);
});

test('the log has the name and the reason, and the stack at debug level', async () => {
  logged.length = 0;
  using _ = replaced(sw.devices, 'configure', (name) => void (name === 'p1' && fail()));
  await configure();
  const about = logged.filter((line) => line.includes('interface p1'));
  assert.match(about[0]!, /\|bridge\|ERR\|interface p1: could not configure device \(undone by/);
  assert.match(about[1]!, /\|bridge\|DBG\|interface p1: TypeError: undone by a test\n +at /);
  assert.equal(about.length, 2);
});

const FEATURES: readonly (keyof Bridge &
  `${'configure' | 'desired' | 'remove' | 'add'}${string}`)[] = [
  'removeUnwanted',
  'addWanted',
  'configureMirrors',
  'configureDevices',
  'configureQos',
  'configureLacp',
  'configureWatches',
  'configureTables',
  'configureControllers',
  'configureExporters',
];

for (const feature of [...FEATURES, 'runBonds', 'writeBonds'] as const) {
  test(`${feature} of one bridge throws: the other bridge is configured`, async () => {
    const name = feature.toLowerCase().slice(0, 15);
    {
      using _ = replaced(sw.bridges.get('br0')!, feature, fail);
      await addPort('br1', name);
      assert(row(name).ofport! > 0);
    }
    await addPort('br0', `${name.slice(0, 14)}0`);
    assert(row(`${name.slice(0, 14)}0`).ofport! > 0);
  });
}

test('a bridge that fails to close is gone, and can come again', async () => {
  const [bridge] = sw.idl.rows('Bridge').filter(({ name }) => name === 'br0');
  const { connections } = sw.bridges.get('br0')!;
  {
    using _ = replaced(connections, 'close', fail);
    await configure({
      ...{ op: 'mutate', table: 'Open_vSwitch', where: [] },
      mutations: [['bridges', 'delete', ['uuid', bridge!._uuid]]],
    });
    assert(!sw.bridges.has('br0'));
  }
  assert.equal([...sw.backers.values()][0]!.bridges.size, 1);
  connections.close();
  await addBridge('br0');
  assert.equal(row('br0').ofport, 65534);
});
