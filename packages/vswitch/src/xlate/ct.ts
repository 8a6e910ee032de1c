/** The `ct` action: connection tracking, and going on in a table afterwards. */
import type { OdpCtAction, OdpNat } from '@heddle/datapath';
import type { CtAction, NatAction, OfpAct } from '@heddle/openflow';
import { FLOW_NW_FRAG_ANY } from '@heddle/packet';
import { clearConntrack } from './conntrack.ts';
import type { XlateContext } from './context.ts';
import { freezeState, recirculate } from './freeze.ts';
import { isHeaderAction, xlateHeaderAction } from './set.ts';
import { lookAtSubfield, subfieldGet } from './subfield.ts';
import { actionText } from './text.ts';

const HELPERS: Readonly<Record<number, string>> = { 21: 'ftp', 69: 'tftp' };

export function ctAction(ctx: XlateContext, act: CtAction): void {
  const { flow, wildcards } = ctx;
  // What `exec` sets is the connection's, not the packet's.
  const [mark, label] = [flow.ctMark, flow.ctLabel];
  const [markMask, labelMask] = [wildcards.ctMark, wildcards.ctLabel];
  ctx.commit();
  flow.ctMark = 0;
  flow.ctLabel = 0n;
  wildcards.ctMark = 0;
  wildcards.ctLabel = 0n;
  let nat: NatAction | undefined;
  if (act.actions.length === 0) ctx.trace('action', 'drop');
  for (const inner of act.actions) {
    if (ctx.isTracing) ctx.trace('action', actionText(inner, ctx));
    if (inner.type === 'nat') nat = inner;
    else runExec(ctx, inner);
  }
  const zone = zoneOf(ctx, act);
  const timeout = act.commit ? ctx.config.ctTimeoutOf?.(zone) : undefined;
  const odp: OdpCtAction = {
    type: 'ct',
    commit: act.commit,
    force: act.force,
    zone,
    ...(act.commit &&
      wildcards.ctMark !== 0 && { mark: { value: flow.ctMark, mask: wildcards.ctMark } }),
    ...(act.commit &&
      wildcards.ctLabel !== 0n && { label: { value: flow.ctLabel, mask: wildcards.ctLabel } }),
    ...(HELPERS[act.alg] !== undefined && { helper: HELPERS[act.alg]! }),
    ...(timeout !== undefined && { timeout }),
    ...(nat && { nat: odpNat(nat) }),
  };
  flow.ctMark = mark;
  flow.ctLabel = label;
  wildcards.ctMark = markMask;
  wildcards.ctLabel = labelMask;
  ctx.odpActions.push(odp);
  if (ctx.config.leavesFragments && (flow.nwFrag & FLOW_NW_FRAG_ANY) !== 0) ctx.slow.add('action');
  if (act.table !== undefined) fork(ctx, act.table, zone, odp.nat);
  ctClear(ctx, false);
  ctx.trace(
    'detail',
    'Sets the packet to an untracked state, and clears all the conntrack fields.',
  );
}

function runExec(ctx: XlateContext, act: OfpAct): void {
  if (isHeaderAction(act)) xlateHeaderAction(ctx, act);
}

function zoneOf(ctx: XlateContext, { zone }: CtAction): number {
  if (typeof zone === 'number') return zone;
  lookAtSubfield(ctx, zone);
  return Number(subfieldGet(ctx.flow, zone) & 0xffffn);
}

/** The tracked copy goes on in a table; the packet here goes on untracked. */
function fork(ctx: XlateContext, table: number, zone: number, nat: OdpNat | undefined): void {
  ctx.conntracked = true;
  const state = { ...freezeState(ctx, table, [], 'conntrack'), zone };
  const id = recirculate(ctx, state);
  ctx.forks.push({ id, zone, flow: ctx.flow.clone(), ...(nat && { nat }) });
  ctx.trace(
    'detail',
    `A clone of the packet is forked to recirculate. The forked pipeline will be resumed at table ${table}.`,
  );
}

/** All that a packet can be: a mask of other bits has no name in the texts of megaflows. */
const CS_ALL = 0xff;

/** `ct_clear`: the packet is as if it had never been tracked. */
export function ctClear(ctx: XlateContext, withAction = true): void {
  if (withAction) {
    if (!ctx.conntracked) {
      ctx.wildcards.ctState |= CS_ALL;
      if (ctx.flow.ctState === 0) return;
    }
    ctx.odpActions.push({ type: 'ct_clear' });
  }
  clearConntrack(ctx.flow);
  clearConntrack(ctx.base);
  ctx.conntracked = false;
}

function odpNat(nat: NatAction): OdpNat {
  const { direction, range } = nat;
  return {
    ...(direction && { direction }),
    ...(range && {
      family: range.family,
      min: range.min,
      ...(range.max !== undefined && { max: range.max }),
      ...(range.portMin !== undefined && { portMin: range.portMin }),
      ...(range.portMax !== undefined && { portMax: range.portMax }),
    }),
    ...(nat.persistent && { persistent: true }),
    ...(nat.hash && { hash: true }),
    ...(nat.random && { random: true }),
  };
}
