/** Gives a bridge the spanning tree that its rows ask for, and writes back what became of it. */
import type { Idl } from '@heddle/ovsdb';
import { parseMac } from '@heddle/packet';
import type { Bridge } from '../bridge.ts';
import type { Devices } from '../devices/devices.ts';
import { deviceSpeed } from '../iface-status.ts';
import type { PortRow, Schema } from '../port-config.ts';
import { rstpConfig } from '../rstp/config.ts';
import { stpConfig } from '../stp/config.ts';
import { BridgeTree, type TreeConfig } from './bridge-tree.ts';
import type { TreeMember } from './members.ts';
import { bridgeTreeStatus, portTreeStatus } from './status.ts';

/** Once devices are what they will be, and again whenever a link changes. */
export function configureTree(
  bridge: Bridge,
  idl: Idl<Schema>,
  devices: Devices,
  statusChanged: () => void,
): void {
  const { ofproto, ofprotoDpif } = bridge;
  const config = treeConfig(bridge, idl, devices);
  if (ofproto.tree && ofproto.tree.kind === config?.kind) {
    ofproto.tree.configure(config);
    return;
  }
  ofproto.tree?.close();
  const had = ofproto.tree !== undefined;
  ofproto.tree = undefined;
  if (!config) {
    if (had) ofprotoDpif.tablesChanged();
    return;
  }
  const { carryOver } = bridge.backer;
  const key = `${config.kind}/${bridge.name}`;
  const kept = bridge.backer.dpif.adopted ? carryOver?.found(key) : undefined;
  ofproto.tree = new BridgeTree(config, {
    ofproto,
    clock: ofprotoDpif.clock,
    nowMs: () => ofprotoDpif.nowMs(),
    hwAddr: (port) => ofprotoDpif.hwAddr(port),
    sendFrame: (port, frame) => ofprotoDpif.sendFrame(port, frame),
    statesChanged: (ports) => ofprotoDpif.portStatesChanged(ports),
    statusChanged,
    found: { kept, awayMs: carryOver?.awayMs ?? Infinity },
    keep: (value) => carryOver?.put(key, value),
  });
  ofprotoDpif.tablesChanged();
}

/** RSTP goes before STP when both are asked for. */
function treeConfig(bridge: Bridge, idl: Idl<Schema>, devices: Devices): TreeConfig | undefined {
  const { row, name } = bridge;
  if (!row.rstp_enable && !row.stp_enable) return undefined;
  const mac = parseMac(devices.device(name)?.mac ?? '') ?? 0;
  const members = membersOf(bridge, idl, devices);
  if (row.rstp_enable) return { kind: 'rstp', ...rstpConfig(row, mac, members) };
  const config = stpConfig(row, mac, members);
  return config && { kind: 'stp', ...config };
}

function portRows({ row }: Bridge, idl: Idl<Schema>): PortRow[] {
  return row.ports.flatMap((uuid) => idl.get('Port', uuid) ?? []);
}

/** Bonds, internal ports and outputs of mirrors have no part in it. */
function membersOf(bridge: Bridge, idl: Idl<Schema>, devices: Devices): TreeMember[] {
  return portRows(bridge, idl).flatMap((row) => {
    const bundle = bridge.ofproto.bundles.get(row.name);
    const iface =
      row.interfaces.length === 1 ? bridge.ifaces.get(bundle?.ports[0]?.name ?? '') : undefined;
    const port = iface?.port;
    if (!port || iface.type === 'internal' || bundle?.isMirrorOutput) return [];
    const device = port.peer ? undefined : devices.device(port.name);
    const speed = device && deviceSpeed(device);
    return [{ port, row, isUp: port.mayEnable && port.isLinkUp, speed }];
  });
}

export function writeTree(
  txn: ReturnType<Idl<Schema>['txn']>,
  idl: Idl<Schema>,
  bridge: Bridge,
): void {
  const { tree, bundles } = bridge.ofproto;
  txn.update('Bridge', bridge.row._uuid, bridgeTreeStatus(tree));
  const now = bridge.ofprotoDpif.nowMs();
  for (const row of portRows(bridge, idl)) {
    const port = bundles.get(row.name)?.ports[0];
    txn.update('Port', row._uuid, portTreeStatus(tree, port, now));
  }
}
