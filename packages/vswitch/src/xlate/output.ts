/** Where packets go: ports, patch ports, controllers. */
import type { OdpAction } from '@heddle/datapath';
import {
  OFPP_ALL,
  OFPP_CONTROLLER,
  OFPP_FLOOD,
  OFPP_IN_PORT,
  OFPP_NONE,
  OFPP_NORMAL,
  OFPP_TABLE,
} from '@heddle/openflow';
import {
  OFPR_ACTION,
  OFPR_ACTION_SET,
  OFPR_GROUP,
  OFPR_PACKET_OUT,
} from '@heddle/openflow/msgs/packet-in-reason';
import { ETH_P_IP, ETH_P_IPV6, MAC_BROADCAST } from '@heddle/packet';
import type { OfPort } from '../ofproto.ts';
import { isBpdu } from '../spanning-tree/match.ts';
import { forwards } from '../spanning-tree/tree.ts';
import type { XlateContext } from './context.ts';
import { sendToController } from './controller.ts';
import { exportDeparture, noteFlood, noteOutput } from './export.ts';
import { mirrorDeparture } from './mirror.ts';
import { receiveNative } from './native-tunnel.ts';
import { staysProtected, xlateNormal } from './normal.ts';
import { enterPeer } from './patch.ts';
import { sendToTunnel } from './tunnel.ts';

/** `maxLen` is for the controller; 0: cut to nothing. */
export function outputAction(
  ctx: XlateContext,
  port: number,
  maxLen: number,
  isLast: boolean,
): void {
  switch (port) {
    case OFPP_IN_PORT:
      outputTo(ctx, ctx.flow.inPort);
      return;
    case OFPP_TABLE:
      ctx.engine.runTable(ctx, { tableId: 0, isLast, mayPacketIn: true });
      return;
    case OFPP_NORMAL:
      xlateNormal(ctx, (to) => {
        noteOutput(ctx, to.ofport);
        sendOut(ctx, to);
      });
      return;
    case OFPP_FLOOD:
      flood(ctx, (p) => !p.noFlood);
      return;
    case OFPP_ALL:
      flood(ctx, () => true, sendOutAnyway);
      return;
    case OFPP_CONTROLLER:
      sendToController(ctx, {
        reason: reasonOf(ctx),
        maxLen,
        controllerId: 0,
        userdata: undefined,
        pause: false,
        meter: undefined,
      });
      return;
    case OFPP_NONE:
      return;
    default:
      if (port !== ctx.flow.inPort) outputTo(ctx, port);
      else {
        ctx.trace('warn', 'skipping output to input port');
        ctx.drop('the only output is the input port', ctx.inPort);
      }
  }
}

function reasonOf(ctx: XlateContext): number {
  if (ctx.options.isPacketOut) return OFPR_PACKET_OUT;
  if (ctx.isInBucket) return OFPR_GROUP;
  return ctx.isInActionSet ? OFPR_ACTION_SET : OFPR_ACTION;
}

function flood(ctx: XlateContext, wanted: (port: OfPort) => boolean, send = sendOut): void {
  noteFlood(ctx);
  const ports = [...ctx.bridge.ports.values()].sort((a, b) => a.ofport - b.ofport);
  for (const port of ports) {
    if (port.ofport === ctx.flow.inPort) continue;
    if (wanted(port)) send(ctx, port);
    else ctx.pass('no flooding to the port', port);
  }
}

/** Sends to a port by number, the input port, too. */
export function outputTo(ctx: XlateContext, ofport: number): void {
  noteOutput(ctx, ofport);
  const port = ctx.bridge.ports.get(ofport);
  if (port) sendOut(ctx, port);
  else {
    ctx.trace('warn', 'Nonexistent output port');
    ctx.drop('no such port');
  }
}

/** Sends the packet out of a port in its present form, or on into the peer's bridge. */
export function sendOut(ctx: XlateContext, port: OfPort): void {
  if (forwards(port.treeState) || isOwnBpdu(ctx)) {
    sendOutAnyway(ctx, port);
    return;
  }
  const protocol = ctx.bridge.tree?.kind.toUpperCase();
  ctx.trace('warn', `${protocol} not in forwarding state, skipping output`);
  ctx.drop('the spanning tree blocks the output port', port);
}

/** A BPDU of this switch: others' do not get as far as here. */
function isOwnBpdu(ctx: XlateContext): boolean {
  ctx.wildcards.dlDst = MAC_BROADCAST;
  return isBpdu(ctx.flow);
}

/** As `sendOut`, whatever the spanning tree says. */
function sendOutAnyway(ctx: XlateContext, port: OfPort): void {
  if (port.noForward) {
    ctx.trace('detail', 'OFPPC_NO_FWD set, skipping output');
    ctx.drop('the port sends no packets', port);
    return;
  }
  // The device drops what it cannot send: as upstream's, megaflows go on naming it meanwhile.
  if (!port.mayEnable) ctx.pass('the port is down', port);
  if (staysProtected(ctx, ctx.inPort?.bundle, port.bundle)) return;
  const { native } = ctx.config;
  if (
    !port.peer &&
    ctx.flow.packetType !== 0 &&
    (!native || port.tunnel?.packetType !== 'legacy_l3')
  ) {
    const text = 'Trying to send non-Ethernet packet through legacy L2 port. Dropping packet.';
    ctx.trace('warn', text);
    ctx.drop('the port carries Ethernet frames alone');
    return;
  }
  if (ctx.snaplen !== 0 && port.odpPort === undefined) {
    ctx.trace('warn', 'Mirror truncate to ODPP_NONE, skipping output');
    return;
  }
  if (port.peer) {
    enterPeer(ctx, port, port.peer);
    return;
  }
  if (port.odpPort !== undefined) exportDeparture(ctx, port, port.odpPort);
  const before = ctx.odpActions.length;
  if (port.odpPort === undefined) ctx.drop('the port has neither device nor peer', port);
  else if (native && receiveNative(ctx, native, port)) return;
  else if (port.tunnel) sendToTunnel(ctx, port, port.tunnel);
  else outputMarked(ctx, port, port.odpPort);
  if (ctx.options.observe && port.mayEnable && ctx.odpActions.slice(before).some(leaves)) {
    const { flow, mirror } = ctx;
    ctx.options.observe({ type: 'output', port, flow, mirror });
  }
  mirrorDeparture(ctx, port);
}

/** A tunnel without route or next hop lets nothing out. */
function leaves({ type }: OdpAction): boolean {
  return type === 'output' || type === 'clone' || type === 'tnl_push';
}

/** Traffic of a queue may be marked on its way out (ovs-vswitchd.conf.db(5), Queue, `dscp`). */
function outputMarked(ctx: XlateContext, port: OfPort, odpPort: number): void {
  const { flow, wildcards, written } = ctx;
  if (port.queueTos.size > 0) wildcards.skbPriority = 0xffff_ffff;
  const tos = port.queueTos.get(flow.skbPriority);
  if (tos === undefined || (flow.dlType !== ETH_P_IP && flow.dlType !== ETH_P_IPV6)) {
    ctx.output(odpPort);
    return;
  }
  const before = flow.nwTos;
  wildcards.nwTos |= IP_DSCP_MASK;
  written.nwTos |= IP_DSCP_MASK;
  flow.nwTos = (before & ~IP_DSCP_MASK) | tos;
  ctx.output(odpPort);
  flow.nwTos = before;
}

const IP_DSCP_MASK = 0xfc;
