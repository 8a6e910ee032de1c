/**
 * Copies of packets for mirrors (ovs-vswitchd.conf.db(5), table Mirror). As in Open vSwitch, what
 * passes a patch port is mirrored where it enters or leaves the datapath, not there.
 */
import { MAC_BROADCAST } from '@heddle/packet';
import type { Mirror } from '../mirror.ts';
import type { Bundle, OfPort } from '../ofproto.ts';
import { isReservedMac } from '../reserved.ts';
import {
  includesVlan,
  inputRefusal,
  inputTranslate,
  tagsFromStack,
  type VlanTags,
} from '../vlan.ts';
import type { XlateContext } from './context.ts';
import { lookAtOuterTag, outputNormal } from './normal.ts';

/** What mirrors do where a packet enters a bridge; false: it came from where only copies go. */
export function mirrorArrival(ctx: XlateContext): boolean {
  const bundle = ctx.inPort?.bundle;
  if (!bundle) return true;
  if (bundle.isMirrorOutput) {
    const where = `packet received on port ${bundle.name}`;
    ctx.trace('error', `dropping ${where}, which is reserved exclusively for mirroring`);
    ctx.drop('the input port is reserved for mirroring');
    return false;
  }
  if (ctx.bridge.mirrors.length > 0) mirrorPacket(ctx, bundle, bundle.sourceMirrors);
  return true;
}

/** What mirrors do when a packet has left by a port. */
export function mirrorDeparture(ctx: XlateContext, { bundle }: OfPort): void {
  if (ctx.bridge.mirrors.length === 0) return;
  mirrorPacket(ctx, bundle, bundle.destinationMirrors);
}

function mirrorPacket(ctx: XlateContext, bundle: Bundle, candidates: number): void {
  lookAtOuterTag(ctx);
  const cameWith = tagsFromStack(ctx.tags);
  const refusal = inputRefusal(bundle, cameWith[0].vid);
  if (refusal !== undefined) {
    ctx.trace('error', refusal);
    return;
  }
  const tags = inputTranslate(bundle, cameWith);
  for (const mirror of bundle.bridge.mirrors) {
    const { vlans } = mirror.settings;
    if ((mirror.bit & candidates & ~ctx.mirrored) === 0) continue;
    if (vlans && !vlans.has(tags[0].vid)) continue;
    ctx.mirrored |= mirror.duplicates;
    ctx.effects.mirrors.push(mirror);
    const { snaplen, mirror: outer } = ctx;
    ctx.snaplen = mirror.settings.snaplen;
    ctx.mirror = mirror.settings.name;
    sendCopies(ctx, bundle, mirror, tags);
    ctx.snaplen = snaplen;
    ctx.mirror = outer;
  }
}

function sendCopies(ctx: XlateContext, from: Bundle, { settings }: Mirror, tags: VlanTags): void {
  const { out } = settings;
  if (typeof out !== 'number') {
    outputNormal(ctx, ctx.entry, out, tags, (port) => ctx.engine.sendOut(ctx, port));
    return;
  }
  if (tags[0].vid === out) return;
  ctx.wildcards.dlDst = MAC_BROADCAST;
  if (isReservedMac(ctx.flow.dlDst)) return;
  const remote: VlanTags = [{ ...tags[0], vid: out }, tags[1]];
  for (const bundle of from.bridge.bundles.values()) {
    if (bundle.isMirrorOutput || !includesVlan(bundle, remote)) continue;
    outputNormal(ctx, ctx.entry, bundle, remote, (port) => ctx.engine.sendOut(ctx, port));
  }
}
