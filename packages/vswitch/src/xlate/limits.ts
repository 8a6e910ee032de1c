/** How far a translation goes. */
import type { XlateContext } from './context.ts';

/** Nested bridges, buckets and tables that one packet may pass, but for ways to later tables. */
export const MAX_DEPTH = 64;

const MAX_RESUBMITS = 4096;

/** Tables and copies within each other: each takes its part of the stack. */
const MAX_NESTING = 600;

/** As if there were no more resubmits left. */
export function checkNesting(ctx: XlateContext): void {
  if (ctx.nesting >= MAX_NESTING) tooManyResubmits(ctx);
}

/** Ways into other bridges count, too: where these form loops, every one may part into several. */
export function checkResubmits(ctx: XlateContext, byPatch: boolean): void {
  if (ctx.resubmits >= MAX_RESUBMITS) tooManyResubmits(ctx, byPatch);
}

function tooManyResubmits(ctx: XlateContext, byPatch = false): never {
  tooFar(ctx, `over ${MAX_RESUBMITS} resubmit actions`, 'Too many resubmits', byPatch);
}

export function checkDepth(ctx: XlateContext, byPatch = false): void {
  if (ctx.depth <= MAX_DEPTH) return;
  tooFar(ctx, `over max translation depth ${MAX_DEPTH}`, 'Recursion too deep', byPatch);
}

/** Gives up the translation, by a patch port this way of it alone. */
function tooFar(ctx: XlateContext, text: string, failure: string, byPatch: boolean): never {
  if (!byPatch) ctx.fail(text, failure);
  ctx.trace('error', text);
  ctx.giveUp(failure);
}

/** Entries of a label stack that are seen. */
export const MAX_LABELS = 3;

export function tooManyLabels(ctx: XlateContext, what: string, has: string): never {
  const limit = `more MPLS LSEs than the ${MAX_LABELS} supported.`;
  const text = `dropping packet on which an ${what} can't be performed as it ${has} ${limit}`;
  if (ctx.withPacket) ctx.trace('error', text);
  ctx.giveUp('Too many MPLS labels');
}
