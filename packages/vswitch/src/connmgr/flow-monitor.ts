/** Flow monitors: updates of the flows that a controller watches (ovs-ofctl(8), "monitor"). */
import {
  type FlowMonitorRequest,
  type FlowUpdate,
  OFPG_ANY,
  OFPTT_ALL,
  type OfpAct,
  OfpError,
  type OfpMessage,
} from '@heddle/openflow';
import { selectRules, sendsToPort, usesGroup } from '../ofproto/flow-mod.ts';
import type { Rule } from '../ofproto/rule.ts';
import type { Connmgr } from './connmgr.ts';
import { isThere } from './handle-flows.ts';
import type { OfConn } from './ofconn.ts';
import { sendInSlices } from './slices.ts';

/** Entries of one reply; a message holds 64 kB. */
const UPDATES_PER_REPLY = 500;
const NXFMF_INITIAL = 1 << 0;
const NXFMF_ADD = 1 << 1;
const NXFMF_DELETE = 1 << 2;
const NXFMF_MODIFY = 1 << 3;
const NXFMF_ACTIONS = 1 << 4;
const NXFMF_OWN = 1 << 5;

export function handleFlowMonitor(
  mgr: Connmgr,
  conn: OfConn,
  msg: Extract<OfpMessage, { type: 'flow_monitor_request' }>,
): void {
  setMonitors(conn, msg.monitors);
  const initial = [...initialRules(mgr, msg.monitors)];
  let next = 0;
  sendInSlices(conn.channel, () => {
    const part = initial.slice(next, next + UPDATES_PER_REPLY);
    next += UPDATES_PER_REPLY;
    const updates = part
      .filter(([rule]) => isThere(mgr, rule))
      .map(([rule, flags]) => update('initial', rule, 0, flags));
    const more = next < initial.length;
    conn.send(msg.xid, { type: 'flow_monitor_reply', updates, more });
    return more;
  });
}

/** What the monitors of a request list: each rule once, in full where one of them asks for that. */
function initialRules(mgr: Connmgr, monitors: readonly FlowMonitorRequest[]): Map<Rule, number> {
  const flagsOf = new Map<Rule, number>();
  for (const monitor of monitors) {
    const { command, flags } = monitor;
    if (command === 'delete' || (flags & NXFMF_INITIAL) === 0) continue;
    for (const rule of watched(mgr, monitor)) {
      flagsOf.set(rule, (flagsOf.get(rule) ?? 0) | flags);
    }
  }
  return flagsOf;
}

/** Throws OfpError: then none that the request adds is left. */
function setMonitors(conn: OfConn, monitors: readonly FlowMonitorRequest[]): void {
  const added: number[] = [];
  try {
    for (const monitor of monitors) {
      setMonitor(conn, monitor);
      if (monitor.command === 'add') added.push(monitor.id);
    }
  } catch (error) {
    for (const id of added) conn.monitors.delete(id);
    throw error;
  }
}

function setMonitor(conn: OfConn, monitor: FlowMonitorRequest): void {
  const { id, command } = monitor;
  if (command === 'unknown') throw new OfpError('OFPMOFC_BAD_COMMAND');
  if (command === 'add' && conn.monitors.has(id)) throw new OfpError('OFPMOFC_MONITOR_EXISTS');
  if (command !== 'add' && !conn.monitors.has(id)) throw new OfpError('OFPMOFC_UNKNOWN_MONITOR');
  if (command === 'delete') conn.monitors.delete(id);
  else conn.monitors.set(id, monitor);
}

export function cancelMonitor(conn: OfConn, id: number): void {
  if (!conn.monitors.delete(id)) throw new OfpError('OFPMOFC_UNKNOWN_MONITOR');
}

function watched(mgr: Connmgr, monitor: FlowMonitorRequest): Iterable<Rule> {
  const { match, tableId, outPort, outGroup } = monitor;
  const selector = { match, tableId, outPort, outGroup, cookie: 0n, cookieMask: 0n };
  return selectRules(mgr.env.ofproto, selector);
}

/** In full, that there was something, or nothing. */
export type HeardUpdate = FlowUpdate | 'abbreviated' | undefined;

interface RuleChange {
  readonly type: 'add' | 'modify' | 'delete';
  readonly rule: Rule;
  /** OFPRR_* of what is deleted. */
  readonly reason: number;
  /** What a changed flow did before: who watches a port hears of flows that turn away from it, too. */
  readonly before?: readonly OfpAct[] | undefined;
}

const EVENTS = {
  add: ['added', NXFMF_ADD],
  modify: ['modified', NXFMF_MODIFY],
  delete: ['removed', NXFMF_DELETE],
} as const;

/** What a connection hears of a change; `isOwn`: it has asked for it. */
export function heardOf(conn: OfConn, change: RuleChange, isOwn: boolean): HeardUpdate {
  if (change.rule.isHidden) return undefined;
  const [event, flag] = EVENTS[change.type];
  const watching = [...conn.monitors.values()].filter(
    (m) => (m.flags & flag) !== 0 && isWatched(m, change),
  );
  if (watching.length === 0) return undefined;
  // One's own changes are only told of in short, unless a monitor asks for them.
  const full = watching.filter((m) => !isOwn || (m.flags & NXFMF_OWN) !== 0);
  if (full.length === 0) return 'abbreviated';
  const withActions = full.find((m) => (m.flags & NXFMF_ACTIONS) !== 0) ?? full[0]!;
  return update(event, change.rule, change.reason, withActions.flags);
}

function isWatched(monitor: FlowMonitorRequest, { rule, before }: RuleChange): boolean {
  if (monitor.tableId !== OFPTT_ALL && monitor.tableId !== rule.tableId) return false;
  const { key, mask } = rule.match;
  for (let i = 0; i < mask.u32.length; i++) {
    const wanted = monitor.match.mask.u32[i]!;
    if ((wanted & ~mask.u32[i]!) !== 0) return false;
    if (((key.u32[i]! ^ monitor.match.key.u32[i]!) & wanted) !== 0) return false;
  }
  const { outPort, outGroup } = monitor;
  const lists = before ? [rule.state.actions, before] : [rule.state.actions];
  if (!lists.some((actions) => sendsToPort(actions, outPort))) return false;
  return outGroup === OFPG_ANY || lists.some((actions) => usesGroup(actions, outGroup));
}

function update(
  event: 'initial' | 'added' | 'modified' | 'removed',
  rule: Rule,
  reason: number,
  flags: number,
): FlowUpdate {
  const { state } = rule;
  return {
    event,
    reason,
    idleTimeout: state.idleTimeout,
    hardTimeout: state.hardTimeout,
    priority: rule.priority,
    tableId: rule.tableId,
    cookie: state.cookie,
    match: rule.match,
    actions: (flags & NXFMF_ACTIONS) !== 0 ? state.actions : undefined,
  };
}
