/** All forms. A new file of messages is a line here. */
import { ASYNC_FORMS } from './async-config.ts';
import { BUNDLE_FORMS } from './bundle.ts';
import { CONFIG_FORMS } from './config.ts';
import { CT_FLUSH_FORMS } from './ct-flush.ts';
import { DESC_FORMS } from './desc.ts';
import { ERROR_FORMS } from './error.ts';
import { FEATURES_FORMS } from './features.ts';
import { FLOW_MOD_FORMS } from './flow-mod.ts';
import { FLOW_MONITOR_FORMS } from './flow-monitor.ts';
import { FLOW_REMOVED_FORMS } from './flow-removed.ts';
import { FLOW_STATS_FORMS } from './flow-stats.ts';
import type { AnyForm } from './form.ts';
import { GROUP_MOD_FORMS } from './group-mod.ts';
import { GROUP_STATS_FORMS } from './group-stats.ts';
import { HELLO_FORMS } from './hello.ts';
import { IPFIX_FORMS } from './ipfix.ts';
import { METER_FORMS } from './meter.ts';
import { NICIRA_FORMS } from './nicira.ts';
import { OXS_STATS_FORMS } from './oxs-stats.ts';
import { PACKET_IN_FORMS } from './packet-in.ts';
import { PACKET_IN2_FORMS } from './packet-in2.ts';
import { PACKET_OUT_FORMS } from './packet-out.ts';
import { PORT_STATS_FORMS } from './port-stats.ts';
import { QUEUE_CONFIG_FORMS } from './queue-config.ts';
import { QUEUE_STATS_FORMS } from './queue-stats.ts';
import { ROLE_FORMS } from './role.ts';
import { TABLE_FEATURES_FORMS } from './table-features.ts';
import { TABLE_MOD_FORMS } from './table-mod.ts';
import { TABLE_STATS_FORMS } from './table-stats.ts';
import { TLV_TABLE_FORMS } from './tlv-table.ts';

export const FORMS: readonly AnyForm[] = [
  ...HELLO_FORMS,
  ...ERROR_FORMS,
  ...CONFIG_FORMS,
  ...FEATURES_FORMS,
  ...FLOW_MOD_FORMS,
  ...FLOW_STATS_FORMS,
  ...OXS_STATS_FORMS,
  ...CT_FLUSH_FORMS,
  ...DESC_FORMS,
  ...FLOW_REMOVED_FORMS,
  ...NICIRA_FORMS,
  ...PACKET_IN2_FORMS,
  ...PACKET_IN_FORMS,
  ...PACKET_OUT_FORMS,
  ...PORT_STATS_FORMS,
  ...ASYNC_FORMS,
  ...BUNDLE_FORMS,
  ...FLOW_MONITOR_FORMS,
  ...GROUP_MOD_FORMS,
  ...GROUP_STATS_FORMS,
  ...IPFIX_FORMS,
  ...METER_FORMS,
  ...QUEUE_CONFIG_FORMS,
  ...QUEUE_STATS_FORMS,
  ...ROLE_FORMS,
  ...TABLE_FEATURES_FORMS,
  ...TABLE_MOD_FORMS,
  ...TABLE_STATS_FORMS,
  ...TLV_TABLE_FORMS,
];
