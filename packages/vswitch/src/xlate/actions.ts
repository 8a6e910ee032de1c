/** Lists of OpenFlow actions, one after the other, on the packet of a translation. */
import type { OdpAction } from '@heddle/datapath';
import {
  type ContinuationFrame,
  OFPP_CONTROLLER,
  OFPP_IN_PORT,
  type OfpAct,
  type Subfield,
} from '@heddle/openflow';
import { orderActionSet } from './action-set.ts';
import { beginCopy, endCopy, inClone, isReversible } from './clone.ts';
import type { XlateContext } from './context.ts';
import { sendToController } from './controller.ts';
import { ctAction, ctClear } from './ct.ts';
import { sampleAction } from './export.ts';
import { finishFreezing } from './finish.ts';
import { freezeRest } from './freeze.ts';
import { groupAction } from './group.ts';
import { bundleAction, multipathAction } from './hash.ts';
import { learnAction } from './learn.ts';
import { checkNesting } from './limits.ts';
import { outputAction, outputTo } from './output.ts';
import { isHeaderAction, worksOnUnknown, xlateHeaderAction } from './set.ts';
import { lookAtSubfield, markSubfieldWritten, subfieldGet, subfieldSet } from './subfield.ts';
import { xlateTable } from './table.ts';
import { actionsText, actionText, traceSubfield } from './text.ts';

const CURRENT_TABLE = 255;

const NONE: readonly ContinuationFrame[] = [];

/**
 * Lists of several flows, each as its own flow would have gone on: what is left of a translation that
 * was interrupted.
 */
export function runFrames(ctx: XlateContext, frames: readonly ContinuationFrame[]): void {
  for (const [i, { tableId, cookie, actions }] of frames.entries()) {
    ctx.tableId = tableId;
    ctx.cookie = cookie;
    if (runActions(ctx, actions, i === frames.length - 1, frames.slice(i + 1))) return;
  }
}

/**
 * `isLast`: nothing follows after the list; `later`: the lists that are one with it. Returns whether
 * those have had their turn, too: they have when the ways of the packet part.
 */
export function runActions(
  ctx: XlateContext,
  actions: readonly OfpAct[],
  isLast: boolean,
  later = NONE,
): boolean {
  if (actions.length === 0) {
    ctx.trace('action', 'drop');
    ctx.drop('the flow has no actions');
    return false;
  }
  for (let i = 0; i < actions.length; i++) {
    const act = actions[i]!;
    if (ctx.isExiting) return false;
    if (ctx.frozen) {
      freezeRest(ctx, actions.slice(i));
      return false;
    }
    if (ctx.wasMpls && !worksOnUnknown(act)) {
      freezeRest(ctx, actions.slice(i));
      return false;
    }
    if (ctx.isTracing) ctx.trace('action', actionText(act, ctx));
    if (act.type === 'check_pkt_larger') {
      checkPacketLarger(ctx, act, actions.slice(i + 1), later);
      return true;
    }
    runAction(ctx, act, isLast && i === actions.length - 1);
    if (ctx.hasTtlExpired) {
      ctx.hasTtlExpired = false;
      return false;
    }
    if (ctx.redo) {
      ctx.redo = false;
      ctx.frozen = undefined;
      freezeRest(ctx, [act]);
    }
  }
  return false;
}

function runAction(ctx: XlateContext, act: OfpAct, isLast: boolean): void {
  if (isHeaderAction(act)) {
    xlateHeaderAction(ctx, act);
    return;
  }
  switch (act.type) {
    case 'output':
      outputAction(ctx, act.port, act.maxLen, isLast);
      return;
    case 'output_reg':
      outputReg(ctx, act);
      return;
    case 'output_trunc':
      outputTrunc(ctx, act.port, act.maxLen);
      return;
    case 'controller':
      controller(ctx, act);
      return;
    case 'enqueue':
      enqueue(ctx, act.port, act.queue);
      return;
    case 'set_queue':
      ctx.flow.skbPriority = ctx.bridge.queuePriority(act.queue);
      ctx.wildcards.skbPriority = 0xffff_ffff;
      return;
    case 'pop_queue':
      popQueue(ctx);
      return;
    case 'group':
      groupAction(ctx, act.group, isLast);
      return;
    case 'bundle':
      bundleAction(ctx, act);
      return;
    case 'multipath':
      multipathAction(ctx, act);
      return;
    case 'resubmit': {
      if (act.withCt) ctx.wildcards.ctNwProto = 0xff;
      if (act.withCt && ctx.flow.ctNwProto === 0) {
        ctx.trace('error', 'resubmit(ct) with non-tracked or non-IP packet!');
        return;
      }
      const ofport = act.port === OFPP_IN_PORT ? ctx.flow.inPort : act.port;
      const tableId = act.table === CURRENT_TABLE ? ctx.tableId : act.table;
      xlateTable(ctx, {
        tableId,
        isLast,
        mayPacketIn: false,
        ofport,
        ...(act.withCt && { withCt: true }),
      });
      return;
    }
    case 'goto_table':
      xlateTable(ctx, { tableId: act.table, isLast, mayPacketIn: true });
      return;
    case 'write_metadata':
      ctx.flow.metadata = (ctx.flow.metadata & ~act.mask) | (act.metadata & act.mask);
      return;
    case 'write_actions':
      for (const a of act.actions) ctx.actionSet.push(a);
      ctx.noteActionSet();
      traceActionSet(ctx, 'is');
      return;
    case 'clear_actions':
      traceActionSet(ctx, 'was');
      ctx.actionSet = [];
      ctx.noteActionSet();
      return;
    case 'push':
      lookAtSubfield(ctx, act.subfield);
      ctx.stack.push(subfieldGet(ctx.flow, act.subfield));
      return;
    case 'pop':
      pop(ctx, act);
      return;
    case 'clone':
      clone(ctx, act.actions, isLast);
      return;
    case 'learn':
      learnAction(ctx, act);
      return;
    case 'fin_timeout':
      finTimeout(ctx, act);
      return;
    case 'exit':
      ctx.isExiting = true;
      return;
    case 'ct':
      ctAction(ctx, act);
      return;
    case 'ct_clear':
      ctClear(ctx);
      return;
    case 'meter':
      meter(ctx, act.meter);
      return;
    case 'sample':
      sampleAction(ctx, act);
      return;
    case 'debug_slow':
      ctx.slow.add('action');
      return;
    case 'debug_recirc':
      ctx.frozen = [];
      return;
    case 'nat':
    case 'note':
    case 'check_pkt_larger':
      return;
    case 'conjunction':
      ctx.trace('error', 'executing no-op conjunction action');
      return;
    default:
      act satisfies never;
  }
}

function meter(ctx: XlateContext, number: number): void {
  const found = ctx.bridge.meters.get(number);
  if (!found) return;
  ctx.odpActions.push({ type: 'meter', id: found.dpId });
  ctx.options.observe?.({ type: 'meter', bridge: ctx.bridge, meter: number });
}

function popQueue(ctx: XlateContext): void {
  const { flow, initial } = ctx;
  if (flow.skbPriority === initial.skbPriority) return;
  flow.skbPriority = initial.skbPriority;
  const value = flow.skbPriority === 0 ? '0' : `0x${flow.skbPriority.toString(16)}`;
  ctx.trace('detail', `queue = ${value}`);
}

function traceActionSet(ctx: XlateContext, verb: string): void {
  if (!ctx.isTracing) return;
  const acts = orderActionSet(ctx.actionSet);
  ctx.trace(
    'detail',
    `action set ${verb}${acts.length === 0 ? ' empty' : `: ${actionsText(acts, ctx)}`}`,
  );
}

function outputReg(ctx: XlateContext, act: Extract<OfpAct, { type: 'output_reg' }>): void {
  const value = subfieldGet(ctx.flow, act.src);
  lookAtSubfield(ctx, act.src);
  if (value > 0xffffn) return;
  ctx.trace('detail', `output port is ${value}`);
  outputAction(ctx, Number(value), act.maxLen, false);
}

/** `maxLen` holds for one output; bridges behind patch ports get the packet whole. */
function outputTrunc(ctx: XlateContext, ofport: number, maxLen: number): void {
  const port = ofport === OFPP_IN_PORT ? ctx.flow.inPort : ofport;
  const target = ctx.bridge.ports.get(port);
  if (port !== OFPP_CONTROLLER && (!target || target.peer)) {
    ctx.trace('error', `output_trunc does not support patch port ${port}`);
    ctx.drop('only whole packets pass a patch port');
    return;
  }
  if (ofport === ctx.flow.inPort) {
    ctx.trace('warn', 'skipping output to input port');
    ctx.drop('the only output is the input port');
    return;
  }
  ctx.odpActions.push({ type: 'trunc', maxLen });
  const before = ctx.odpActions.length;
  if (port === OFPP_CONTROLLER) outputAction(ctx, port, 0xffff, false);
  else outputTo(ctx, port);
  if (ctx.odpActions.length === before) ctx.odpActions.pop();
}

function controller(ctx: XlateContext, act: Extract<OfpAct, { type: 'controller' }>): void {
  const { maxLen, controllerId, reason, userdata, pause = false, meter } = act;
  if (pause) {
    ctx.paused = { reason, maxLen, controllerId, userdata, pause, meter };
    ctx.frozen = [];
  } else sendToController(ctx, { reason, maxLen, controllerId, userdata, pause, meter });
}

function enqueue(ctx: XlateContext, ofport: number, queue: number): void {
  const saved = ctx.flow.skbPriority;
  ctx.wildcards.skbPriority = 0xffff_ffff;
  // Unlike `output` upstream says nothing of it.
  if (ofport === ctx.flow.inPort) {
    ctx.drop('the only output is the input port');
    return;
  }
  ctx.flow.skbPriority = ctx.bridge.queuePriority(queue);
  outputAction(ctx, ofport, 0xffff, false);
  ctx.flow.skbPriority = saved;
}

function pop(ctx: XlateContext, { subfield }: Extract<OfpAct, { type: 'push' | 'pop' }>): void {
  const value = ctx.stack.pop();
  if (value === undefined) {
    ctx.trace('error', 'stack underflow');
    return;
  }
  lookAtSubfield(ctx, subfield);
  markSubfieldWritten(ctx, subfield);
  subfieldSet(ctx.flow, subfield, value);
  traceSubfield(ctx, subfield);
}

/** Actions on a copy of the packet; what the datapath cannot take back it does in a `clone`. */
function clone(ctx: XlateContext, actions: readonly OfpAct[], isLast: boolean): void {
  if (!isLast && !actions.every(isReversible)) {
    inClone(ctx, () => runCopy(ctx, actions, false));
    return;
  }
  const start = beginCopy(ctx);
  runCopy(ctx, actions, isLast);
  endCopy(ctx, start, isLast);
}

function runCopy(ctx: XlateContext, actions: readonly OfpAct[], isLast: boolean): void {
  const { stack, actionSet, conntracked, wasMpls } = ctx;
  const flow = ctx.flow.clone();
  checkNesting(ctx);
  ctx.nesting++;
  ctx.stack = stack.slice();
  ctx.actionSet = actionSet.slice();
  try {
    runActions(ctx, actions, isLast);
    if (ctx.frozen) finishFreezing(ctx);
    else runActionSet(ctx);
  } finally {
    ctx.nesting--;
    ctx.flow.copyFrom(flow);
    Object.assign(ctx, { stack, actionSet, conntracked, wasMpls });
  }
}

const FIN_OR_RST = 5;

function finTimeout(ctx: XlateContext, act: Extract<OfpAct, { type: 'fin_timeout' }>): void {
  const { flow } = ctx;
  if (flow.nwProto !== 6 || (flow.dlType !== 0x0800 && flow.dlType !== 0x86dd)) return;
  ctx.wildcards.nwProto = 0xff;
  const flags = ctx.options.tcpFlags ?? flow.tcpFlags;
  // Every FIN must be seen: a megaflow without would hide it.
  ctx.wildcards.tcpFlags |= FIN_OR_RST;
  if ((flags & FIN_OR_RST) === 0 || !ctx.currentRule) return;
  ctx.effects.finTimeouts.push({ rule: ctx.currentRule, idle: act.idle, hard: act.hard });
}

const MAX_BRANCHES = 256;

/** The datapath knows the length: both ways are translated, and the rest of the list with them. */
function checkPacketLarger(
  ctx: XlateContext,
  { length, dst }: Extract<OfpAct, { type: 'check_pkt_larger' }>,
  rest: readonly OfpAct[],
  later: readonly ContinuationFrame[],
): void {
  // Each one doubles what there is to translate.
  if (++ctx.branches > MAX_BRANCHES) {
    ctx.fail(`over max translation branches ${MAX_BRANCHES}`, 'Recursion too deep');
  }
  lookAtSubfield(ctx, dst);
  ctx.commit();
  const greater = branch(ctx, dst, 1n, rest, later);
  const { isExiting } = ctx;
  ctx.isExiting = false;
  const lessEqual = branch(ctx, dst, 0n, rest, later);
  // As upstream has it, an exit of the longer packet's is one of both.
  ctx.isExiting = isExiting;
  ctx.odpActions.push({ type: 'check_pkt_len', size: length, greater, lessEqual });
}

/** What is done when the packet turns out as `value` says. */
function branch(
  ctx: XlateContext,
  dst: Subfield,
  value: bigint,
  rest: readonly OfpAct[],
  later: readonly ContinuationFrame[],
): readonly OdpAction[] {
  const { tableId, cookie } = ctx;
  const { stack, actionSet, conntracked, wasMpls, pending, odpActions } = ctx;
  const [flow, base] = [ctx.flow.clone(), ctx.base.clone()];
  ctx.stack = stack.slice();
  ctx.actionSet = actionSet.slice();
  ctx.odpActions = [];
  subfieldSet(ctx.flow, dst, value);
  try {
    // What follows is one list: it ends without actions only where there are none behind.
    const isOver = rest.length === 0 && later.length > 0;
    if (isOver || !runActions(ctx, rest, later.length === 0, later)) runFrames(ctx, later);
    if (ctx.frozen) finishFreezing(ctx);
    else runActionSet(ctx);
    return ctx.odpActions;
  } finally {
    ctx.odpActions = odpActions;
    ctx.flow.copyFrom(flow);
    ctx.base.copyFrom(base);
    Object.assign(ctx, { tableId, cookie, stack, actionSet, conntracked, wasMpls, pending });
  }
}

export function runActionSet(ctx: XlateContext): void {
  if (ctx.actionSet.length === 0) return;
  const ordered = orderActionSet(ctx.actionSet);
  ctx.actionSet = [];
  if (ordered.length === 0) return;
  ctx.isInActionSet = true;
  ctx.traceUnder('set', '--. Executing action set:', () => {
    runActions(ctx, ordered, true);
  });
  ctx.isInActionSet = false;
  if (ctx.frozen) finishFreezing(ctx);
}
