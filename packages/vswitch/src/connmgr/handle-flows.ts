/** Flow mods, and what is asked of flows and tables. */
import {
  type FlowMod,
  type FlowStatsRequest,
  type MessageOf,
  OfpError,
  type TableFeatures,
  type TableMod,
  type TableStats,
} from '@heddle/openflow';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { applyFlowMod, selectRules } from '../ofproto/flow-mod.ts';
import { type FlowTable, N_TABLES, TBL_INTERNAL } from '../ofproto/flow-table.ts';
import type { Rule } from '../ofproto/rule.ts';
import type { Connmgr } from './connmgr.ts';
import type { OfConn } from './ofconn.ts';
import { RuleStats } from './rule-stats.ts';
import { sendInSlices } from './slices.ts';
import { tableFeatures } from './table-features.ts';

/** Entries of one reply; a message holds 64 kB. */
const FLOWS_PER_REPLY = 500;

export function handleFlowMod(
  mgr: Connmgr,
  conn: OfConn,
  msg: MessageOf<'flow_mod'>,
  raw: Uint8Array,
): void {
  const changes = new FlowChanges(mgr.env.ofproto, conn.origin);
  try {
    const mod = applyFlowMod(changes, msg, mgr.env.nowMs(), msg.version);
    mgr.knownAdds.learn(raw, 0, raw.length, mod, msg);
    conn.flowMods.count(mod.command);
  } catch (error) {
    changes.revert();
    throw error;
  }
  mgr.commit(changes, conn, msg.xid);
}

/** Flow mods of the switch itself, of `learn` for one; `origin` as `originNumber` gives it. */
export function applyOwnFlowMod(mgr: Connmgr, mod: FlowMod, origin: number): void {
  const changes = new FlowChanges(mgr.env.ofproto, origin);
  try {
    applyFlowMod(changes, mod, mgr.env.nowMs());
  } catch (error) {
    changes.revert();
    throw error;
  }
  mgr.commit(changes, undefined, 0);
}

function selected(mgr: Connmgr, request: FlowStatsRequest): Rule[] {
  mgr.env.syncStats();
  return selectRules(mgr.env.ofproto, request);
}

export function handleFlowRequest(
  mgr: Connmgr,
  conn: OfConn,
  msg: MessageOf<'flow_request'>,
): void {
  const now = mgr.env.nowMs();
  const rules = selected(mgr, msg);
  const nxm = msg.nxm === true;
  let next = 0;
  sendInSlices(conn.channel, () => {
    const part = rules.slice(next, next + FLOWS_PER_REPLY).filter((rule) => isThere(mgr, rule));
    next += FLOWS_PER_REPLY;
    const flows = part.map((rule) => new RuleStats(rule, now));
    const more = next < rules.length;
    conn.send(msg.xid, { type: 'flow_reply', nxm, flows, more });
    return more;
  });
}

/** Rules may go while a long reply is being sent. */
export function isThere({ env }: Connmgr, rule: Rule): boolean {
  return env.ofproto.tables.at(rule.tableId).classifier.has(rule);
}

export function handleAggregateRequest(
  mgr: Connmgr,
  conn: OfConn,
  msg: MessageOf<'aggregate_request'>,
): void {
  let [packets, bytes, flowCount] = [0, 0, 0];
  for (const rule of selected(mgr, msg)) {
    packets += rule.packets;
    bytes += rule.bytes;
    flowCount++;
  }
  conn.send(msg.xid, {
    type: 'aggregate_reply',
    nxm: msg.nxm === true,
    packetCount: BigInt(packets),
    byteCount: BigInt(bytes),
    flowCount,
  });
}

/** Tables that controllers see: all but the internal one. */
function* visibleTables(mgr: Connmgr): IterableIterator<FlowTable> {
  for (let id = 0; id < N_TABLES - 1; id++) yield mgr.env.ofproto.tables.at(id);
}

const TABLES_PER_REPLY = 64;

export function handleTableRequest(mgr: Connmgr, conn: OfConn, xid: number): void {
  const stats: TableStats[] = [];
  for (const table of visibleTables(mgr)) {
    stats.push({
      tableId: table.id,
      activeCount: table.classifier.size,
      lookupCount: BigInt(table.lookups),
      matchedCount: BigInt(table.matches),
      name: table.name,
      features: tableFeatures(table, conn.version),
    });
  }
  conn.send(xid, { type: 'table_reply', tables: stats });
}

export function handleTableFeatures(
  mgr: Connmgr,
  conn: OfConn,
  msg: MessageOf<'table_features_request'>,
): void {
  if (msg.tables.length > 0) renameTables(mgr, conn, msg.tables);
  const all = [...visibleTables(mgr)].map((table) => tableFeatures(table, conn.version));
  for (let i = 0; i < all.length; i += TABLES_PER_REPLY) {
    const tables = all.slice(i, i + TABLES_PER_REPLY);
    const more = i + TABLES_PER_REPLY < all.length;
    conn.send(msg.xid, { type: 'table_features_reply', tables, more });
  }
}

/** Of features only names can be changed; a table that is left out would go. */
function renameTables(mgr: Connmgr, conn: OfConn, said: readonly TableFeatures[]): void {
  const visible = new Map([...visibleTables(mgr)].map((table) => [table.id, table]));
  const isPart = conn.version >= 6 && said.every(({ command }) => command === OFPTFC15_MODIFY);
  const ids = new Set(said.map(({ tableId }) => tableId));
  if (!isPart && ids.size !== visible.size) throw new OfpError('OFPTFFC_EPERM');
  for (const id of ids) if (!visible.has(id)) throw new OfpError('OFPTFFC_BAD_TABLE');
  // What the database calls a table stays.
  const isFixed = ({ nameByConfig }: FlowTable, said: string) =>
    nameByConfig !== '' && said !== '' && said !== nameByConfig;
  if (said.some(({ tableId, name }) => isFixed(visible.get(tableId)!, name))) {
    throw new OfpError('OFPTFFC_EPERM');
  }
  for (const { tableId, name } of said) visible.get(tableId)!.nameByOpenFlow = name;
}

const OFPTFC15_MODIFY = 1;

export function handleTableDesc(mgr: Connmgr, conn: OfConn, xid: number): void {
  const tables = [...visibleTables(mgr)].map(tableDesc);
  conn.send(xid, { type: 'table_desc_reply', tables });
}

/** OFPTMPEF14_OTHER | IMPORTANCE | LIFETIME. */
const EVICTION_FLAGS = 7;

export function tableDesc(table: FlowTable): TableMod {
  const { vacancy } = table;
  return {
    tableId: table.id,
    miss: table.miss,
    eviction: table.evictByOpenFlow,
    evictionFlags: EVICTION_FLAGS,
    isVacancyOn: vacancy !== undefined,
    ...(vacancy && { vacancy: { ...vacancy, current: spaceLeft(table) } }),
  };
}

/** Without a limit a table is full when no number is left. */
const NO_LIMIT = 0xffff_ffff;

/** Percent. */
export function spaceLeft({ classifier, maxFlows = NO_LIMIT }: FlowTable): number {
  return Math.max(0, Math.floor(((maxFlows - classifier.size) * 100) / maxFlows));
}

export function handleTableMod(mgr: Connmgr, msg: MessageOf<'table_mod'>): void {
  if (msg.tableId === 0xff) {
    for (const table of visibleTables(mgr)) setTable(table, msg);
  } else if (msg.tableId >= N_TABLES) throw new OfpError('OFPTMFC_BAD_TABLE');
  else if (msg.tableId >= TBL_INTERNAL) throw new OfpError('OFPTMFC_EPERM');
  else setTable(mgr.env.ofproto.tables.at(msg.tableId), msg);
  if (msg.isVacancyOn) mgr.env.ofproto.tables.tellsVacancy = true;
  mgr.env.tablesChanged();
}

/** As upstream's, the property's number decides where there is one: others than these change nothing. */
function evictionOf({ eviction, evictionFlags }: TableMod): boolean | undefined {
  if (evictionFlags === undefined) return eviction;
  return evictionFlags === 1 ? true : evictionFlags === 2 ? false : undefined;
}

function setTable(table: FlowTable, mod: TableMod): void {
  if (mod.miss !== undefined) table.miss = mod.miss;
  table.evictByOpenFlow = evictionOf(mod) ?? table.evictByOpenFlow;
  if (mod.isVacancyOn === false) table.vacancy = undefined;
  else if (mod.isVacancyOn) {
    table.vacancy = { up: mod.vacancy?.up ?? 0, down: mod.vacancy?.down ?? 0 };
    table.isVacancyDown = false;
  }
}
