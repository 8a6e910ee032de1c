/** What is written back of spanning trees (ovs-vswitchd.conf.db(5), "STP Status", "RSTP Status"). */
import type { OfPort } from '../ofproto.ts';
import { stateText } from '../rstp/text.ts';
import type { BridgeTree } from './bridge-tree.ts';

type Words = ReadonlyMap<string, string>;
type Counters = ReadonlyMap<string, number>;

export interface BridgeTreeStatus {
  readonly status: Words;
  readonly rstp_status: Words;
}

export interface PortTreeStatus extends BridgeTreeStatus {
  readonly statistics: Counters;
  readonly rstp_statistics: Counters;
}

const NONE: PortTreeStatus = {
  status: new Map(),
  rstp_status: new Map(),
  statistics: new Map(),
  rstp_statistics: new Map(),
};

export function bridgeTreeStatus(tree: BridgeTree | undefined): BridgeTreeStatus {
  const { status, rstp_status } = NONE;
  if (!tree) return { status, rstp_status };
  const { protocol } = tree;
  if (protocol.kind === 'stp') {
    const { settings, designatedRoot, rootPathCost } = protocol.entity;
    const words = {
      stp_bridge_id: stpId(settings.bridgeId),
      stp_designated_root: stpId(designatedRoot),
      stp_root_path_cost: String(rootPathCost),
    };
    return { status: new Map(Object.entries(words)), rstp_status };
  }
  const { settings, rootPriority, rootPort } = protocol.entity;
  const words = {
    rstp_bridge_id: rstpId(settings.bridgeId),
    rstp_bridge_port_id: hex(rootPort?.portId ?? 0, 4),
    rstp_designated_id: rstpId(rootPriority.bridgeId),
    rstp_designated_port_id: hex(rootPriority.portId, 4),
    rstp_root_id: rstpId(rootPriority.rootId),
    rstp_root_path_cost: String(rootPriority.rootPathCost),
  };
  return { status, rstp_status: new Map(Object.entries(words)) };
}

export function portTreeStatus(
  tree: BridgeTree | undefined,
  port: OfPort | undefined,
  nowMs: number,
): PortTreeStatus {
  if (!tree || !port) return NONE;
  return tree.protocol.kind === 'stp'
    ? stpStatus(tree, port, nowMs)
    : rstpStatus(tree, port, nowMs);
}

function stpStatus({ protocol }: BridgeTree, key: OfPort, nowMs: number): PortTreeStatus {
  const entity = protocol.kind === 'stp' ? protocol.entity : undefined;
  const port = entity?.ports.get(key);
  if (!entity || !port) return NONE;
  const words = {
    stp_port_id: String(port.portId),
    stp_role: entity.roleOf(port),
    stp_sec_in_state: String(Math.floor((nowMs - port.stateSinceMs) / 1000)),
    stp_state: port.state,
  };
  const { tx, rx, error } = port.stats;
  const counters = { stp_error_count: error, stp_rx_count: rx, stp_tx_count: tx };
  return {
    ...NONE,
    status: new Map(Object.entries(words)),
    statistics: new Map(Object.entries(counters)),
  };
}

function rstpStatus({ protocol }: BridgeTree, key: OfPort, nowMs: number): PortTreeStatus {
  const port = protocol.kind === 'rstp' ? protocol.entity.ports.get(key) : undefined;
  if (!port) return NONE;
  const { bridgeId, portId, rootPathCost } = port.portPriority;
  const words = {
    rstp_designated_bridge_id: rstpId(bridgeId),
    rstp_designated_path_cost: String(rootPathCost),
    rstp_designated_port_id: hex(portId, 4),
    rstp_port_id: hex(port.portId, 4),
    rstp_port_role: port.role,
    rstp_port_state: stateText(port),
  };
  const { tx, rx, error } = port.stats;
  const counters = {
    rstp_error_count: error,
    rstp_rx_count: rx,
    rstp_tx_count: tx,
    rstp_uptime: Math.floor((nowMs - port.sinceMs) / 1000),
  };
  return {
    ...NONE,
    rstp_status: new Map(Object.entries(words)),
    rstp_statistics: new Map(Object.entries(counters)),
  };
}

function hex(n: number | bigint, digits: number): string {
  return n.toString(16).padStart(digits, '0');
}

function stpId(id: bigint): string {
  return `${hex(id >> 48n, 4)}.${hex(id & ADDRESS, 12)}`;
}

/** Priority, system id extension and address (802.1D-2004, 9.2.5). */
function rstpId(id: bigint): string {
  return `${hex(id >> 60n, 1)}.${hex((id >> 48n) & 0xfffn, 3)}.${hex(id & ADDRESS, 12)}`;
}

const ADDRESS = 0xffff_ffff_ffffn;
