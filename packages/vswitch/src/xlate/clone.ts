/** Copies of a packet, for what the datapath cannot take back. */
import type { OfpAct } from '@heddle/openflow';
import type { XlateContext } from './context.ts';

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
    // A copy that is the last to be made is the packet itself.
    const last = inner.at(-1);
    if (last?.type === 'clone') inner.splice(-1, 1, ...last.actions);
    if (inner.length > 0) odpActions.push({ type: 'clone', actions: inner });
    ctx.base.copyFrom(base);
    ctx.pending = pending;
  }
}

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
