/** The `learn` action: a flow made of the packet that is being translated (ovs-actions(7)). */
import {
  type FlowMod,
  type LearnSpec,
  Match,
  OFP_NO_BUFFER,
  OFPG_ANY,
  OFPP_ALL,
  OFPP_FLOOD,
  OFPP_IN_PORT,
  OFPP_LOCAL,
  OFPP_MAX,
  OFPP_NONE,
  type OfpAct,
  OfpError,
} from '@heddle/openflow';
import { Flow, fieldGet, fieldSet, flowEquals } from '@heddle/packet';
import { tableFor } from '../ofproto/flow-mod.ts';
import { NO_FLAGS } from '../ofproto/rule.ts';
import { isSameFlow, stateOf } from '../ofproto/same-flow.ts';
import { tunMetadataOf } from '../ofproto/tlv.ts';
import type { XlateContext } from './context.ts';
import { lookAtSubfield, lowBits, subfieldGet, subfieldSet } from './subfield.ts';
import { flowModText, traceSubfield } from './text.ts';

type LearnAct = Extract<OfpAct, { type: 'learn' }>;

export function learnAction(ctx: XlateContext, act: LearnAct): void {
  const flowMod = learnedFlowMod(ctx, act);
  if (!ctx.withPacket) {
    ctx.trace('warn', 'suppressing side effects, so learn action ignored');
    return;
  }
  if (ctx.isTracing) ctx.trace('detail', flowModText(flowMod));
  const refusal = refusalOf(ctx, flowMod);
  if (refusal !== undefined) {
    ctx.trace('error', `LEARN action execution failed (${refusal}).`);
    return;
  }
  // As upstream has it, no limit holds for what a controller sends.
  const limit = ctx.options.isPacketOut ? 0 : act.limit;
  const isLearned = isAllowed(ctx, limit, flowMod);
  const table = ctx.currentRule?.tableId ?? ctx.tableId;
  ctx.effects.flows.push({ bridge: ctx.bridge, flowMod, limit, isLearned, table });
  if (act.flags.writeResult && act.resultDst) {
    lookAtSubfield(ctx, act.resultDst);
    subfieldSet(ctx.flow, act.resultDst, isLearned ? 1n : 0n);
    traceSubfield(ctx, act.resultDst);
  }
  if (!isLearned) ctx.trace('detail', 'Limit exceeded, learn failed');
}

/** The error with which the bridge takes no such flow, whoever sends it. */
function refusalOf({ bridge }: XlateContext, flowMod: FlowMod): string | undefined {
  try {
    tableFor(bridge, flowMod);
    return undefined;
  } catch (error) {
    if (error instanceof OfpError) return error.ofpErr;
    throw error;
  }
}

/** Whether the limit lets the flow be learned or changed, or it is as it would be. */
function isAllowed(ctx: XlateContext, limit: number, flowMod: FlowMod): boolean {
  if (limit === 0) return true;
  const { tableId, newCookie } = flowMod;
  const { classifier } = ctx.bridge.tables.at(tableId);
  const ruleOf = ({ match, priority }: FlowMod) => classifier.find(match.key, match.mask, priority);
  const pending = pendingMods(ctx, tableId);
  const own = pending.find((mod) => isSameRule(mod, flowMod));
  const known = own ? stateOf(own) : ruleOf(flowMod)?.state;
  if (known && isSameFlow(known, flowMod)) return true;
  const changed = new Set(pending.map(ruleOf));
  let n = 0;
  for (const mod of pending) if (mod.newCookie === newCookie) n++;
  for (const rule of classifier.rules()) {
    if (rule.state.cookie === newCookie && !changed.has(rule)) n++;
  }
  return n < limit;
}

/** What has been learned just now, the last of each flow. */
function pendingMods(ctx: XlateContext, tableId: number): FlowMod[] {
  const pending: FlowMod[] = [];
  for (const { bridge, flowMod, isLearned } of ctx.effects.flows) {
    if (!isLearned || bridge !== ctx.bridge || flowMod.tableId !== tableId) continue;
    const at = pending.findIndex((mod) => isSameRule(mod, flowMod));
    if (at < 0) pending.push(flowMod);
    else pending[at] = changedBy(pending[at]!, flowMod);
  }
  return pending;
}

/** A change keeps what it cannot change (OpenFlow 1.5, 6.4): timeouts and flags. */
function changedBy(first: FlowMod, second: FlowMod): FlowMod {
  const { idleTimeout, hardTimeout, flags } = first;
  return { ...second, idleTimeout, hardTimeout, flags };
}

function isSameRule(a: FlowMod, b: FlowMod): boolean {
  return (
    a.priority === b.priority &&
    flowEquals(a.match.key, b.match.key) &&
    flowEquals(a.match.mask, b.match.mask)
  );
}

function learnedFlowMod(ctx: XlateContext, act: LearnAct): FlowMod {
  const [key, mask] = [new Flow(), new Flow()];
  key.tlv = ctx.bridge.tlv;
  mask.tlv = ctx.bridge.tlv;
  const draft = new Match(key, mask);
  const actions: OfpAct[] = [];
  for (const spec of act.specs) applySpec(ctx, spec, draft, actions);
  const match = new Match(key, mask, tunMetadataOf(key, mask));
  if (act.finIdleTimeout !== 0 || act.finHardTimeout !== 0) {
    actions.unshift({ type: 'fin_timeout', idle: act.finIdleTimeout, hard: act.finHardTimeout });
  }
  return {
    command: 'modify_strict',
    match,
    priority: act.priority,
    cookie: 0n,
    cookieMask: 0n,
    newCookie: act.cookie,
    tableId: act.table,
    idleTimeout: act.idleTimeout,
    hardTimeout: act.hardTimeout,
    bufferId: OFP_NO_BUFFER,
    outPort: OFPP_NONE,
    outGroup: OFPG_ANY,
    flags: { ...NO_FLAGS, sendFlowRem: act.flags.sendFlowRem },
    importance: 0,
    actions,
  };
}

function applySpec(ctx: XlateContext, spec: LearnSpec, match: Match, actions: OfpAct[]): void {
  const value = 'value' in spec ? spec.value : subfieldGet(ctx.flow, spec.src);
  if ('src' in spec) lookAtSubfield(ctx, spec.src);
  if (spec.type === 'output') {
    const port = Number(value);
    if (mayLearn(port)) actions.push({ type: 'output', port, maxLen: 0 });
    return;
  }
  const { field, ofs, nBits } = spec.dst;
  if (spec.type === 'match') {
    // What is matched as a whole is not matched in part.
    if (field.masking === 'none' && nBits < (field.bits ?? field.width)) return;
    subfieldSet(match.key, spec.dst, value);
    const bits = lowBits(nBits) << BigInt(ofs);
    fieldSet(match.mask, field, fieldGet(match.mask, field) | bits);
    addPrerequisites(ctx, match, field.prerequisite);
    return;
  }
  const mask = lowBits(nBits) << BigInt(ofs);
  const set = { field, value: (value << BigInt(ofs)) & mask, mask };
  actions.push({ type: 'set_field', set, compat: 'load' });
}

/** As upstream's: a flow learns to send to ports, and of the reserved ones to these alone. */
function mayLearn(port: number): boolean {
  return port < OFPP_MAX || LEARNED_PORTS.has(port);
}

const LEARNED_PORTS: ReadonlySet<number> = new Set([
  OFPP_IN_PORT,
  OFPP_FLOOD,
  OFPP_ALL,
  OFPP_LOCAL,
]);

/**
 * A learned match on a field that is there only with others is told so by the action's text, but for that on an
 * Ethernet packet, which every match on a header is: without it other requests would not find the flow.
 */
function addPrerequisites(
  { flow }: XlateContext,
  match: Match,
  prerequisite: string | undefined,
): void {
  if (prerequisite !== undefined && match.mask.packetType === 0) {
    match.key.packetType = 0;
    match.mask.packetType = 0xffff_ffff;
  }
  if (prerequisite === 'VLAN VID' && (match.key.vlanTci0 & 0x1000) === 0 && flow.vlanTci0 !== 0) {
    match.key.vlanTci0 |= 0x1000;
    match.mask.vlanTci0 |= 0x1000;
  }
}
