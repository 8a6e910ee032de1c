/** A database file of about 100 MB: bridges of 1,000 ports, interfaces as a switch fills them in. */
import { randomUUID } from 'node:crypto';
import { encodeRecord, type Json, vswitchSchema, writeNewLog } from '@heddle/ovsdb';

const PORTS_PER_BRIDGE = 1000;
const STATISTICS = ['collisions', 'rx_bytes', 'rx_crc_err', 'rx_dropped', 'rx_errors'].concat([
  'rx_frame_err',
  'rx_missed_errors',
  'rx_over_err',
  'rx_packets',
  'tx_bytes',
  'tx_dropped',
  'tx_errors',
  'tx_packets',
]);

/** The number of rows. */
export function writeDataset(path: string, interfaces: number): number {
  const tables = { Interface: rows(), Port: rows(), Bridge: rows(), Open_vSwitch: rows() };
  const bridges: Json[] = [];
  let ports: Json[] = [];
  for (let n = 0; n < interfaces; n++) {
    const [iface, port] = [randomUUID(), randomUUID()];
    tables.Interface[iface] = interfaceRow(n);
    tables.Port[port] = { name: `port${n}`, interfaces: ['uuid', iface], tag: n % 4095 };
    ports.push(['uuid', port]);
    if (ports.length < PORTS_PER_BRIDGE && n + 1 < interfaces) continue;
    const bridge = randomUUID();
    tables.Bridge[bridge] = { name: `br${bridges.length}`, ports: ['set', ports] };
    bridges.push(['uuid', bridge]);
    ports = [];
  }
  tables.Open_vSwitch[randomUUID()] = { bridges: ['set', bridges], next_cfg: 1 };
  const data = { _date: Date.now(), _comment: 'bench', ...tables };
  writeNewLog(path, [encodeRecord(vswitchSchema as unknown as Json), encodeRecord(data)]);
  return 2 * interfaces + bridges.length + 1;
}

function rows(): Record<string, Json> {
  return {};
}

function interfaceRow(n: number): Json {
  const hex = n.toString(16).padStart(6, '0');
  const mac = `02:00:00:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}`;
  const statistics = STATISTICS.map((name, i) => [name, (n * 31 + i * 1009) % 1_000_000]);
  const ids = { 'attached-mac': mac, 'iface-id': randomUUID(), 'iface-status': 'active' };
  return {
    name: `port${n}`,
    admin_state: 'up',
    link_state: 'up',
    external_ids: ['map', Object.entries(ids)],
    ifindex: n + 10,
    link_resets: 1,
    link_speed: 10_000_000_000,
    duplex: 'full',
    mac_in_use: mac,
    mtu: 1500,
    ofport: n + 1,
    statistics: ['map', statistics],
    status: [
      'map',
      [
        ['driver_name', 'veth'],
        ['driver_version', '1.0'],
        ['firmware_version', ''],
      ],
    ],
  };
}
