import { formatMac, parseMac } from '@heddle/packet';
import { UnixctlError, type UnixctlServer } from '@heddle/runtime';
import { OFPP_LOCAL } from '../ofproto.ts';
import type { Switch } from '../switch.ts';
import { bridgeOf } from './lookup.ts';

/** fdb/*: the MAC learning table (ovs-vswitchd(8), "BRIDGE COMMANDS"). */
export function registerFdb(server: UnixctlServer, sw: Switch): void {
  const all = (name: string | undefined) =>
    name === undefined ? [...sw.bridges.values()] : [bridgeOf(sw, name)];

  server.register('fdb/show', 'bridge', 1, 1, ([name]) => {
    const { macs } = bridgeOf(sw, name!).ofproto;
    const lines = [' port  VLAN  MAC                Age'];
    for (const e of macs.entries()) {
      const port = e.port.ports[0]?.ofport;
      const label = port === OFPP_LOCAL ? 'LOCAL' : String(port ?? '');
      const age = e.isStatic ? ' static' : String(macs.ageSeconds(e)).padStart(5);
      lines.push(
        `${label.padStart(5)}  ${String(e.vlan).padStart(4)}  ${formatMac(e.mac)}${e.isStatic ? ' ' : ''}${age}`,
      );
    }
    return `${lines.join('\n')}\n`;
  });

  server.register('fdb/flush', '[bridge]', 0, 1, ([name]) => {
    for (const bridge of all(name)) bridge.ofproto.macs.flush();
    return 'table successfully flushed\n';
  });

  server.register('fdb/add', 'bridge port vlan mac', 4, 4, ([name, port, vlan, mac]) => {
    const { ofproto } = bridgeOf(sw, name!);
    const found = [...ofproto.ports.values()].find((p) => p.name === port);
    if (!found) throw new UnixctlError('software error, odp port is present but no ofp port');
    const address = parseMac(mac!);
    if (address === undefined) throw new UnixctlError('bad MAC address');
    ofproto.macs.addStatic(vlanArg(vlan!), address, found.bundle);
    return '';
  });

  server.register('fdb/del', 'bridge vlan mac', 3, 3, ([name, vlan, mac]) => {
    const { macs } = bridgeOf(sw, name!).ofproto;
    const address = parseMac(mac!);
    if (address === undefined) throw new UnixctlError('bad MAC address');
    if (!macs.deleteStatic(vlanArg(vlan!), address)) {
      throw new UnixctlError('could not find static mac entry');
    }
    return '';
  });

  server.register('fdb/stats-show', 'bridge', 1, 1, ([name]) => {
    const { macs } = bridgeOf(sw, name!).ofproto;
    const { learned, expired, evicted, moved } = macs.stats;
    return `Statistics for bridge "${name}":
  Current/maximum MAC entries in the table: ${macs.size}/${macs.max}
  Current static MAC entries in the table : ${macs.staticCount}
  Total number of learned MAC entries     : ${learned}
  Total number of expired MAC entries     : ${expired}
  Total number of evicted MAC entries     : ${evicted}
  Total number of port moved MAC entries  : ${moved}
`;
  });

  server.register('fdb/stats-clear', '[bridge]', 0, 1, ([name]) => {
    for (const bridge of all(name)) bridge.ofproto.macs.clearStats();
    return 'statistics successfully cleared\n';
  });
}

function vlanArg(text: string): number {
  const vlan = Number.parseInt(text, 10);
  return Number.isInteger(vlan) ? vlan & 0xffff : 0;
}
