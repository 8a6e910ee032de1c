/** Copies of a packet, for what the datapath cannot take back. */
import type { OdpAction } from '@heddle/datapath';
import type { OfpAct } from '@heddle/openflow';
import type { Flow } from '@heddle/packet';
import type { PendingHeader, XlateContext } from './context.ts';

/** Runs `body` in a `clone` of the datapath: what the packet is like afterwards, it was before. */
export function inClone(ctx: XlateContext, body: () => void): void {
  ctx.commit();
  const { odpActions, pending } = ctx;
  const base = ctx.base.clone();
  ctx.odpActions = [];
  try {
    body();
  } finally {
    const inner = ctx.odpActions;
    ctx.odpActions = odpActions;
    pushClone(odpActions, inner);
    ctx.base.copyFrom(base);
    ctx.pending = pending;
  }
}

function pushClone(odpActions: OdpAction[], actions: OdpAction[]): void {
  // A copy that is the last to be made is the packet itself.
  const last = actions.at(-1);
  if (last?.type === 'clone') actions.splice(-1, 1, ...last.actions);
  if (actions.length > 0) odpActions.push({ type: 'clone', actions });
}

/** The datapath's packet as a copy finds it. */
export interface CopyStart {
  readonly at: number;
  readonly base: Flow;
  readonly pending: PendingHeader | undefined;
}

export function beginCopy({ odpActions, base, pending }: XlateContext): CopyStart {
  return { at: odpActions.length, base: base.clone(), pending };
}

/**
 * Ends a copy that was done in its place. One that did what cannot be taken back, as a flow that it is
 * resubmitted to may, is put in a `clone` after all, unless nothing follows; one with a header that nothing
 * was sent with always: an action set does not know what follows the copy that it is of.
 */
export function endCopy(ctx: XlateContext, start: CopyStart, isLast: boolean): void {
  const { odpActions, pending } = ctx;
  const hasUnsent = pending?.type === 'encap' && pending !== start.pending;
  if (hasUnsent || (!isLast && leavesTraces(ctx, start))) {
    pushClone(odpActions, odpActions.splice(start.at));
    ctx.base.copyFrom(start.base);
    ctx.pending = start.pending;
  } else if (pending !== start.pending) ctx.pending = undefined;
}

function leavesTraces({ odpActions }: XlateContext, start: CopyStart): boolean {
  // What waited before is the packet's own.
  let own = start.pending ? 1 : 0;
  for (let i = start.at; i < odpActions.length; i++) {
    const { type } = odpActions[i]!;
    if (STATEFUL.has(type)) return true;
    if (LAYERS.has(type) && own-- === 0) return true;
  }
  return false;
}

type OdpType = OdpAction['type'];

const LAYERS: ReadonlySet<OdpType> = new Set([
  'push_eth',
  'pop_eth',
  'push_nsh',
  'pop_nsh',
  'add_mpls',
]);

/**
 * Tracking translates addresses and stays with a packet that comes back, as its hash does; a meter drops
 * it for good.
 */
const STATEFUL: ReadonlySet<OdpType> = new Set(['ct', 'ct_clear', 'hash', 'meter']);

const IRREVERSIBLE: ReadonlySet<OfpAct['type']> = new Set([
  'ct',
  'meter',
  'nat',
  'output_trunc',
  'encap',
  'decap',
  'dec_nsh_ttl',
  'debug_recirc',
  'delete_field',
]);

/** Of an action itself: as upstream has it, of flows that a resubmit leads to nobody asks. */
export function isReversible(act: OfpAct): boolean {
  if (act.type === 'clone') return act.actions.every(isReversible);
  return !IRREVERSIBLE.has(act.type);
}
