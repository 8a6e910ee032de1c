/**
 * Answers to DHCP requests reach the local port whatever flows make of them, as the bridge may have
 * to be reached by the address that they give (Open vSwitch's "Design Decisions", "In-Band Control").
 */
import type { OdpAction } from '@heddle/datapath';
import { OFPP_LOCAL } from '@heddle/openflow';
import { ETH_P_IP, IPPROTO_UDP } from '@heddle/packet';
import type { XlateContext } from '../xlate/context.ts';

const DHCP_SERVER_PORT = 67;
const DHCP_CLIENT_PORT = 68;

/** When the tables are through: sends to the local port what they have not. */
export function deliverDhcp(ctx: XlateContext): void {
  const local = ctx.bridge.ports.get(OFPP_LOCAL);
  if (!ctx.bridge.isInBand || local?.odpPort === undefined || !isDhcpReply(ctx)) return;
  const { odpPort } = local;
  if (ctx.odpActions.some((act) => isOutputTo(act, odpPort))) return;
  ctx.trace('closing', 'outputting DHCP packet to local port for in-band control');
  ctx.engine.sendOut(ctx, local);
}

function isOutputTo(act: OdpAction, odpPort: number): boolean {
  return act.type === 'output' && act.port === odpPort;
}

/** Looks at no more of ports than it takes to tell them from DHCP's. */
function isDhcpReply({ initial, wildcards }: XlateContext): boolean {
  if (initial.dlType !== ETH_P_IP) return false;
  wildcards.nwProto = 0xff;
  if (initial.nwProto !== IPPROTO_UDP) return false;
  wildcards.tpSrc |= tellingBits(initial.tpSrc, DHCP_SERVER_PORT);
  if (initial.tpSrc !== DHCP_SERVER_PORT) return false;
  wildcards.tpDst |= tellingBits(initial.tpDst, DHCP_CLIENT_PORT);
  return initial.tpDst === DHCP_CLIENT_PORT;
}

/** The first bit that differs, and those before it; all where none does. */
function tellingBits(value: number, port: number): number {
  const same = Math.clz32(value ^ port) - 16;
  return same >= 16 ? 0xffff : 0xffff & ~(0x7fff >>> same);
}
