/** OFPP_NORMAL: forwarding as a learning switch with VLANs does it (ovs-actions(7), "normal"). */
import { OFPP_CONTROLLER, OFPP_NONE } from '@heddle/openflow';
import {
  ETH_P_8021AD,
  ETH_P_8021Q,
  ETH_P_ARP,
  formatMac,
  isMulticastMac,
  MAC_BROADCAST,
  VLAN_CFI,
  VLAN_VID_MASK,
} from '@heddle/packet';
import { Bundle, type OfPort, type Ofproto } from '../ofproto.ts';
import { isReservedMac } from '../reserved.ts';
import { forwards } from '../spanning-tree/tree.ts';
import {
  asksForCustomer,
  includesVlan,
  inputRefusal,
  inputTranslate,
  outputTranslate,
  tagsFromStack,
  type VlanTags,
} from '../vlan.ts';
import { bondAdmits, bundlePort } from './bond.ts';
import { PT_ETH } from './commit-encap.ts';
import type { XlateContext } from './context.ts';
import { noteFlood } from './export.ts';
import { forwardMulticast, isSnooped } from './multicast.ts';
import type { DropReason } from './observe.ts';
import { lookAtTags } from './set.ts';
import { sameTags } from './tags.ts';

const ARP_OP_REQUEST = 1;

export function xlateNormal(ctx: XlateContext, send: (port: OfPort) => void): void {
  const { flow, wildcards } = ctx;
  const inPort = ctx.bridge.ports.get(flow.inPort);
  const inBundle = inPort ? inPort.bundle : bundleOfNoPort(ctx);
  if (!inBundle || inBundle.isFake) {
    wildcards.dlSrc = MAC_BROADCAST;
    wildcards.dlDst = MAC_BROADCAST;
    ctx.trace('error', `received packet on unknown port ${flow.inPort}`);
    ctx.trace('warn', 'no input bundle, dropping');
    ctx.drop(inPort ? 'fake interface of a bond' : 'no such port in the bridge', inPort);
    return;
  }
  const { bridge } = inBundle;
  wildcards.dlSrc = MAC_BROADCAST;
  wildcards.dlDst = MAC_BROADCAST;
  lookAtOuterTag(ctx);
  if (ctx.tags.length === 0 && isVlanType(flow.dlType)) {
    if (ctx.withPacket) {
      const { name } = inBundle;
      ctx.trace('error', `dropping packet with partial VLAN tag received on port ${name}`);
    }
    ctx.trace('warn', 'partial VLAN tag, dropping');
    ctx.drop('tag cut short');
    return;
  }
  if (inBundle.isMirrorOutput) {
    ctx.trace('warn', 'input port is mirror output port, dropping');
    ctx.drop('the input port is reserved for mirroring');
    return;
  }
  const cameWith = tagsFromStack(ctx.tags);
  const refusal = inputRefusal(inBundle, cameWith[0].vid);
  if (refusal !== undefined) {
    ctx.trace('error', refusal);
    ctx.trace('warn', 'disallowed VLAN VID for this input port, dropping');
    ctx.drop('VLAN not allowed on the input port', inPort);
    return;
  }
  if (inPort && !bridge.forwardBpdu && isReservedMac(flow.dlDst)) {
    ctx.trace('detail', 'packet has reserved destination MAC, dropping');
    ctx.drop('reserved destination address');
    return;
  }
  if (inBundle.vlanMode === 'dot1q-tunnel') lookAtLostTag(ctx);
  const inside = inputTranslate(inBundle, cameWith);
  if (inPort && !bondAdmits(ctx, inPort, inside[0].vid)) return;
  // Without an Ethernet header there is no address to learn.
  if (inPort && ctx.flow.packetType === PT_ETH) learn(ctx, inBundle, inside);
  if (isSnooped(ctx)) {
    const heard = ctx.effects.mcast.length;
    forwardMulticast({
      ctx,
      snooping: bridge.snooping!,
      inBundle,
      tags: inside,
      mayLeave: (bundle) => mayLeave(ctx, bundle, inside),
      output: (bundle) => outputNormal(ctx, inBundle, bundle, inside, send),
      flood: () => flood(ctx, inBundle, inside, send),
    });
    // No port leads to who says something there.
    if (!inPort) ctx.effects.mcast.length = heard;
    if (ctx.odpActions.length === 0) ctx.drop('nobody listens to the multicast group', inPort);
    return;
  }
  forward(ctx, inBundle, inside, send);
}

const outside = new WeakMap<Ofproto, Bundle>();

/** Where packets of a controller come from that are said to have come by no port: a trunk of all VLANs. */
function bundleOfNoPort({ flow, bridge }: XlateContext): Bundle | undefined {
  if (flow.inPort !== OFPP_CONTROLLER && flow.inPort !== OFPP_NONE) return undefined;
  const bundle = outside.get(bridge) ?? new Bundle('', bridge);
  outside.set(bridge, bundle);
  return bundle;
}

/**
 * Looks at the VLAN. A tag without one, being there for its priority or for nothing, is looked at
 * whole, for its priority decides about whether it is written again.
 */
export function lookAtOuterTag({ flow, wildcards }: XlateContext): void {
  wildcards.vlanTpid0 = 0xffff;
  wildcards.vlanTci0 |= saysVlan(flow.vlanTci0) ? VLAN_CFI | VLAN_VID_MASK : 0xffff;
}

function lookAtInnerTag({ flow, wildcards, config }: XlateContext): void {
  if (config.vlanLimit < 2 || (flow.vlanTci0 & VLAN_CFI) === 0) return;
  wildcards.vlanTpid1 = 0xffff;
  wildcards.vlanTci1 |= saysVlan(flow.vlanTci1) ? VLAN_CFI | VLAN_VID_MASK : 0xffff;
}

/**
 * The tag of a tunnel is one too many for a packet that has as many as there is room for: the inner
 * one gives way to the outer one, which is compared with it when tags are written.
 */
function lookAtLostTag({ flow, wildcards }: XlateContext): void {
  if ((flow.vlanTci0 & flow.vlanTci1 & VLAN_CFI) === 0) return;
  for (const name of ['vlanTci0', 'vlanTpid0', 'vlanTci1', 'vlanTpid1'] as const) {
    wildcards[name] = 0xffff;
  }
}

function saysVlan(tci: number): boolean {
  return (tci & VLAN_VID_MASK) !== 0 || (tci & VLAN_CFI) === 0;
}

/** The source address is at `bundle` from now on. */
function learn(ctx: XlateContext, bundle: Bundle, tags: VlanTags): void {
  const { flow, wildcards } = ctx;
  const { bridge } = bundle;
  const vlan = tags[0].vid;
  // A gratuitous ARP tells where an address has gone: its megaflow stands for no other ARP.
  if (flow.dlType === ETH_P_ARP && flow.dlDst === MAC_BROADCAST) {
    wildcards.nwProto = 0xff;
    if (flow.nwProto === ARP_OP_REQUEST) {
      wildcards.nwSrc = 0xffff_ffff;
      wildcards.nwDst = 0xffff_ffff;
    }
  }
  if (isMulticastMac(flow.dlSrc) || bridge.macs.floods(vlan)) return;
  ctx.macs.push({ bridge, vlan, mac: flow.dlSrc });
  const known = bridge.macs.lookup(vlan, flow.dlSrc);
  if (!ctx.withPacket || (known?.isStatic && known.port !== bundle)) return;
  if (placeOf(ctx, bridge, vlan, flow.dlSrc) !== bundle) {
    const where = `port ${bundle.name} in VLAN ${vlan}`;
    ctx.trace('detail', `learned that ${formatMac(flow.dlSrc)} is on ${where}`);
  }
  ctx.effects.learn.push({ bridge, vlan, mac: flow.dlSrc, bundle });
}

/** Where an address is. What was learned a moment ago is not in the table yet. */
function placeOf({ effects }: XlateContext, bridge: Ofproto, vlan: number, mac: number) {
  const { learned } = effects;
  for (let i = learned.length - 1; i >= 0; i--) {
    const entry = learned[i]!;
    if (entry.mac === mac && entry.vlan === vlan && entry.bridge === bridge) return entry.bundle;
  }
  return bridge.macs.lookup(vlan, mac)?.port;
}

function forward(
  ctx: XlateContext,
  inBundle: Bundle,
  tags: VlanTags,
  send: (port: OfPort) => void,
): void {
  const { flow } = ctx;
  const { bridge } = inBundle;
  const vlan = tags[0].vid;
  if (!isMulticastMac(flow.dlDst)) {
    ctx.macs.push({ bridge, vlan, mac: flow.dlDst });
    const port = placeOf(ctx, bridge, vlan, flow.dlDst);
    if (port) {
      if (port === inBundle) {
        ctx.trace('detail', 'learned port is input port, dropping');
        ctx.drop('destination is at the input port', port.ports[0]);
      } else {
        ctx.trace('detail', 'forwarding to learned port');
        outputNormal(ctx, inBundle, port, tags, send);
      }
      return;
    }
  }
  ctx.trace('detail', 'no learned MAC for destination, flooding');
  flood(ctx, inBundle, tags, send);
}

function flood(
  ctx: XlateContext,
  inBundle: Bundle,
  tags: VlanTags,
  send: (port: OfPort) => void,
): void {
  const { bridge } = inBundle;
  noteFlood(ctx);
  for (const bundle of bridge.bundles.values()) {
    if (bundle === inBundle || bundle.isMirrorOutput) continue;
    const refusal = floodRefusal(bundle);
    if (refusal !== undefined) {
      ctx.pass(refusal, bundle.ports[0]);
      continue;
    }
    if (mayLeave(ctx, bundle, tags)) outputNormal(ctx, inBundle, bundle, tags, send);
    else ctx.pass('VLAN not allowed on the output port', bundle.ports[0]);
  }
}

/** Whether a packet may leave by a port, by its VLANs. */
function mayLeave(ctx: XlateContext, bundle: Bundle, tags: VlanTags): boolean {
  if (tags[0].vid === bundle.vlan && asksForCustomer(bundle)) lookAtInnerTag(ctx);
  return includesVlan(bundle, tags);
}

function floodRefusal({ ports }: Bundle): DropReason | undefined {
  const [port] = ports;
  if (port?.noFlood) return 'no flooding to the port';
  return forwards(port?.treeState) ? undefined : 'the spanning tree blocks the output port';
}

/**
 * Sends out of a bundle, tagged as it wants. Where an address was learned its VLAN is not asked for
 * again: configuration that takes a VLAN away forgets what was learned there.
 */
export function outputNormal(
  ctx: XlateContext,
  inBundle: Bundle | undefined,
  bundle: Bundle,
  tags: VlanTags,
  send: (port: OfPort) => void,
): void {
  if (staysProtected(ctx, inBundle, bundle)) return;
  if (bundle.vlanMode !== 'access') lookAtInnerTag(ctx);
  const { flow } = ctx;
  const { vlanTci0, vlanTpid0, vlanTci1, vlanTpid1 } = flow;
  const before = ctx.tags;
  ctx.tags = outputTranslate(bundle, tags, tagsFromStack(before));
  if (bundle.priorityTags !== 'never' && !sameTags(before, ctx.tags)) {
    ctx.wildcards.vlanTci0 = 0xffff;
  }
  const port = bundlePort(ctx, bundle);
  // A bridge behind a patch port may write another tag, which is compared with the one that is gone here.
  if (port?.peer && ctx.tags.length < before.length) lookAtTags(ctx);
  if (port) send(port);
  Object.assign(flow, { vlanTci0, vlanTpid0, vlanTci1, vlanTpid1 });
}

function isVlanType(type: number): boolean {
  return type === ETH_P_8021Q || type === ETH_P_8021AD;
}

/** Ports that are protected from each other exchange nothing, whatever flows say. */
export function staysProtected(ctx: XlateContext, from: Bundle | undefined, to: Bundle): boolean {
  if (!from?.isProtected || !to.isProtected) return false;
  ctx.trace('warn', 'Flow is between protected ports, skipping output.');
  ctx.drop('both ports are protected', to.ports[0]);
  return true;
}
