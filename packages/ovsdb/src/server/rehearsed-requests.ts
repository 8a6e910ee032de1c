/** What clients of a switch's database ask for all day: of ovs-vsctl, ovs-vswitchd and others. */
import { randomUUID } from 'node:crypto';
import { type Json, ZERO_UUID } from '../notation/index.ts';

const DB = 'Open_vSwitch';
/** Large sets are kept in another way than small ones. */
const PORTS = 150;
const CYCLES = 800;
const STATISTICS = ['rx_bytes', 'rx_dropped', 'rx_errors', 'rx_packets', 'tx_bytes', 'tx_packets'];

export interface Request {
  readonly method: string;
  readonly params: readonly Json[];
}

/** The monitors that watch meanwhile: each version, and several that ask for the same. */
export function rehearsedMonitors(): Request[] {
  const whole = { [DB]: {}, Bridge: {}, Port: {}, Interface: {} };
  const cfg = { [DB]: [{ columns: ['next_cfg', 'external_ids'] }] };
  const some = { Interface: [{ columns: ['name', 'ofport'], where: [['ofport', '!=', -1]] }] };
  const since = (id: string, requests: Json) => ({
    method: 'monitor_cond_since',
    params: [DB, id, requests, ZERO_UUID],
  });
  return [
    since('all', whole),
    ...['cfg', 'cfg', 'cfg', 'other'].map((id) => since(id, cfg)),
    { method: 'monitor_cond', params: [DB, 'some', some] },
    { method: 'monitor', params: [DB, 'old', cfg] },
  ];
}

/** Ports come, get their state, and go, on a bridge with many and on one with few. */
export function* rehearsedRequests(): Generator<Request> {
  yield transact(bridge('br0'), bridge('br1'), {
    op: 'insert',
    table: DB,
    row: { bridges: ['set', ['br0', 'br1'].map((name) => ['named-uuid', name])] },
  });
  for (let i = 0; i < PORTS; i += 10) {
    const ports = Array.from({ length: 10 }, (_, n) => portNamed(`many${i + n}`));
    yield transact(...ports.flatMap((port) => added(port, 'br0')));
  }
  for (let i = 0; i < CYCLES; i++) {
    const on = i % 2 === 0 ? 'br0' : 'br1';
    const port = portNamed(`p${i}`);
    const durable = i % 4 < 2 ? [{ op: 'commit', durable: true }] : [];
    yield transact(...expected(on), ...added(port, on), ...configured(port.name), ...durable);
    yield transact(state(port.iface, i), { ...set({ cur_cfg: i }) });
    yield transact(set({ next_cfg: 1000 + i }), ...durable);
    yield transact(
      {
        op: 'update',
        table: 'Interface',
        where: [['name', '==', port.name]],
        row: { mtu_request: 1400 + i, external_ids: ['map', [['iface-id', randomUUID()]]] },
      },
      { op: 'select', table: 'Interface', where: [['name', '==', port.name]] },
    );
    if (i % 3 === 0) continue;
    yield transact({
      op: 'mutate',
      table: 'Bridge',
      where: [['name', '==', on]],
      mutations: [['ports', 'delete', ['set', [['uuid', port.uuid]]]]],
    });
  }
}

function transact(...operations: Json[]): Request {
  return { method: 'transact', params: [DB, ...operations] };
}

function bridge(name: string): Json {
  return { op: 'insert', table: 'Bridge', 'uuid-name': name, row: { name } };
}

interface Port {
  readonly name: string;
  readonly uuid: string;
  readonly iface: string;
}

function portNamed(name: string): Port {
  return { name, uuid: randomUUID(), iface: randomUUID() };
}

function added({ name, uuid, iface }: Port, on: string): Json[] {
  return [
    { op: 'insert', table: 'Interface', uuid: iface, row: { name, type: 'internal' } },
    {
      op: 'insert',
      table: 'Port',
      uuid,
      'uuid-name': `row_${name}`,
      row: { name, interfaces: ['uuid', iface], tag: name.length },
    },
    {
      op: 'mutate',
      table: 'Bridge',
      where: [['name', '==', on]],
      mutations: [['ports', 'insert', ['set', [['named-uuid', `row_${name}`]]]]],
    },
  ];
}

function expected(on: string): Json[] {
  const wait = { op: 'wait', timeout: 0, until: '==' };
  return [
    {
      ...wait,
      table: 'Bridge',
      where: [['name', '==', on]],
      columns: ['name'],
      rows: [{ name: on }],
    },
  ];
}

function configured(name: string): Json[] {
  return [
    { op: 'mutate', table: DB, where: [], mutations: [['next_cfg', '+=', 1]] },
    { op: 'select', table: DB, where: [], columns: ['next_cfg'] },
    { op: 'comment', comment: `ovs-vsctl: ovs-vsctl add-port br0 ${name}` },
  ];
}

function set(row: Json): Record<string, Json> {
  return { op: 'update', table: DB, where: [], row };
}

/** What a switch writes back of an interface. */
function state(iface: string, i: number): Json {
  return {
    op: 'update',
    table: 'Interface',
    where: [['_uuid', '==', ['uuid', iface]]],
    row: {
      ofport: i + 1,
      ifindex: i + 10,
      admin_state: 'up',
      link_state: 'up',
      mac_in_use: '02:00:00:00:00:01',
      mtu: 1500,
      statistics: ['map', STATISTICS.map((name, n) => [name, i * n])],
      status: ['map', [['driver_name', 'veth']]],
    },
  };
}
