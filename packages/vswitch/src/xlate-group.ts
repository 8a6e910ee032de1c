/** Groups: which buckets a packet goes through (OpenFlow 1.5, 5.10.1). */
import { type Bucket, OFPG_ANY, OFPP_NONE, type OfpAct } from '@heddle/openflow';
import type { Flow } from '@heddle/packet';
import { orderActionSet } from './action-set.ts';
import type { Group } from './ofproto/group.ts';
import type { XlateContext } from './xlate-context.ts';
import { hashFlow, hashMasked } from './xlate-hash.ts';

const MAX_LIVENESS_DEPTH = 128;

export function groupAction(ctx: XlateContext, id: number, isLast: boolean): void {
  const group = ctx.bridge.groups.get(id);
  if (!group) {
    ctx.trace('warn', 'group does not exist');
    return;
  }
  if (ctx.groupDepth >= 64) {
    ctx.trace('error', 'cannot recursively translate group action');
    ctx.drop('groups nest too deeply');
    return;
  }
  ctx.groupDepth++;
  runGroup(ctx, group, isLast);
  ctx.groupDepth--;
}

function runGroup(ctx: XlateContext, group: Group, isLast: boolean): void {
  const { buckets } = group;
  switch (group.type) {
    case 'all':
      for (const i of buckets.keys()) runBucket(ctx, group, i, isLast && i === buckets.length - 1);
      return;
    case 'indirect':
      if (buckets.length > 0) runBucket(ctx, group, 0, isLast);
      return;
    case 'ff': {
      const first = buckets.findIndex((b) => isAlive(ctx, b, 0));
      if (first >= 0) {
        ctx.trace('detail', `using bucket ${first}`);
        runBucket(ctx, group, first, isLast);
      } else noBucket(ctx, group);
      return;
    }
    case 'select': {
      const i = select(ctx, group);
      if (i >= 0) {
        ctx.trace('detail', `using bucket ${i}`);
        runBucket(ctx, group, i, isLast);
      } else noBucket(ctx, group);
    }
  }
}

function noBucket(ctx: XlateContext, group: Group): void {
  ctx.trace('detail', `no live bucket in group ${group.id}`);
  ctx.drop('no bucket of the group is alive');
}

function runBucket(ctx: XlateContext, group: Group, index: number, isLast: boolean): void {
  const bucket = group.buckets[index]!;
  ctx.effects.groups.push({ group, bucket: index });
  ctx.traceUnder('bucket', `bucket ${index}`, () => {
    const { stack, actionSet, conntracked, wasMpls } = ctx;
    const flow = ctx.flow.clone();
    ctx.actionSet = [];
    ctx.depth++;
    const actions = bucketActions(bucket.actions);
    if (actions.length > 0) ctx.engine.runActions(ctx, actions, isLast);
    ctx.depth--;
    // A bucket ends only itself.
    ctx.isExiting = false;
    ctx.flow.copyFrom(flow);
    Object.assign(ctx, { stack, actionSet, conntracked, wasMpls });
  });
}

/** A bucket's actions are an action set. */
function bucketActions(actions: readonly OfpAct[]): OfpAct[] {
  return orderActionSet(actions);
}

function isAlive(ctx: XlateContext, { watchPort, watchGroup }: Bucket, depth: number): boolean {
  const watchesPort = watchPort !== OFPP_NONE;
  const watchesGroup = watchGroup !== OFPG_ANY;
  if (!watchesPort && !watchesGroup) return true;
  if (watchesPort) {
    const port = ctx.bridge.ports.get(watchPort);
    if (port?.mayEnable && port.isLinkUp) return true;
  }
  if (!watchesGroup || depth >= MAX_LIVENESS_DEPTH) return false;
  const group = ctx.bridge.groups.get(watchGroup);
  return group?.buckets.some((b) => isAlive(ctx, b, depth + 1)) ?? false;
}

/** Weighted rendezvous hashing: a bucket that goes moves only its own flows. */
function select(ctx: XlateContext, group: Group): number {
  const hash = selectionHash(ctx, group);
  let best = -1;
  let bestScore = -1;
  for (const [i, bucket] of group.buckets.entries()) {
    if (bucket.weight <= 0 || !isAlive(ctx, bucket, 0)) continue;
    const draw = (mix32(hash ^ mix32(bucket.bucketId + 1)) + 1) / 4294967297;
    const score = -bucket.weight / Math.log(draw);
    if (score > bestScore) {
      best = i;
      bestScore = score;
    }
  }
  return best;
}

function selectionHash(ctx: XlateContext, { props }: Group): number {
  if (props.selectionMethod === 'hash' && props.fields) {
    const mask = usable(ctx, props.fields.mask);
    for (let i = 0; i < mask.u32.length; i++) ctx.wildcards.u32[i]! |= mask.u32[i]!;
    return hashMasked(ctx.flow, mask, Number(props.selectionMethodParam & 0xffff_ffffn));
  }
  return hashFlow(ctx, 'symmetric_l4', Number(props.selectionMethodParam & 0xffff_ffffn));
}

/** The fields to hash that this packet has. */
function usable({ flow }: XlateContext, fields: Flow): Flow {
  const mask = fields.clone();
  const isIp = flow.dlType === 0x0800 || flow.dlType === 0x86dd;
  if (!isIp) {
    mask.u32.fill(0, 22, 32);
    return mask;
  }
  if (flow.dlType === 0x0800) {
    mask.u32.fill(0, 23, 26);
    mask.u32.fill(0, 27, 30);
  }
  if (![6, 17, 132].includes(flow.nwProto)) {
    mask.tpSrc = 0;
    mask.tpDst = 0;
  }
  return mask;
}

function mix32(x: number): number {
  let h = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
