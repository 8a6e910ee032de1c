/** From one bridge into another: by a patch port, or below, as a tunnel's packet. */
import type { OdpAction } from '@heddle/datapath';
import { clearTunnelFields, copyTunnelFields, Flow } from '@heddle/packet';
import type { OfPort } from '../ofproto.ts';
import { beginCopy, endCopy } from './clone.ts';
import { clearConntrack } from './conntrack.ts';
import type { XlateContext } from './context.ts';
import { MAX_DEPTH } from './limits.ts';

export function enterPeer(ctx: XlateContext, port: OfPort, peer: OfPort): void {
  noteLoop(ctx, 'patch ports form a loop');
  ctx.effects.patches.push({ from: port, to: peer });
  ctx.options.observe?.({ type: 'patch', from: port, to: peer });
  within(ctx, peer, () => {
    const flow = ctx.flow.clone();
    const [looked, written] = [new Flow(), new Flow()];
    copyTunnelFields(ctx.wildcards, looked);
    copyTunnelFields(ctx.written, written);
    clearPipeline(ctx.flow);
    const start = beginCopy(ctx);
    run(ctx, peer);
    // What another bridge makes of the packet is not what goes on here.
    endCopy(ctx, start, false);
    ctx.flow.copyFrom(flow);
    // No packet could differ in the tunnel that was seen there: none.
    copyTunnelFields(looked, ctx.wildcards);
    copyTunnelFields(written, ctx.written);
  });
}

/**
 * Another packet, `outer`, enters by the local port of a bridge: what is done with it. What is looked
 * at of it was made here, so that no packet could differ in it but for its mark, which is the first's.
 */
export function enterBridge(ctx: XlateContext, local: OfPort, outer: Flow): readonly OdpAction[] {
  noteLoop(ctx, 'tunnels form a loop');
  const { flow, base, odpActions, wasMpls, pending, isExiting, withPacket } = ctx;
  const kept = [ctx.wildcards.clone(), ctx.written.clone()] as const;
  const actions: OdpAction[] = [];
  Object.assign(ctx, { flow: outer.clone(), base: outer.clone(), odpActions: actions });
  // Nothing is learned from what this switch itself sends.
  Object.assign(ctx, { wasMpls: false, pending: undefined, withPacket: false });
  within(ctx, local, () => run(ctx, local));
  Object.assign(ctx, { flow, base, odpActions, wasMpls, pending, isExiting, withPacket });
  kept[0].pktMark = (kept[0].pktMark | ctx.wildcards.pktMark) >>> 0;
  ctx.wildcards.copyFrom(kept[0]);
  ctx.written.copyFrom(kept[1]);
  return actions;
}

/** The first table of the bridge that is entered ends the translation. */
function noteLoop(ctx: XlateContext, reason: 'patch ports form a loop' | 'tunnels form a loop') {
  if (ctx.depth > MAX_DEPTH) ctx.drop(reason);
}

function run(ctx: XlateContext, port: OfPort): void {
  ctx.flow.inPort = port.ofport;
  ctx.noteActionSet();
  for (const flow of [ctx.flow, ctx.wildcards]) flow.tlv = ctx.bridge.tlv;
  ctx.contain(() => ctx.engine.runBridge(ctx, true));
  // What that bridge stops is not stopped here.
  ctx.isExiting = false;
}

/** Runs `body` in the bridge of `port`, and then all is as it was. */
function within(ctx: XlateContext, port: OfPort, body: () => void): void {
  const kept = ofBridge(ctx);
  ctx.bridge = port.bundle.bridge;
  ctx.inPort = port;
  ctx.stack = [];
  ctx.actionSet = [];
  ctx.conntracked = false;
  ctx.mirrored = 0;
  body();
  ctx.wildcards.tlv = kept.bridge.tlv;
  Object.assign(ctx, kept);
}

/** What a translation has for each bridge anew. */
function ofBridge(ctx: XlateContext) {
  const { bridge, inPort, tableId, cookie, stack, actionSet } = ctx;
  const { conntracked, wasMpls, currentRule, mirrored } = ctx;
  const pipeline = { bridge, inPort, tableId, cookie, stack, actionSet };
  return { ...pipeline, conntracked, wasMpls, currentRule, mirrored };
}

/** A bridge does not see another's registers, metadata, tunnel and conntrack state. */
function clearPipeline(flow: Flow): void {
  flow.u32.fill(0, REGS, REGS + 19);
  clearTunnelFields(flow);
  clearConntrack(flow);
}

/** Word of the first register; 16 of them, metadata and conj_id follow. */
const REGS = 64;
