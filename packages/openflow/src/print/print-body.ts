/** What stands behind a message's name. */
import { checkActions } from '../actions/check-actions.ts';
import { OFPP_MAX, type OfpVersion } from '../constants.ts';
import type { OfpMessage } from '../messages.ts';
import { printAsyncConfig } from './print-async.ts';
import {
  formatFlowStats,
  printFlowMod,
  printFlowRemoved,
  printFlowStatsRequest,
  printFlowUpdate,
  printMonitorRequest,
  type RawMatch,
} from './print-flows.ts';
import {
  printGroupDesc,
  printGroupFeatures,
  printGroupMod,
  printGroupStats,
} from './print-groups.ts';
import {
  printMeterConfigs,
  printMeterFeatures,
  printMeterId,
  printMeterMod,
  printMeterStats,
} from './print-meters.ts';
import { group, type PrintNames, port, queue } from './print-names.ts';
import {
  printBundleControl,
  printCtFlush,
  printIpfixBridge,
  printIpfixFlow,
  printRole,
  printRoleStatus,
  printTlvTableMod,
  printTlvTableReply,
} from './print-nicira.ts';
import { printPacketIn, printPacketOut } from './print-packets.ts';
import { printPortMod, printPortStats, printPortStatus, printPorts } from './print-ports.ts';
import { printQueueConfigs, printQueueStats } from './print-queues.ts';
import { printConfig, printDesc, printFeatures } from './print-switch.ts';
import {
  printTableDesc,
  printTableFeatures,
  printTableMod,
  printTableStats,
  printTableStatus,
} from './print-tables.ts';

export interface BodyContext {
  readonly verbosity: number;
  readonly names: PrintNames;
  /** Of OpenFlow 1.0's flow mods, when the bytes are at hand. */
  readonly rawMatch?: RawMatch | undefined;
  /** Hello, echo and error show their bytes; bundles their messages. */
  printBytes(msg: OfpMessage): string;
}

/** What a flow mod may ask of whatever switch it is for. */
const ANY_SWITCH = { nTables: 255, maxPorts: OFPP_MAX };

/** Lists need not be complete: what was read before an error is printed, too. */
export function printBody(msg: OfpMessage, c: BodyContext): string {
  return printCommon(msg, c) ?? printStats(msg, c) ?? printExtension(msg, c) ?? '\n';
}

function printCommon(msg: OfpMessage, c: BodyContext): string | undefined {
  const { version } = msg;
  const { names, verbosity } = c;
  switch (msg.type) {
    case 'hello':
    case 'error':
    case 'echo_request':
    case 'echo_reply':
    case 'bundle_add_message':
      return c.printBytes(msg);
    case 'features_reply':
      return printFeatures(msg, version);
    case 'get_config_reply':
    case 'set_config':
      return printConfig(msg.flags, msg.missSendLen, version);
    case 'packet_in':
    case 'resume':
      return printPacketIn(msg, verbosity, names);
    case 'packet_out':
      return printPacketOut(msg, verbosity, names);
    case 'flow_removed':
      return printFlowRemoved(msg, names);
    case 'port_status':
      return printPortStatus(msg.reason, msg.port);
    case 'flow_mod':
      checkActions(msg.actions, { ...ANY_SWITCH, match: msg.match, tableId: msg.tableId }, version);
      return printFlowMod(msg, names, verbosity >= 3 ? c.rawMatch : undefined);
    case 'group_mod':
      return printGroupMod(msg, version, names);
    case 'port_mod':
      return printPortMod(msg, names);
    case 'table_mod':
      return printTableMod(msg, version, names);
    case 'meter_mod':
      return printMeterMod(msg);
    case 'role_request':
    case 'role_reply':
      return printRole(msg);
    case 'role_status':
      return printRoleStatus(msg);
    case 'set_async':
    case 'get_async_reply':
      return printAsyncConfig(msg.config);
    case 'table_status':
      return printTableStatus(msg.reason, msg.table, names);
    default:
      return undefined;
  }
}

function printStats(msg: OfpMessage, c: BodyContext): string | undefined {
  const { version } = msg;
  const { names, verbosity } = c;
  switch (msg.type) {
    case 'desc_reply':
      return printDesc(msg);
    case 'flow_request':
    case 'aggregate_request':
      return printFlowStatsRequest(msg, names);
    case 'flow_reply':
      return msg.flows.map((f) => `\n${formatFlowStats(f, { names, showStats: true })}`).join('');
    case 'aggregate_reply':
      return ` packet_count=${msg.packetCount} byte_count=${msg.byteCount} flow_count=${msg.flowCount}`;
    case 'table_reply':
      return printTableStats(msg.tables, version);
    case 'port_request':
      return ` port_no=${port(msg.portNo, names)}`;
    case 'port_reply':
      return printPortStats(msg.ports, verbosity, names);
    case 'port_desc_request':
      return ` port=${port(msg.portNo ?? 0xffff, names)}`;
    case 'port_desc_reply':
      return `\n${printPorts(msg.ports)}`;
    case 'queue_request':
      return ` port=${port(msg.portNo, names)} queue=${queue(msg.queueId)}`;
    case 'queue_reply':
      return printQueueStats(msg.queues, verbosity, names);
    case 'group_request':
    case 'group_desc_request':
      return ` group_id=${group(msg.groupId)}`;
    default:
      return printMoreStats(msg, version, names);
  }
}

function printMoreStats(
  msg: OfpMessage,
  version: OfpVersion,
  names: PrintNames,
): string | undefined {
  switch (msg.type) {
    case 'group_reply':
      return printGroupStats(msg.groups);
    case 'group_desc_reply':
      return printGroupDesc(msg.groups, version, names);
    case 'group_features_reply':
      return printGroupFeatures(msg, version);
    case 'meter_request':
    case 'meter_config_request':
      return ` ${printMeterId(msg.meterId)}`;
    case 'meter_reply':
      return printMeterStats(msg.meters);
    case 'meter_config_reply':
      return printMeterConfigs(msg.meters);
    case 'meter_features_reply':
      return printMeterFeatures(msg);
    case 'table_features_request':
    case 'table_features_reply':
      return printTableFeatures(msg.tables, version);
    case 'table_desc_reply':
      return msg.tables.map((mod) => printTableDesc(mod, names)).join('');
    case 'queue_get_config_request':
      return printQueueRequest(msg.portNo, msg.queueId ?? 0xffff_ffff, names);
    case 'queue_get_config_reply':
      return printQueueConfigs(msg.queues, names);
    case 'ipfix_bridge_reply':
      return printIpfixBridge(msg.stats);
    case 'ipfix_flow_reply':
      return printIpfixFlow(msg.stats);
    default:
      return undefined;
  }
}

function printQueueRequest(portNo: number, queueId: number, names: PrintNames): string {
  const ofQueue = queueId === 0xffff_ffff ? '' : ` queue=${queueId}`;
  return ` port=${port(portNo, names)}${ofQueue}`;
}

function printExtension(msg: OfpMessage, c: BodyContext): string | undefined {
  switch (msg.type) {
    case 'set_flow_format':
      return ` format=${FLOW_FORMATS[msg.format] ?? '(unknown)'}`;
    case 'flow_mod_table_id':
      return ` ${msg.enabled ? 'enable' : 'disable'}`;
    case 'set_packet_in_format':
      return ` format=${msg.format}`;
    case 'set_controller_id':
      return ` id=${msg.controllerId}`;
    case 'bundle_control':
      return printBundleControl(msg.bundleId, msg.control, msg.flags);
    case 'request_forward':
      return printRequestForward(msg.request, c);
    case 'flow_monitor_cancel':
      return ` id=${msg.id}`;
    case 'flow_monitor_request':
      return msg.monitors.map((m) => printMonitorRequest(m, c.names)).join('');
    case 'flow_monitor_reply':
      return msg.updates
        .map((u) => printFlowUpdate(u, c.names))
        .join('')
        .trimEnd();
    case 'tlv_table_mod':
      return printTlvTableMod(msg.command, msg.mappings);
    case 'tlv_table_reply':
      return printTlvTableReply(msg);
    case 'ct_flush_zone':
      return ` zone_id=${msg.zone}`;
    case 'ct_flush':
      return printCtFlush(msg);
    default:
      return undefined;
  }
}

const FLOW_FORMATS: Readonly<Record<string, string>> = { OpenFlow10: 'openflow10', NXM: 'nxm' };

function printRequestForward(request: OfpMessage, c: BodyContext): string {
  return ` reason=${request.type}${printBody(request, c)}`;
}
