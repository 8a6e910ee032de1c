/** Flow mods (OpenFlow 1.5, 6.4; ovs-ofctl(8)). */
import {
  type FlowFormat,
  type FlowMod,
  OFP_NO_BUFFER,
  OFPG_ANY,
  OFPP_NONE,
  OFPTT_ALL,
  type OfpAct,
  OfpError,
  type OfpVersion,
} from '@heddle/openflow';
import type { Ofproto } from '../ofproto.ts';
import { checkReferences, checkRule } from './check.ts';
import { type FlowChanges, OFPRR_DELETE, OFPRR_EVICTION } from './flow-changes.ts';
import { type FlowTable, N_TABLES, TBL_INTERNAL } from './flow-table.ts';
import { Rule, type RuleState } from './rule.ts';
import { sharedState } from './rule-state.ts';
import { placeTunMetadata } from './tlv.ts';

/** Which flows a request means. */
export interface FlowSelector {
  readonly match: FlowMod['match'];
  readonly tableId: number;
  readonly cookie: bigint;
  readonly cookieMask: bigint;
  readonly outPort: number;
  readonly outGroup: number;
}

const KEEP_COOKIE = 0xffff_ffff_ffff_ffffn;

/** Returns what has been checked. Throws `OfpError` and leaves `changes` half made: the caller reverts. */
export function applyFlowMod(
  changes: FlowChanges,
  asked: FlowMod,
  nowMs: number,
  version: OfpVersion = 1,
): FlowMod {
  const { ofproto } = changes;
  const mod = checkFlowMod(ofproto, asked, version);
  switch (mod.command) {
    case 'add':
      addFlow(changes, mod, nowMs, version);
      break;
    case 'modify':
    case 'modify_strict':
      modifyFlows(changes, mod, nowMs, version);
      break;
    case 'delete':
      deleteFlows(changes, mod);
      break;
    case 'delete_strict':
      for (const rule of strictRules(ofproto, mod)) removeRule(changes, rule);
  }
  return mod;
}

/**
 * With options and actions as this bridge has them. Throws `OfpError` for what makes no sense whatever
 * flows there are.
 */
export function checkFlowMod(ofproto: Ofproto, asked: FlowMod, version: OfpVersion): FlowMod {
  const match = placeTunMetadata(ofproto, asked.match);
  // Of what deletes flows, too, though it has no use for actions.
  const actions = checkRule(ofproto, match, asked.tableId, asked.actions, version);
  const isAsAsked = match === asked.match && actions === asked.actions;
  const mod = isAsAsked ? asked : { ...asked, match, actions };
  if (asked.command === 'add' || asked.command.startsWith('modify')) {
    // What could not be added is not looked for either.
    tableFor(ofproto, mod);
    if (asked.bufferId !== OFP_NO_BUFFER) throw new OfpError('OFPBRC_BUFFER_UNKNOWN');
  }
  return mod;
}

/** Where a flow would go. Throws `OfpError` for a table that takes none, or not with such a match. */
export function tableFor(
  ofproto: Ofproto,
  { tableId, match }: Pick<FlowMod, 'tableId' | 'match'>,
): FlowTable {
  const id = tableId === OFPTT_ALL ? 0 : tableId;
  if (id >= N_TABLES) throw new OfpError('OFPBRC_BAD_TABLE_ID');
  const table = ofproto.tables.at(id);
  const isInternal = match.key.recircId !== 0 || match.mask.dpHash !== 0;
  if (table.isReadOnly || isInternal) throw new OfpError('OFPBRC_EPERM');
  return table;
}

function addFlow(changes: FlowChanges, mod: FlowMod, nowMs: number, version: OfpVersion): void {
  const { tableId, priority, match } = mod;
  addRule(changes, { tableId, priority, match, state: addedState(mod, version) }, nowMs);
}

/** The state of the rule that a flow mod adds. */
export function addedState(mod: FlowMod, version: OfpVersion): RuleState {
  const { actions, idleTimeout, hardTimeout, importance, newCookie: cookie = 0n } = mod;
  // OpenFlow 1.0 and 1.1 have no flag for what they always do.
  const flags =
    version <= 2 && mod.command === 'add' ? { ...mod.flags, resetCounts: true } : mod.flags;
  return sharedState({ cookie, actions, idleTimeout, hardTimeout, importance, flags });
}

/** What is left of a flow mod that adds a flow when it has been checked. */
export interface AddedRule {
  readonly tableId: number;
  readonly priority: number;
  readonly match: FlowMod['match'];
  readonly state: RuleState;
}

/** Throws `OfpError` when the tables, groups and meters as they are have no place for it. */
export function addRule(changes: FlowChanges, added: AddedRule, nowMs: number): void {
  const { ofproto } = changes;
  const { match, priority, state } = added;
  const table = tableFor(ofproto, added);
  checkReferences(ofproto, state.actions);
  const { classifier } = table;
  const old = classifier.find(match.key, match.mask, priority, match.isMaskFixed);
  if (!old && state.flags.checkOverlap && classifier.overlaps(match.key, match.mask, priority)) {
    throw new OfpError('OFPFMFC_OVERLAP');
  }
  if (!old) makeRoom(changes, table);
  const isCookieKept = old && state.cookie === KEEP_COOKIE;
  const kept = isCookieKept ? sharedState({ ...state, cookie: old.state.cookie }) : state;
  const rule = new Rule(table, priority, kept, nowMs, match.tunMetadata);
  // The new flow ages from now on; when packets last passed is still known, and how many.
  if (old) {
    rule.usedMs = old.usedMs;
    if (!kept.flags.resetCounts) rule.countOn(old);
  }
  changes.add(rule, match, old);
}

/** A rule stays itself unless its part in conjunctions changes. */
function isSameConjunctive(rule: Rule, actions: readonly OfpAct[]): boolean {
  return rule.conjunctions.length === 0 && !actions.some((a) => a.type === 'conjunction');
}

function makeRoom(changes: FlowChanges, table: FlowTable): void {
  if (table.maxFlows === undefined || table.classifier.size < table.maxFlows) return;
  const victim = table.evicts ? table.victim : undefined;
  if (!victim) throw new OfpError('OFPFMFC_TABLE_FULL');
  changes.delete(victim, OFPRR_EVICTION);
}

function modifyFlows(
  changes: FlowChanges,
  mod: FlowMod & { readonly format?: FlowFormat },
  nowMs: number,
  version: OfpVersion,
): void {
  const { ofproto } = changes;
  // Where flows send to matters for deleting alone.
  const wanted = { ...mod, outPort: OFPP_NONE, outGroup: OFPG_ANY };
  const rules =
    mod.command === 'modify' ? selectRules(ofproto, wanted) : strictRules(ofproto, wanted);
  if (rules.length === 0) {
    // Where there is nothing to change and no cookie to look for, it is added, until OpenFlow 1.1.
    const given = mod.cookie === KEEP_COOKIE ? undefined : mod.cookie;
    const newCookie = mod.newCookie ?? (version === 2 && mod.format !== 'NXM' ? given : undefined);
    if (mod.cookieMask === 0n && newCookie !== undefined) {
      addFlow(changes, { ...mod, newCookie }, nowMs, version);
    }
    return;
  }
  checkReferences(ofproto, mod.actions);
  for (const rule of rules) modifyRule(changes, rule, mod, nowMs);
}

function modifyRule(changes: FlowChanges, rule: Rule, mod: FlowMod, nowMs: number): void {
  const { cookie, idleTimeout, hardTimeout, importance, flags } = rule.state;
  const state = sharedState({
    cookie: mod.newCookie ?? cookie,
    actions: mod.actions,
    idleTimeout,
    hardTimeout,
    importance,
    flags,
  });
  if (isSameConjunctive(rule, mod.actions)) {
    changes.modify(rule, state, nowMs, mod.flags.resetCounts);
    return;
  }
  const next = new Rule(rule.table, rule.priority, state, rule.createdMs, rule.tunMetadata);
  next.modifiedMs = nowMs;
  if (!mod.flags.resetCounts) next.countOn(rule);
  changes.add(next, rule.match, rule, true);
}

function deleteFlows(changes: FlowChanges, mod: FlowMod): void {
  const { ofproto } = changes;
  if (!selectsAll(mod) || mod.tableId === TBL_INTERNAL) {
    for (const rule of selectRules(ofproto, mod)) removeRule(changes, rule);
    return;
  }
  for (const table of selectTables(ofproto, mod.tableId)) {
    changes.clear(table, OFPRR_DELETE, true);
  }
}

function removeRule(changes: FlowChanges, rule: Rule): void {
  if (rule.tableId === TBL_INTERNAL) throw new OfpError('OFPBRC_EPERM');
  changes.delete(rule, OFPRR_DELETE);
}

/** Whether a selection leaves nothing out but tables. */
function selectsAll({ match, cookieMask, outPort, outGroup }: FlowSelector): boolean {
  if (cookieMask !== 0n || outPort !== OFPP_NONE || outGroup !== OFPG_ANY) return false;
  return match.tunMetadata.length === 0 && match.mask.u32.every((word) => word === 0);
}

function* selectTables(ofproto: Ofproto, tableId: number): IterableIterator<FlowTable> {
  if (tableId !== OFPTT_ALL && tableId >= N_TABLES) throw new OfpError('OFPBRC_BAD_TABLE_ID');
  for (const table of ofproto.tables.used()) {
    if (tableId === OFPTT_ALL ? table.id < TBL_INTERNAL : table.id === tableId) yield table;
  }
}

/** Flows whose match is the selector's or narrower, in one table or all. */
export function selectRules(ofproto: Ofproto, selector: FlowSelector): Rule[] {
  const match = placeTunMetadata(ofproto, selector.match);
  const tables: Rule[][] = [];
  for (const table of selectTables(ofproto, selector.tableId)) {
    const rules = table.classifier.within(match.key, match.mask);
    tables.push(rules.filter((rule) => !rule.isHidden && isSelected(rule, selector)));
  }
  return tables.length === 1 ? tables[0]! : tables.flat();
}

function strictRules(ofproto: Ofproto, mod: FlowMod): Rule[] {
  const { match, tableId, priority } = mod;
  const out: Rule[] = [];
  for (const table of selectTables(ofproto, tableId)) {
    const rule = table.classifier.find(match.key, match.mask, priority);
    if (rule && isSelected(rule, mod)) out.push(rule);
  }
  return out;
}

function isSelected(rule: Rule, selector: FlowSelector): boolean {
  const { cookie, cookieMask, outPort, outGroup } = selector;
  if (cookieMask !== 0n && ((rule.state.cookie ^ cookie) & cookieMask) !== 0n) return false;
  const { actions } = rule.state;
  return sendsToPort(actions, outPort) && (outGroup === OFPG_ANY || usesGroup(actions, outGroup));
}

/** Whether actions send to a port; all do when none is asked for (OFPP_NONE). */
export function sendsToPort(actions: readonly OfpAct[], port: number): boolean {
  return port === OFPP_NONE || actions.some((a) => sendsTo(a, port));
}

function sendsTo(act: OfpAct, port: number): boolean {
  switch (act.type) {
    // As upstream has it, `output(port=…,max_len=…)` is not looked at.
    case 'output':
    case 'enqueue':
      return act.port === port;
    case 'controller':
      return port === 0xfffd;
    case 'write_actions':
    case 'clone':
      return act.actions.some((a) => sendsTo(a, port));
    default:
      return false;
  }
}

export function usesGroup(actions: readonly OfpAct[], group: number): boolean {
  return actions.some((a) => {
    if (a.type === 'group') return a.group === group;
    return (a.type === 'write_actions' || a.type === 'clone') && usesGroup(a.actions, group);
  });
}

/** Adds how often the actions mention each group. */
export function countGroups(actions: readonly OfpAct[], counts: Map<number, number>): void {
  for (const a of actions) {
    if (a.type === 'group') counts.set(a.group, (counts.get(a.group) ?? 0) + 1);
    else if (a.type === 'write_actions' || a.type === 'clone') countGroups(a.actions, counts);
  }
}

export function usesMeter(actions: readonly OfpAct[], meter: number): boolean {
  return actions.some((a) => a.type === 'meter' && a.meter === meter);
}
