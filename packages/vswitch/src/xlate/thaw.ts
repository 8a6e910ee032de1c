/** Going on where a translation was interrupted. */
import { clearTunnel, copyTunnel } from '@heddle/packet';
import type { FrozenState } from '../ofproto/recirc.ts';
import type { XlateContext } from './context.ts';
import { PIPELINE } from './freeze.ts';

/** What is the packet's, of all that only the pipeline knows. */
const HEADERS = [
  'packetType',
  'mplsLse0',
  'mplsLse1',
  'mplsLse2',
  'nshFlags',
  'nshTtl',
  'nshMdtype',
  'nshNp',
  'nshPath',
  'nshC1',
  'nshC2',
  'nshC3',
  'nshC4',
  'ndReserved',
  'ndOptionsType',
] as const;

/** Goes on with what was interrupted. */
export function thaw(ctx: XlateContext, state: FrozenState): void {
  const { metadata } = state;
  const arrived = ctx.flow.clone();
  ctx.flow.u32.set(metadata.u32.subarray(PIPELINE), PIPELINE);
  for (const name of HEADERS) ctx.flow[name] = arrived[name];
  copyTunnel(metadata, ctx.flow);
  // Another copy was hashed before this one left, or other headers.
  if (!state.isHashed) ctx.flow.dpHash = 0;
  ctx.actionSet = state.actionSet.slice();
  ctx.noteActionSet();
  ctx.base.copyFrom(ctx.flow);
  clearTunnel(ctx.base);
  ctx.initial.copyFrom(ctx.flow);
  ctx.stack = state.stack.slice();
  ctx.conntracked = state.conntracked;
  ctx.wasMpls = state.wasMpls;
  ctx.mirrored = state.mirrored;
  ctx.cookie = state.cookie;
  ctx.traceUnder('thaw', 'thaw', () => {
    if (state.tableId !== undefined) ctx.trace('thaw', `Resuming from table ${state.tableId}`);
  });
  if (state.tableId !== undefined) {
    const { tableId } = state;
    ctx.engine.runTable(ctx, { tableId, isLast: true, mayPacketIn: true, isFirst: true });
  } else if (state.rests.length === 0) ctx.engine.runActions(ctx, [], true);
  else ctx.engine.runFrames(ctx, state.rests);
  ctx.engine.finish(ctx);
}
