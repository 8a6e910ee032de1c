/** Packets of protocols that the switch itself speaks, whatever the flow tables say. */
import { ETH_P_SLOW } from './lacp/pdu.ts';
import type { OfPort } from './ofproto.ts';
import type { XlateContext } from './xlate-context.ts';

/** A packet for the switch: of which protocol, and where it came in. */
export interface ProtocolPacket {
  readonly protocol: 'lacp';
  readonly port: OfPort;
}

/** Whether the packet is for the switch, which gets every one of its kind. */
export function takeProtocol(ctx: XlateContext): boolean {
  const port = ctx.inPort;
  if (!port?.bundle.lacp || ctx.flow.dlType !== ETH_P_SLOW) return false;
  ctx.slow.add('lacp');
  ctx.protocol = { protocol: 'lacp', port };
  ctx.drop('the switch takes it: LACP');
  return true;
}
