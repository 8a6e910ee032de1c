/** Packets of protocols that the switch itself speaks, whatever the flow tables say. */
import { takesBfd } from '../bfd/match.ts';
import { takesCfm } from '../cfm/match.ts';
import { ETH_P_SLOW } from '../lacp/pdu.ts';
import { ETH_P_LLDP } from '../lldp/pdu.ts';
import type { OfPort } from '../ofproto.ts';
import { takesBpdu } from '../spanning-tree/match.ts';
import type { XlateContext } from './context.ts';

/** A packet for the switch: of which protocol, and where it came in. */
export interface ProtocolPacket {
  readonly protocol: 'cfm' | 'bfd' | 'lacp' | 'stp' | 'lldp';
  readonly port: OfPort;
}

/** Whether a port's packets are of a protocol; what was looked at is in the wildcards. */
type Taker = (port: OfPort, ctx: XlateContext) => boolean;

/** In the order in which Open vSwitch asks them. */
const TAKERS: readonly (readonly [ProtocolPacket['protocol'], Taker])[] = [
  ['cfm', ({ cfm }, { flow, wildcards }) => cfm !== undefined && takesCfm(cfm, flow, wildcards)],
  ['bfd', ({ bfd }, { flow, wildcards }) => bfd !== undefined && takesBfd(bfd, flow, wildcards)],
  ['lacp', ({ bundle }, { flow }) => bundle.lacp !== undefined && flow.dlType === ETH_P_SLOW],
  ['stp', ({ bundle }, { flow, wildcards }) => takesBpdu(bundle.bridge, flow, wildcards)],
  ['lldp', ({ lldp }, { flow }) => lldp !== undefined && flow.dlType === ETH_P_LLDP],
];

/** Whether the packet is for the switch, which gets every one of its kind. */
export function takeProtocol(ctx: XlateContext): boolean {
  const port = ctx.inPort;
  if (!port) return false;
  const protocol = protocolOf(port, ctx);
  if (protocol === undefined) return false;
  ctx.slow.add(protocol);
  ctx.protocols.push({ protocol, port });
  ctx.drop(`the switch takes it: ${protocol.toUpperCase()}`, port);
  return true;
}

function protocolOf(port: OfPort, ctx: XlateContext): ProtocolPacket['protocol'] | undefined {
  for (let i = 0; i < TAKERS.length; i++) {
    const taker = TAKERS[i]!;
    if (taker[1](port, ctx)) return taker[0];
  }
  return undefined;
}
