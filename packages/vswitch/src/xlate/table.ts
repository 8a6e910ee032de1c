/** Flow tables: lookups, misses, and the limits of what one packet may set in motion. */

import { OFPR_IMPLICIT_MISS } from '@heddle/openflow/msgs/packet-in-reason';
import { Flow } from '@heddle/packet';
import { N_TABLES } from '../ofproto/flow-table.ts';
import type { Rule } from '../ofproto/rule.ts';
import { admits } from './admission.ts';
import { inClone, isReversible } from './clone.ts';
import type { XlateContext } from './context.ts';
import { sendToController } from './controller.ts';
import { checkDepth, checkNesting, checkResubmits } from './limits.ts';
import { matchText } from './text.ts';

const MAX_ODP_ACTIONS = 4096;
const MAX_STACK = 8192;

const FLOW_NW_FRAG_ANY = 1;

export interface TableEntry {
  readonly tableId: number;
  /** Nothing follows after it in the list that leads here. */
  readonly isLast: boolean;
  /** A miss may tell the controller: not after a resubmit. */
  readonly mayPacketIn: boolean;
  /** Look up as if the packet had entered there. */
  readonly ofport?: number;
  /** Look up as the packet was before it was tracked (`resubmit(,T,ct)`). */
  readonly withCt?: boolean;
  /** Entered by a patch port. */
  readonly byPatch?: boolean;
  /** A pipeline begins here, and ends when this table is through. */
  readonly isFirst?: boolean;
}

export function xlateTable(ctx: XlateContext, entry: TableEntry): void {
  checkLimits(ctx, entry);
  const { tableId, cookie, depth } = ctx;
  // A way through later tables comes to an end by itself.
  if (entry.isFirst || entry.tableId <= tableId) ctx.depth++;
  ctx.nesting++;
  ctx.tableId = entry.tableId;
  const rule = lookUp(ctx, entry);
  if (rule) runRule(ctx, rule, entry);
  else if (entry.tableId < N_TABLES) miss(ctx, entry);
  ctx.depth = depth;
  ctx.nesting--;
  ctx.tableId = tableId;
  ctx.cookie = cookie;
}

function checkLimits(ctx: XlateContext, { byPatch = false }: TableEntry): void {
  checkDepth(ctx, byPatch);
  checkNesting(ctx);
  checkResubmits(ctx, byPatch);
  if (ctx.odpActions.length > MAX_ODP_ACTIONS) {
    ctx.fail('resubmits yielded over 64 kB of actions', 'Stack too deep');
  }
  if (ctx.stack.length > MAX_STACK) {
    ctx.fail('resubmits yielded over 64 kB of stack', 'Stack too deep');
  }
}

function lookUp(ctx: XlateContext, entry: TableEntry): Rule | undefined {
  const { flow, bridge } = ctx;
  if (entry.tableId >= N_TABLES) return undefined;
  const saved = { inPort: flow.inPort, tpSrc: flow.tpSrc, tpDst: flow.tpDst };
  if (entry.ofport !== undefined) flow.inPort = entry.ofport;
  const isFragment = (flow.nwFrag & FLOW_NW_FRAG_ANY) !== 0;
  if (isFragment && bridge.fragHandling === 'normal') {
    // Ports are taken for zero in every fragment, so that all of them are treated alike.
    flow.tpSrc = 0;
    flow.tpDst = 0;
  }
  if (isFragment && bridge.fragHandling === 'drop') {
    if (bridge.internal) ctx.effects.rules.push(bridge.internal.fragments);
    ctx.drop('fragments are dropped');
    return undefined;
  }
  const restore = entry.withCt ? swapConntrackTuple(ctx) : undefined;
  ctx.noteLookup();
  const rule = bridge.tables.lookup(entry.tableId, flow, ctx.wildcards);
  ctx.options.observe?.({ type: 'lookup', bridge, tableId: entry.tableId, flow, rule });
  restore?.();
  flow.inPort = saved.inPort;
  flow.tpSrc = saved.tpSrc;
  flow.tpDst = saved.tpDst;
  const table = bridge.tables.at(entry.tableId);
  ctx.effects.tables.push(rule ? table.matched : table.missed);
  return rule;
}

/**
 * Puts the connection's original addresses and ports in the packet's place for a lookup, and what is
 * looked at of them with them.
 */
function swapConntrackTuple({ flow, wildcards }: XlateContext): () => void {
  const { dlType } = flow;
  const swap = (): void => {
    swapTuple(flow, dlType);
    swapTuple(wildcards, dlType);
  };
  swap();
  return swap;
}

function swapTuple(f: Flow, dlType: number): void {
  if (dlType === 0x0800)
    [f.nwSrc, f.nwDst, f.ctNwSrc, f.ctNwDst] = [f.ctNwSrc, f.ctNwDst, f.nwSrc, f.nwDst];
  else {
    const [src, dst] = [f.ipv6Src.slice(), f.ipv6Dst.slice()];
    f.ipv6Src = f.ctIpv6Src.slice();
    f.ipv6Dst = f.ctIpv6Dst.slice();
    f.ctIpv6Src = src;
    f.ctIpv6Dst = dst;
  }
  [f.nwProto, f.ctNwProto] = [f.ctNwProto, f.nwProto];
  [f.tpSrc, f.tpDst, f.ctTpSrc, f.ctTpDst] = [f.ctTpSrc, f.ctTpDst, f.tpSrc, f.tpDst];
}

function runRule(ctx: XlateContext, rule: Rule, entry: TableEntry): void {
  ctx.effects.rules.push(rule);
  ctx.cookie = rule.state.cookie;
  const run = ctx.isTracing ? traceMatch : runMatch;
  // What another bridge makes of the packet is not what goes on here.
  const isApart = entry.isFirst && entry.byPatch && !rule.state.actions.every(isReversible);
  if (isApart) inClone(ctx, () => run(ctx, rule, entry));
  else run(ctx, rule, entry);
}

function traceMatch(ctx: XlateContext, rule: Rule, entry: TableEntry): void {
  const text = `${tableNumber(entry.tableId)}. ${ruleText(rule, ctx)}`;
  ctx.traceUnder('table', text, () => runMatch(ctx, rule, entry));
}

function runMatch(ctx: XlateContext, rule: Rule, entry: TableEntry): void {
  const outer = ctx.currentRule;
  ctx.currentRule = rule;
  if (entry.isFirst && !entry.byPatch && !admits(ctx, false)) return;
  if (!entry.mayPacketIn || entry.byPatch) ctx.resubmits++;
  const { isInBucket } = ctx;
  ctx.isInBucket = false;
  ctx.engine.runActions(ctx, rule.state.actions, entry.isLast);
  ctx.isInBucket = isInBucket;
  if (!entry.isFirst) ctx.currentRule = outer;
  if (entry.isFirst) ctx.engine.finish(ctx);
}

function miss(ctx: XlateContext, entry: TableEntry): void {
  const { bridge } = ctx;
  const table = bridge.tables.at(entry.tableId);
  if (entry.mayPacketIn && table.miss === 'continue' && entry.tableId + 1 < N_TABLES - 1) {
    xlateTable(ctx, { ...entry, tableId: entry.tableId + 1 });
    return;
  }
  const toController =
    table.miss === 'controller' || (table.miss === 'default' && bridge.wantsPacketInOnMiss);
  const isTold = entry.mayPacketIn && toController && !ctx.inPort?.noPacketIn;
  const text = ctx.isTracing ? `${tableNumber(entry.tableId)}. ${missText(entry, isTold)}` : '';
  ctx.traceUnder('table', text, () => {
    if (entry.isFirst && !entry.byPatch && !admits(ctx, false)) return;
    const { internal } = bridge;
    if (internal) ctx.effects.rules.push(isTold ? internal.toControllers : internal.drop);
    if (isTold) {
      ctx.trace('action', 'controller(reason=)');
      // Of no flow that has led here; xlateTable puts the cookie back.
      ctx.cookie = 0n;
      sendToController(ctx, {
        reason: OFPR_IMPLICIT_MISS,
        maxLen: 0xffff,
        controllerId: 0,
        userdata: undefined,
        pause: false,
        meter: undefined,
      });
      return;
    }
    ctx.trace('action', 'drop');
    const outer = ctx.currentRule;
    ctx.currentRule = undefined;
    ctx.tableId = entry.tableId;
    ctx.drop('no flow of the bridge matches');
    ctx.currentRule = outer;
  });
}

/** Open vSwitch shows its hidden table's flow where the packet came by a patch port. */
function missText({ byPatch }: TableEntry, isTold: boolean): string {
  if (byPatch) return `reg0=${isTold ? '0x1' : '0x2'}, priority 0`;
  return isTold ? 'No match, and a "packet-in" is called for.' : 'No match.';
}

function tableNumber(id: number): string {
  return String(id).padStart(2);
}

/** What texts are made of, one at a time. */
const scratch = new Flow();

function ruleText(rule: Rule, ctx: XlateContext): string {
  const match = matchText(rule.matchInto(scratch), ctx);
  const cookie = rule.state.cookie === 0n ? '' : `, cookie 0x${rule.state.cookie.toString(16)}`;
  return `${match === '' ? '' : `${match}, `}priority ${rule.priority}${cookie}`;
}
