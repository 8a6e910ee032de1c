/** Interrupting a translation for the datapath to do something, and going on afterwards. */
import type { OfpAct } from '@heddle/openflow';
import { copyTunnel, Flow, fillTunnel, isTunnelled } from '@heddle/packet';
import type { FrozenState } from './ofproto/recirc.ts';
import type { XlateContext } from './xlate-context.ts';

/** First word of what only the pipeline knows, and how many words of it there are. */
export const PIPELINE = 64;

/** What is needed to go on from here in `tableId`, or with `actions`. */
export function freezeState(
  ctx: XlateContext,
  tableId: number | undefined,
  actions: readonly OfpAct[],
  pauseReason: string,
): FrozenState {
  const metadata = new Flow();
  metadata.u32.set(ctx.flow.u32.subarray(PIPELINE), PIPELINE);
  lookAtTunnelFields(ctx);
  copyTunnel(ctx.flow, metadata);
  // No field of OpenFlow: one state serves every source port.
  metadata.tunTpSrc = 0;
  return {
    bridge: ctx.bridge,
    ofport: ctx.flow.inPort,
    tableId,
    cookie: ctx.cookie,
    metadata,
    stack: ctx.stack.slice(),
    actionSet: ctx.actionSet.slice(),
    actions,
    conntracked: ctx.conntracked,
    wasMpls: ctx.wasMpls,
    mirrored: ctx.mirrored,
    pauseReason,
  };
}

/** What a packet brought by a tunnel is kept in the state: it is for no packet with other fields. */
function lookAtTunnelFields({ initial, wildcards }: XlateContext): void {
  if (!isTunnelled(initial)) return;
  const { tunTpSrc, tunTpDst } = wildcards;
  fillTunnel(wildcards);
  Object.assign(wildcards, { tunTpSrc, tunTpDst });
  wildcards.tunOptsLen = 0xff;
  wildcards.tunOpts.fill(0xff);
}

/** Ends the actions so far with a recirculation that goes on in a table, or with what is left. */
export function recirculate(ctx: XlateContext, state: FrozenState): number {
  const id = ctx.config.recirc.alloc(state);
  ctx.odpActions.push({ type: 'recirc', id });
  return id;
}

/**
 * What is left goes on after the packet was looked at anew. As upstream has it this ends the whole
 * pipeline: what stands behind a `clone` whose copy recirculates is not done, either.
 */
export function finishFreezing(ctx: XlateContext): void {
  const actions = ctx.frozen ?? [];
  ctx.frozen = undefined;
  ctx.isExiting = true;
  ctx.commit();
  ctx.wasMpls = false;
  recirculate(ctx, freezeState(ctx, undefined, actions, ''));
}
