/** The end of a pipeline that was interrupted. */
import type { XlateContext } from './context.ts';
import { isDryRun, sendToController } from './controller.ts';
import { freezeState, recirculate } from './freeze.ts';

/**
 * What is left goes on after the packet was looked at anew, or when a controller says so. As
 * upstream has it this ends the whole pipeline: what stands behind a `clone` whose copy
 * recirculates is not done, either.
 */
export function finishFreezing(ctx: XlateContext): void {
  const { frozen = [], paused } = ctx;
  ctx.frozen = undefined;
  ctx.paused = undefined;
  ctx.isExiting = true;
  ctx.commit();
  ctx.wasMpls = false;
  // All tables that led here are through.
  ctx.tableId = 0;
  // With nothing left to do the packet begins anew.
  const tableId = frozen.length === 0 ? 0 : undefined;
  if (!paused) recirculate(ctx, freezeState(ctx, tableId, frozen, ''));
  else if (!isDryRun(ctx)) sendToController(ctx, paused, frozen);
  ctx.hashes = false;
}
