/** Where a packet comes out, and whether the devices there can take it. */
import type { Flow } from '@heddle/packet';
import type { OfPort } from '../ofproto.ts';
import { tagsOf } from '../xlate/tags.ts';
import type { ExplainEnv } from './env.ts';
import { eventsOf, type Packet, type Walk } from './walk.ts';

const ETH_HEADER_BYTES = 14;
const VLAN_HEADER_BYTES = 4;

export interface Delivery {
  readonly port: OfPort;
  /** The packet as it leaves. */
  readonly flow: Flow;
  /** The device's MTU, when the packet is longer. */
  readonly exceeds: number | undefined;
  readonly carrier: boolean;
  /** The mirror whose copy it is. */
  readonly mirror: string | undefined;
}

/** `mtus` stands for what devices would have after an edit. */
export function deliveries(
  walk: Walk,
  packet: Packet,
  env: ExplainEnv,
  mtus: ReadonlyMap<string, number> = new Map(),
): Delivery[] {
  return eventsOf(walk, 'output').map(({ port, flow, mirror }) => {
    const link = env.link(port.name);
    const mtu = mtus.get(port.name) ?? link?.mtu;
    const size = payloadBytes(packet);
    const exceeds = mtu !== undefined && size !== undefined && size > mtu ? mtu : undefined;
    return { port, flow, exceeds, carrier: link?.carrier ?? true, mirror };
  });
}

/** What an MTU limits: all behind the Ethernet header, of tags the outer does not count. */
export function payloadBytes({ flow, length }: Packet): number | undefined {
  if (length === undefined) return undefined;
  return length - ETH_HEADER_BYTES - (tagsOf(flow).length > 0 ? VLAN_HEADER_BYTES : 0);
}
