/** What lies below tunnels whose packets bridges carry: addresses, routes and neighbours. */
import type { Random } from '@heddle/datapath/oracle/random-frame';
import { formatMac } from '@heddle/packet';
import { OFPP_LOCAL, type Ofproto } from '../ofproto.ts';
import type { TunnelType } from '../tunnel/config.ts';
import { NativeTunnels } from '../tunnel/native.ts';
import { NeighbourTable } from '../tunnel/neighbours.ts';
import { MACS } from './random-switch.ts';

/** The port of the datapath that tunnels share. */
export const NATIVE_VPORT = 30;

/** They go by the last of the bridges. */
export function randomNative(
  r: Random,
  bridges: readonly Ofproto[],
  type: TunnelType,
): NativeTunnels {
  const below = bridges.at(-1)!;
  const addresses = ['10.0.0.1', 'fe80::1', 'fc00::1'];
  const neighbours = new NeighbourTable(() => 0);
  for (const address of ['10.0.0.9', '10.0.0.8', '10.0.1.5', 'fc00::9', '192.168.0.1']) {
    if (r.chance(80)) neighbours.set(below.name, address, r.pick(MACS));
  }
  const source = (to: string): string => (to.includes(':') ? 'fc00::1' : '10.0.0.1');
  const mac = formatMac(MACS[0]!);
  const dstPort = r.pick([80, 1000]);
  const vport = { portNo: NATIVE_VPORT, name: 'vport', type, dstPort };
  const asksForMark = r.chance(50);
  return new NativeTunnels({
    routes: {
      lookup: (to, mark) =>
        asksForMark && mark === 1
          ? undefined
          : { device: below.name, source: source(to), gateway: '::' },
      asksForMark,
      isLocal: (address) => addresses.includes(address),
      addressesOf: (device) => (device === below.name ? addresses.map((a) => `${a}/24`) : []),
    },
    neighbours,
    localPorts: () => [below.ports.get(OFPP_LOCAL)!],
    macOf: () => mac,
    vports: () => [vport],
    solicit: () => {},
  });
}
