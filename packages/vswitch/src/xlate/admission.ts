/** Whether a packet that has come in by a port is for the flow tables of its bridge. */
import { type Flow, MAC_BROADCAST } from '@heddle/packet';
import { BRIDGE_GROUP_MAC } from '../spanning-tree/bpdu.ts';
import { forwards, learns } from '../spanning-tree/tree.ts';
import type { XlateContext } from './context.ts';
import { mirrorArrival } from './mirror.ts';
import { takeProtocol } from './protocols.ts';

/** Protocols of the switch come first, then the port's configuration, then the spanning tree. */
export function admits(ctx: XlateContext, byPatch: boolean): boolean {
  if (takeProtocol(ctx)) {
    if (!byPatch) mirrorArrival(ctx);
    return false;
  }
  if (!mayReceive(ctx)) return false;
  const { inPort } = ctx;
  if (inPort && !learns(inPort.treeState)) {
    ctx.drop('the spanning tree blocks the input port', inPort);
    return false;
  }
  return byPatch || mirrorArrival(ctx);
}

/** What the port's configuration says, which knows BPDUs apart (ovs-ofctl(8), mod-port). */
export function mayReceive(ctx: XlateContext): boolean {
  const { inPort, flow, wildcards } = ctx;
  if (!inPort) return true;
  const { noReceive, noReceiveStp } = inPort;
  if (noReceive !== noReceiveStp) wildcards.dlDst = MAC_BROADCAST;
  if (!(flow.dlDst === BRIDGE_GROUP_MAC ? noReceiveStp : noReceive)) return true;
  ctx.drop('the port takes no packets', inPort);
  return false;
}

/** How much a translation has to send by now, and the packet as that has made it. */
export interface Outputs {
  readonly base: Flow;
  readonly actions: number;
  readonly patches: number;
  readonly mirrors: number;
  readonly bonds: number;
  readonly forks: number;
}

/** Of a packet that came in by a port which only learns; others may be sent. */
export function outputsSoFar(ctx: XlateContext): Outputs | undefined {
  const { odpActions, effects, forks, inPort, base } = ctx;
  if (!inPort || forwards(inPort.treeState)) return undefined;
  const { patches, mirrors, bonds } = effects;
  return {
    base: base.clone(),
    actions: odpActions.length,
    patches: patches.length,
    mirrors: mirrors.length,
    bonds: bonds.length,
    forks: forks.length,
  };
}

/** A port that only learns has had its packet looked at, and that is all. */
export function takeBack(ctx: XlateContext, before: Outputs): void {
  const { inPort, effects } = ctx;
  ctx.base = before.base;
  ctx.odpActions.length = before.actions;
  effects.patches.length = before.patches;
  effects.mirrors.length = before.mirrors;
  effects.bonds.length = before.bonds;
  ctx.forks.length = before.forks;
  ctx.drop('the spanning tree has the input port learn only', inPort);
}
