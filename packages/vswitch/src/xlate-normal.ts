/** OFPP_NORMAL: forwarding as a learning switch with VLANs does it (ovs-actions(7), "normal"). */
import { isMulticastMac, MAC_BROADCAST } from '@heddle/packet';
import type { Bundle, OfPort } from './ofproto.ts';
import { isReservedMac } from './reserved.ts';
import {
  includesVlan,
  inputRefusal,
  inputTranslate,
  outputTranslate,
  type VlanTags,
} from './vlan.ts';
import type { XlateContext } from './xlate-context.ts';

const ETH_P_ARP = 0x0806;
const ARP_OP_REQUEST = 1;

export function xlateNormal(
  ctx: XlateContext,
  inPort: OfPort,
  depth: number,
  send: (port: OfPort) => void,
): void {
  const { flow, wildcards } = ctx;
  const inBundle = inPort.bundle;
  const { bridge } = inBundle;
  wildcards.dlSrc = MAC_BROADCAST;
  wildcards.dlDst = MAC_BROADCAST;
  lookAtTags(ctx);
  const refusal = inputRefusal(inBundle, ctx.tags[0]?.vid ?? 0);
  if (refusal !== undefined) {
    ctx.trace(depth, 'error', refusal);
    ctx.trace(depth, 'warn', 'disallowed VLAN VID for this input port, dropping');
    ctx.drop('VLAN not allowed on the input port');
    return;
  }
  if (!bridge.forwardBpdu && isReservedMac(flow.dlDst)) {
    ctx.trace(depth, 'detail', 'packet has reserved destination MAC, dropping');
    ctx.drop('reserved destination address');
    return;
  }
  const inside = inputTranslate(inBundle, ctx.tags);
  learn(ctx, inBundle, inside);
  forward(ctx, inBundle, inside, depth, send);
}

function lookAtTags({ wildcards, config }: XlateContext): void {
  wildcards.vlanTci0 = 0xffff;
  wildcards.vlanTpid0 = 0xffff;
  if (config.vlanLimit >= 2) {
    wildcards.vlanTci1 = 0xffff;
    wildcards.vlanTpid1 = 0xffff;
  }
}

function learn(ctx: XlateContext, bundle: Bundle, tags: VlanTags): void {
  const { flow, wildcards } = ctx;
  const { bridge } = bundle;
  const vlan = tags[0]?.vid ?? 0;
  if (isMulticastMac(flow.dlSrc) || bridge.macs.floods(vlan)) return;
  // A gratuitous ARP tells where an address has gone: its megaflow stands for no other ARP.
  if (flow.dlType === ETH_P_ARP && flow.dlDst === MAC_BROADCAST) {
    wildcards.nwProto = 0xff;
    if (flow.nwProto === ARP_OP_REQUEST) {
      wildcards.nwSrc = 0xffff_ffff;
      wildcards.nwDst = 0xffff_ffff;
    }
  }
  ctx.macs.push({ bridge, vlan, mac: flow.dlSrc });
  ctx.effects.learn.push({ bridge, vlan, mac: flow.dlSrc, bundle });
}

function forward(
  ctx: XlateContext,
  inBundle: Bundle,
  tags: VlanTags,
  depth: number,
  send: (port: OfPort) => void,
): void {
  const { flow } = ctx;
  const { bridge } = inBundle;
  const vlan = tags[0]?.vid ?? 0;
  if (!isMulticastMac(flow.dlDst)) {
    ctx.macs.push({ bridge, vlan, mac: flow.dlDst });
    const entry = bridge.macs.lookup(vlan, flow.dlDst);
    // The sender is learned first: what is sent to itself is at the input port.
    const toItself = flow.dlDst === flow.dlSrc && !entry?.isStatic && !bridge.macs.floods(vlan);
    if (entry || toItself) {
      if (toItself || entry?.port === inBundle) {
        ctx.trace(depth, 'detail', 'learned port is input port, dropping');
        ctx.drop('destination is at the input port');
      } else if (inBundle.isProtected && entry!.port.isProtected) {
        ctx.trace(depth, 'detail', 'learned port is protected, dropping');
        ctx.drop('both ports are protected');
      } else {
        ctx.trace(depth, 'detail', 'forwarding to learned port');
        outputNormal(ctx, entry!.port, tags, send);
      }
      return;
    }
  }
  ctx.trace(depth, 'detail', 'no learned MAC for destination, flooding');
  for (const bundle of bridge.bundles.values()) {
    if (bundle === inBundle || (inBundle.isProtected && bundle.isProtected)) continue;
    if (bundle.ports[0]?.noFlood || !includesVlan(bundle, tags)) continue;
    outputNormal(ctx, bundle, tags, send);
  }
}

/** Sends out of a bundle, tagged as it wants. */
function outputNormal(
  ctx: XlateContext,
  bundle: Bundle,
  tags: VlanTags,
  send: (port: OfPort) => void,
): void {
  const port = bundle.ports[0];
  if (!port) return;
  const before = ctx.tags;
  ctx.tags = outputTranslate(bundle, tags);
  send(port);
  ctx.tags = before;
}
