/** Going on where a translation was interrupted. */
import type { FrozenState } from './ofproto/recirc.ts';
import type { XlateContext } from './xlate-context.ts';
import { PIPELINE } from './xlate-freeze.ts';

/** Goes on with what was interrupted. */
export function thaw(ctx: XlateContext, state: FrozenState): void {
  const { metadata } = state;
  const packetType = ctx.flow.packetType;
  const mpls = ['mplsLse0', 'mplsLse1', 'mplsLse2'] as const;
  const lses = mpls.map((name) => ctx.flow[name]);
  ctx.flow.u32.set(metadata.u32.subarray(PIPELINE), PIPELINE);
  for (const [i, name] of mpls.entries()) ctx.flow[name] = lses[i]!;
  ctx.flow.packetType = packetType;
  ctx.base.copyFrom(ctx.flow);
  ctx.initial.copyFrom(ctx.flow);
  ctx.stack = state.stack.slice();
  ctx.actionSet = state.actionSet.slice();
  ctx.conntracked = state.conntracked;
  ctx.wasMpls = state.wasMpls;
  ctx.mirrored = state.mirrored;
  ctx.cookie = state.cookie;
  ctx.traceUnder('thaw', 'thaw', () => {
    if (state.tableId !== undefined) ctx.trace('thaw', `Resuming from table ${state.tableId}`);
  });
  if (state.tableId !== undefined) {
    ctx.engine.runTable(ctx, { tableId: state.tableId, isLast: true, mayPacketIn: true });
  } else ctx.engine.runActions(ctx, state.actions, true);
  ctx.engine.finish(ctx);
}
