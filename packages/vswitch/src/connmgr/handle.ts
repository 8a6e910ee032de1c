/** What each message of a peer does. */
import { OfpError, type OfpMessage } from '@heddle/openflow';
import type { Connmgr } from './connmgr.ts';
import { cancelMonitor, handleFlowMonitor } from './flow-monitor.ts';
import { handleBundleAdd, handleBundleControl } from './handle-bundles.ts';
import {
  handleGetConfig,
  handleRole,
  handleSetAsync,
  handleSetConfig,
  sendFeatures,
} from './handle-config.ts';
import {
  handleAggregateRequest,
  handleFlowMod,
  handleFlowRequest,
  handleTableDesc,
  handleTableFeatures,
  handleTableMod,
  handleTableRequest,
} from './handle-flows.ts';
import {
  handleGroupDesc,
  handleGroupFeatures,
  handleGroupMod,
  handleGroupStats,
  handleMeterConfig,
  handleMeterFeatures,
  handleMeterMod,
  handleMeterStats,
} from './handle-groups.ts';
import { handlePacketOut, handleResume } from './handle-packets.ts';
import {
  handlePortDesc,
  handlePortMod,
  handlePortStats,
  handleQueueConfig,
  handleQueueStats,
} from './handle-ports.ts';
import { handleTlvTableMod, handleTlvTableRequest } from './handle-tlv-table.ts';
import type { OfConn } from './ofconn.ts';

/** Changes that a controller in the secondary role may not make. */
const WRITES: ReadonlySet<OfpMessage['type']> = new Set([
  'flow_mod',
  'group_mod',
  'meter_mod',
  'port_mod',
  'table_mod',
  'packet_out',
  'bundle_control',
  'bundle_add_message',
  'tlv_table_mod',
]);

/** What a secondary may not say, whatever is in it. */
export function isWrite(type: OfpMessage['type'] | undefined): boolean {
  return type !== undefined && WRITES.has(type);
}

/** Throws `OfpError` with what is to be replied. */
export function handleMessage(mgr: Connmgr, conn: OfConn, msg: OfpMessage, raw: Uint8Array): void {
  const isForbidden = isWrite(msg.type) || msg.type === 'resume';
  if (conn.role === 'secondary' && isForbidden) throw new OfpError('OFPBRC_IS_SECONDARY');
  if (!handleConnection(mgr, conn, msg, raw) && !handleState(mgr, conn, msg, raw)) {
    throw new OfpError('OFPBRC_BAD_TYPE');
  }
}

/** What is about the connection itself. */
function handleConnection(mgr: Connmgr, conn: OfConn, msg: OfpMessage, raw: Uint8Array): boolean {
  switch (msg.type) {
    case 'echo_reply':
      break;
    case 'echo_request':
      conn.channel.send({ ...msg, type: 'echo_reply' });
      break;
    case 'barrier_request':
      conn.send(msg.xid, { type: 'barrier_reply' });
      break;
    case 'features_request':
      sendFeatures(mgr, conn, msg.xid);
      break;
    case 'get_config_request':
      handleGetConfig(mgr, conn, msg.xid);
      break;
    case 'set_config':
      handleSetConfig(mgr, conn, msg);
      break;
    case 'role_request':
      handleRole(mgr, conn, msg);
      break;
    case 'get_async_request':
      conn.send(msg.xid, { type: 'get_async_reply', config: conn.async });
      break;
    case 'set_async':
      handleSetAsync(mgr, conn, msg);
      break;
    case 'set_flow_format':
      conn.flowFormat = msg.format;
      break;
    case 'flow_mod_table_id':
      conn.hasTableId = msg.enabled || conn.version > 1;
      break;
    case 'set_packet_in_format':
      conn.packetInFormat = msg.format;
      break;
    case 'set_controller_id':
      conn.controllerId = msg.controllerId;
      break;
    case 'flow_age':
      break;
    case 'desc_request':
      conn.send(msg.xid, { type: 'desc_reply', ...mgr.env.description });
      break;
    case 'ipfix_bridge_request': {
      const counters = mgr.env.ipfixBridge;
      if (!counters) throw new OfpError('NXST_NOT_CONFIGURED');
      conn.send(msg.xid, { type: 'ipfix_bridge_reply', stats: [{ counters }] });
      break;
    }
    case 'ipfix_flow_request': {
      const sets = mgr.env.ipfixFlow;
      if (sets.length === 0) throw new OfpError('NXST_NOT_CONFIGURED');
      const stats = sets.map(({ id, counters }) => ({ collectorSetId: id, counters }));
      conn.send(msg.xid, { type: 'ipfix_flow_reply', stats });
      break;
    }
    case 'bundle_control':
      handleBundleControl(mgr, conn, msg, raw);
      break;
    case 'bundle_add_message':
      handleBundleAdd(mgr, conn, msg, raw);
      break;
    default:
      return false;
  }
  return true;
}

/** What is about the switch. */
function handleState(mgr: Connmgr, conn: OfConn, msg: OfpMessage, raw: Uint8Array): boolean {
  switch (msg.type) {
    case 'flow_mod':
      handleFlowMod(mgr, conn, msg, raw);
      break;
    case 'flow_request':
      handleFlowRequest(mgr, conn, msg);
      break;
    case 'aggregate_request':
      handleAggregateRequest(mgr, conn, msg);
      break;
    case 'table_request':
      handleTableRequest(mgr, conn, msg.xid);
      break;
    case 'table_features_request':
      handleTableFeatures(mgr, conn, msg);
      break;
    case 'table_desc_request':
      handleTableDesc(mgr, conn, msg.xid);
      break;
    case 'table_mod':
      handleTableMod(mgr, msg);
      break;
    case 'flow_monitor_request':
      handleFlowMonitor(mgr, conn, msg);
      break;
    case 'flow_monitor_cancel':
      cancelMonitor(conn, msg.id);
      break;
    case 'packet_out':
      handlePacketOut(mgr, msg);
      break;
    case 'resume':
      handleResume(mgr, msg);
      break;
    case 'port_mod':
      handlePortMod(mgr, conn, msg);
      break;
    case 'port_request':
      handlePortStats(mgr, conn, msg);
      break;
    case 'port_desc_request':
      handlePortDesc(mgr, conn, msg);
      break;
    case 'queue_request':
      handleQueueStats(mgr, conn, msg);
      break;
    case 'queue_get_config_request':
      handleQueueConfig(mgr, conn, msg);
      break;
    case 'tlv_table_mod':
      handleTlvTableMod(mgr, msg);
      break;
    case 'tlv_table_request':
      handleTlvTableRequest(mgr, conn, msg.xid);
      break;
    case 'ct_flush_zone':
      mgr.env.flushConntrackZone(msg.zone);
      break;
    case 'ct_flush':
      mgr.env.flushConntrack(msg);
      break;
    default:
      return handleGroupsAndMeters(mgr, conn, msg);
  }
  return true;
}

function handleGroupsAndMeters(mgr: Connmgr, conn: OfConn, msg: OfpMessage): boolean {
  switch (msg.type) {
    case 'group_mod':
      handleGroupMod(mgr, conn, msg);
      break;
    case 'group_request':
      handleGroupStats(mgr, conn, msg);
      break;
    case 'group_desc_request':
      handleGroupDesc(mgr, conn, msg);
      break;
    case 'group_features_request':
      handleGroupFeatures(conn, msg.xid);
      break;
    case 'meter_mod':
      handleMeterMod(mgr, conn, msg);
      break;
    case 'meter_request':
      handleMeterStats(mgr, conn, msg);
      break;
    case 'meter_config_request':
      handleMeterConfig(mgr, conn, msg);
      break;
    case 'meter_features_request':
      handleMeterFeatures(mgr, conn, msg.xid);
      break;
    default:
      return false;
  }
  return true;
}
