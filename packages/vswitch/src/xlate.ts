/**
 * Translation: what to do with a packet, as datapath actions, and which bits of its key the
 * decision looked at. Pure: it reads tables, changes none and sends nothing; what it would change
 * is in `effects`.
 */
import type { OdpAction } from '@heddle/datapath';
import { type Flow, MAC_BROADCAST, VLAN_CFI } from '@heddle/packet';
import type { Bundle, OfPort, Ofproto, XlateConfig } from './ofproto.ts';
import { XlateContext } from './xlate-context.ts';
import { xlateNormal } from './xlate-normal.ts';

/** An address to learn or to keep young. */
export interface LearnEffect {
  readonly bridge: Ofproto;
  readonly vlan: number;
  readonly mac: number;
  readonly bundle: Bundle;
}

export interface XlateEffects {
  readonly learn: LearnEffect[];
  /** Bridges whose flow table the packet passed. */
  readonly tables: Ofproto[];
  /** Patch ports that it left (tx) and entered (rx) by. */
  readonly patches: { readonly from: OfPort; readonly to: OfPort }[];
}

/** An entry of a MAC table that the decision depends on, also when it is not there. */
export interface MacDependency {
  readonly bridge: Ofproto;
  readonly vlan: number;
  readonly mac: number;
}

export interface XlateResult {
  readonly actions: readonly OdpAction[];
  /** Mask of the bits of the datapath's key that the decision looked at. */
  readonly wildcards: Flow;
  /** The same for people: the flow as it was taken and what was looked at of it. */
  readonly seen: { readonly flow: Flow; readonly wildcards: Flow };
  readonly effects: XlateEffects;
  readonly macs: readonly MacDependency[];
  /** Why nothing is sent, when that is so. */
  readonly dropReason: string | undefined;
  /** Trace lines with their depth, when asked for. */
  readonly trace: readonly TraceLine[];
}

export interface TraceLine {
  readonly depth: number;
  readonly kind: 'bridge' | 'table' | 'action' | 'detail' | 'error' | 'warn';
  readonly text: string;
}

export interface XlateOptions {
  /** Record what happens, for people. */
  readonly trace?: boolean;
  /** There is a packet to learn from (the default); without, tables are taken as they are. */
  readonly withPacket?: boolean;
  /** Where it enters, when that is not the port that `inPort` of the key tells. */
  readonly entry?: { readonly bridge: Ofproto; readonly ofport: number };
}

export const MAX_PATCH_DEPTH = 64;

/** Translates a packet that entered the datapath by `flow.inPort`. */
export function xlateActions(
  config: XlateConfig,
  key: Flow,
  options: XlateOptions = {},
): XlateResult {
  const ctx = new XlateContext(config, key, options);
  const { flow, wildcards } = ctx;
  wildcards.inPort = 0xffff_ffff;
  wildcards.recircId = 0xffff_ffff;
  // Whether there is a tag is part of what type the packet is of.
  wildcards.dlType = 0xffff;
  wildcards.vlanTci0 = VLAN_CFI;
  if (flow.dlType === 0x0800 || flow.dlType === 0x86dd) wildcards.nwFrag = 0xff;
  const { entry } = options;
  const port = entry ? entry.bridge.ports.get(entry.ofport) : config.portOf(flow.inPort);
  if (flow.recircId !== 0) ctx.drop('unknown recirculation');
  else if (port) xlateTable(ctx, port, 0);
  else if (entry) xlateUnknownPort(ctx, entry.bridge, entry.ofport);
  else ctx.drop('no such port in any bridge');
  return ctx.result();
}

/** The flow table of the bridge that the packet is in. */
export function xlateTable(ctx: XlateContext, inPort: OfPort, depth: number): void {
  if (!lookUp(ctx, inPort.bundle.bridge, depth)) return;
  xlateNormal(ctx, inPort, depth, (port) => outputTo(ctx, port, depth));
}

/** Whether the table's flow, which there is at most one of, says NORMAL. */
function lookUp(ctx: XlateContext, bridge: Ofproto, depth: number): boolean {
  ctx.effects.tables.push(bridge);
  ctx.trace(depth, 'bridge', `bridge("${bridge.name}")`);
  if (!bridge.hasNormalFlow) {
    // Open vSwitch shows its hidden table's miss where the packet came by a patch port.
    ctx.trace(depth, 'table', depth > 0 ? ' 0. reg0=0x2, priority 0' : ' 0. No match.');
    ctx.trace(depth, 'action', 'drop');
    ctx.drop('no flow of the bridge matches');
    return false;
  }
  ctx.trace(depth, 'table', ' 0. priority 0');
  ctx.trace(depth, 'action', 'NORMAL');
  return true;
}

function xlateUnknownPort(ctx: XlateContext, bridge: Ofproto, ofport: number): void {
  if (!lookUp(ctx, bridge, 0)) return;
  ctx.wildcards.dlSrc = MAC_BROADCAST;
  ctx.wildcards.dlDst = MAC_BROADCAST;
  ctx.trace(0, 'error', `received packet on unknown port ${ofport}`);
  ctx.trace(0, 'warn', 'no input bundle, dropping');
  ctx.drop('no such port in the bridge');
}

/** Sends the packet out of a port in its present form, or on into the peer's bridge. */
function outputTo(ctx: XlateContext, port: OfPort, depth: number): void {
  if (!port.mayEnable) {
    ctx.trace(depth, 'detail', `bridge port ${port.name} is down`);
    return;
  }
  if (port.peer) {
    if (depth >= MAX_PATCH_DEPTH) {
      ctx.trace(depth, 'error', 'over max translation depth 64');
      ctx.drop('patch ports form a loop');
      return;
    }
    ctx.effects.patches.push({ from: port, to: port.peer });
    const saved = ctx.tags;
    xlateTable(ctx, port.peer, depth + 1);
    ctx.tags = saved;
    return;
  }
  if (port.odpPort !== undefined) ctx.output(port.odpPort);
}
