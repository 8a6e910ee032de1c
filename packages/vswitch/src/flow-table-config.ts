/** Names and limits of flow tables (ovs-vswitchd.conf.db(5), "Flow_Table"). */
import type { Subfield } from '@heddle/openflow';
import { parseSubfield } from '@heddle/openflow/actions/text-values';
import type { Idl, IdlRow } from '@heddle/ovsdb';
import { messageOf, vlog } from '@heddle/runtime';
import { guarded } from './guarded.ts';
import { type FlowTable, TBL_INTERNAL } from './ofproto/flow-table.ts';
import type { OfprotoDpif } from './ofproto-dpif.ts';
import type { BridgeRow, Schema } from './port-config.ts';
import { configurePrefixes } from './prefix-config.ts';

const log = vlog.module('bridge');

/** Brings the tables of a bridge in line with their rows. */
export function configureTables(ofprotoDpif: OfprotoDpif, idl: Idl<Schema>, row: BridgeRow): void {
  const { tables, name } = ofprotoDpif.ofproto;
  let isOther = false;
  for (const table of tables.used()) {
    if (!row.flow_tables.has(table.id)) isOther = clear(name, table) || isOther;
  }
  for (const [id, uuid] of row.flow_tables) {
    const tableRow = idl.get('Flow_Table', uuid);
    if (!tableRow || id >= TBL_INTERNAL) continue;
    const part = { of: `bridge ${name}`, feature: `table ${id}` };
    isOther = guarded(part, true, () => configure(name, tables.at(id), tableRow)) || isOther;
  }
  if (isOther) ofprotoDpif.tablesChanged();
  ofprotoDpif.enforceLimits();
}

function clear(bridge: string, table: FlowTable): boolean {
  table.nameByConfig = '';
  table.maxFlows = undefined;
  table.evictByConfig = false;
  table.evictionGroups = [];
  return configurePrefixes(bridge, table, []);
}

function configure(bridge: string, table: FlowTable, row: IdlRow<Schema, 'Flow_Table'>): boolean {
  table.nameByConfig = row.name ?? '';
  table.maxFlows = row.flow_limit;
  table.evictByConfig = row.overflow_policy === 'evict';
  table.evictionGroups = [...row.groups].flatMap((text) => evictionGroup(bridge, table.id, text));
  return configurePrefixes(bridge, table, [...row.prefixes].sort());
}

function evictionGroup(bridge: string, table: number, text: string): Subfield[] {
  try {
    return [parseSubfield(text)];
  } catch (error) {
    log.warn(`bridge ${bridge} table ${table}: error parsing 'groups' (${messageOf(error)})`);
    return [];
  }
}
