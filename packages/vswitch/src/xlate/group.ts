/** Groups: which buckets a packet goes through (OpenFlow 1.5, 5.10.1). */
import { type Bucket, OFPG_ANY, OFPP_NONE, type OfpAct } from '@heddle/openflow';
import type { Flow } from '@heddle/packet';
import type { Group } from '../ofproto/group.ts';
import { orderActionSet } from './action-set.ts';
import { beginCopy, endCopy } from './clone.ts';
import type { XlateContext } from './context.ts';
import { finishFreezing } from './finish.ts';
import { hashFlow, hashMasked } from './hash.ts';
import { checkDepth } from './limits.ts';

const MAX_LIVENESS_DEPTH = 128;

export function groupAction(ctx: XlateContext, id: number, isLast: boolean): void {
  const group = ctx.bridge.groups.get(id);
  if (!group) {
    ctx.trace('warn', 'group does not exist');
    return;
  }
  // A loop of groups ends the translation as a whole: what it has in parallel would never end.
  checkDepth(ctx);
  runGroup(ctx, group, isLast);
}

function runGroup(ctx: XlateContext, group: Group, isLast: boolean): void {
  const { buckets } = group;
  switch (group.type) {
    // An indirect one has several buckets where others were put in later.
    case 'all':
    case 'indirect':
      ctx.effects.groups.push({ group, bucket: undefined });
      if (buckets.length === 0) ctx.drop('the group has no buckets', undefined, group.id);
      for (const i of buckets.keys()) runBucket(ctx, group, i, isLast && i === buckets.length - 1);
      return;
    case 'ff':
      runChosen(
        ctx,
        group,
        buckets.findIndex((b) => isAlive(ctx, b, 0)),
        isLast,
      );
      return;
    case 'select':
      runChosen(ctx, group, select(ctx, group), isLast);
  }
}

function runChosen(ctx: XlateContext, group: Group, index: number, isLast: boolean): void {
  if (index < 0) noBucket(ctx, group);
  else {
    ctx.trace('detail', `using bucket ${group.buckets[index]!.bucketId}`);
    runOnly(ctx, group, index, isLast);
  }
}

function runOnly(ctx: XlateContext, group: Group, index: number, isLast: boolean): void {
  ctx.effects.groups.push({ group, bucket: index });
  runBucket(ctx, group, index, isLast);
}

function noBucket(ctx: XlateContext, { id }: Group): void {
  ctx.trace('detail', 'no live bucket');
  ctx.drop('no bucket of the group is alive', undefined, id);
}

function runBucket(ctx: XlateContext, group: Group, index: number, isLast: boolean): void {
  const bucket = group.buckets[index]!;
  ctx.traceUnder('bucket', `bucket ${bucket.bucketId}`, () => {
    const { stack, conntracked, wasMpls, isInBucket } = ctx;
    const start = beginCopy(ctx);
    ctx.isInBucket = true;
    const flow = ctx.flow.clone();
    ctx.depth++;
    const actions = bucketActions(bucket.actions);
    try {
      ctx.contain(() => {
        if (actions.length > 0) ctx.engine.runActions(ctx, actions, isLast);
        else ctx.trace('action', 'drop');
        // What recirculates in a bucket is the bucket's copy.
        if (ctx.frozen) finishFreezing(ctx);
      });
    } finally {
      ctx.flow.copyFrom(flow);
    }
    ctx.depth--;
    // A bucket ends only itself.
    ctx.isExiting = false;
    Object.assign(ctx, { stack, conntracked, wasMpls, isInBucket });
    endCopy(ctx, start, isLast);
  });
}

/** A bucket's actions are an action set. */
function bucketActions(actions: readonly OfpAct[]): OfpAct[] {
  return orderActionSet(actions);
}

function isAlive(ctx: XlateContext, bucket: Bucket, depth: number): boolean {
  if (depth >= MAX_LIVENESS_DEPTH) {
    ctx.trace('error', `bucket chaining exceeded ${MAX_LIVENESS_DEPTH} links`);
    return false;
  }
  const alive = watchedIsAlive(ctx, bucket, depth);
  if (!alive && ctx.isTracing) {
    const { bucketId, watchPort, watchGroup } = bucket;
    const watched = watchPort !== OFPP_NONE ? watchPort : watchGroup;
    ctx.trace('detail', `bucket ${bucketId}: not live due to port ${watched}`);
  }
  return alive;
}

function watchedIsAlive(ctx: XlateContext, bucket: Bucket, depth: number): boolean {
  const { watchPort, watchGroup } = bucket;
  const watchesPort = watchPort !== OFPP_NONE;
  const watchesGroup = watchGroup !== OFPG_ANY;
  if (!watchesPort && !watchesGroup) return true;
  if (watchesPort) {
    if (ctx.bridge.ports.get(watchPort)?.isLive) return true;
  }
  if (!watchesGroup) return false;
  const group = ctx.bridge.groups.get(watchGroup);
  return group?.buckets.some((b) => isAlive(ctx, b, depth + 1)) ?? false;
}

/** -1: none that is alive, or none yet as the datapath must hash the packet first. */
function select(ctx: XlateContext, group: Group): number {
  if (ctx.wasMpls) {
    // What is to be hashed lies below the label that has been popped.
    ctx.recirculateFirst();
    return -1;
  }
  const { selectionMethod, selectionMethodParam: param } = group.props;
  const slots = selectionMethod === 'hash' ? undefined : group.hashSlots;
  if (slots && ctx.config.hashAlgorithm) return selectByDatapathHash(ctx, group, slots);
  return selectByScore(ctx, group, Number(param & 0xffff_ffffn));
}

/** The upper half of the parameter says what is hashed, the lower where from. */
function selectByDatapathHash(ctx: XlateContext, group: Group, slots: readonly number[]): number {
  const { selectionMethod, selectionMethodParam: param } = group.props;
  const { dpHash } = ctx.flow;
  if (dpHash === 0) {
    const isSymmetric = selectionMethod === '' || param >> 32n !== 0n;
    const algorithm = isSymmetric ? ctx.config.hashAlgorithm! : 'l4';
    const basis = Number(param & 0xffff_ffffn);
    ctx.hashAndRecirculate({ type: 'hash', algorithm, basis });
    return -1;
  }
  const mask = slots.length - 1;
  ctx.wildcards.dpHash = (ctx.wildcards.dpHash | mask) >>> 0;
  for (let i = 0; i < slots.length; i++) {
    const index = slots[(dpHash + i) & mask]!;
    if (isAlive(ctx, group.buckets[index]!, 0)) return index;
  }
  return -1;
}

/** Weighted rendezvous hashing: a bucket that goes moves only its own flows. */
function selectByScore(ctx: XlateContext, group: Group, basis: number): number {
  const hash = selectionHash(ctx, group, basis);
  let best = -1;
  let bestScore = -1;
  for (const [i, bucket] of group.buckets.entries()) {
    const { bucketId, weight } = bucket;
    if (weight <= 0) {
      ctx.trace('detail', `bucket ${bucketId}: not live due to `);
      continue;
    }
    if (!isAlive(ctx, bucket, 0)) continue;
    const draw = mix32(hash ^ mix32(bucketId + 1));
    const score = -weight / Math.log((draw + 1) / 4294967297);
    ctx.trace('detail', `bucket ${bucketId}: score ${Math.floor(Math.min(score, 0xffff_ffff))}`);
    if (score > bestScore) {
      best = i;
      bestScore = score;
    }
  }
  if (best < 0) return -1;
  const picked = ctx.pick();
  return picked === undefined ? best : group.buckets.findIndex((b) => b.bucketId === picked);
}

function selectionHash(ctx: XlateContext, { props }: Group, basis: number): number {
  if (props.selectionMethod === 'hash' && props.fields) {
    const mask = usable(ctx, props.fields.mask);
    for (let i = 0; i < mask.u32.length; i++) ctx.wildcards.u32[i]! |= mask.u32[i]!;
    return hashMasked(ctx.flow, mask, basis);
  }
  return hashFlow(ctx, 'symmetric_l4', basis);
}

/** The fields to hash that this packet has; looks at what tells. */
function usable({ flow, wildcards }: XlateContext, fields: Flow): Flow {
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
  if ((mask.tpSrc | mask.tpDst) === 0) return mask;
  wildcards.nwProto = 0xff;
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
