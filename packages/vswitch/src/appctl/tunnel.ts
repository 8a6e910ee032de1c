/** ofproto/list-tunnels, tnl/* and ovs/route/* (ovs-vswitchd(8)). */
import { parseIpv4, parseIpv6, parseMac } from '@heddle/packet';
import { UnixctlError, type UnixctlServer } from '@heddle/runtime';
import type { Switch } from '../switch.ts';
import { tunnelLine } from '../tunnel/ports.ts';
import { networkOf, type RouteLine } from '../tunnel/routes.ts';

export function registerTunnel(server: UnixctlServer, sw: Switch): void {
  server.register('ofproto/list-tunnels', '', 0, 0, () =>
    [...sw.backers.values()]
      .flatMap(({ tunnels }) => [...tunnels.entries()])
      .map((entry) => `${tunnelLine(entry)}\n`)
      .join(''),
  );
  server.register('tnl/ports/show', '-v', 0, 1, () => {
    const ports = [...sw.backers.values()].flatMap(({ vports }) => vports.list());
    const lines = ports.map((p) => `${p.name} (${p.odpPort}) ref_cnt=${p.users}\n`);
    return `Listening ports:\n${lines.join('')}`;
  });
  registerRoutes(server, sw);
  for (const name of ['tnl/neigh', 'tnl/arp']) registerNeighbours(server, sw, name);
}

function registerNeighbours(server: UnixctlServer, sw: Switch, prefix: string): void {
  server.register(`${prefix}/show`, '', 0, 0, () => {
    const head = 'IP                                            MAC                 Bridge\n';
    const lines = sw.routes
      .neighbours()
      .map((n) => `${n.address.padEnd(46)}${n.mac.padEnd(20)}${n.device}\n`);
    return `${head}${'='.repeat(74)}\n${lines.join('')}`;
  });
  server.register(`${prefix}/set`, 'BRIDGE IP MAC', 3, 3, ([device, address, mac]) => {
    if (parseIpv4(address!) === undefined && !parseIpv6(address!)) {
      throw new UnixctlError('bad IP address');
    }
    if (parseMac(mac!) === undefined) throw new UnixctlError('bad MAC address');
    if (!sw.routes.setNeighbour(device!, address!, mac!)) throw new UnixctlError('no such device');
    return 'OK';
  });
}

function registerRoutes(server: UnixctlServer, sw: Switch): void {
  server.register('ovs/route/show', '', 0, 0, () => {
    return `Route Table:\n${sw.routes
      .lines()
      .map((line) => `${routeText(line)}\n`)
      .join('')}`;
  });
  server.register('ovs/route/lookup', 'ip_addr [pkt_mark=mark]', 1, 2, ([address, mark]) => {
    if (parseIpv4(address!) === undefined && !parseIpv6(address!)) {
      throw new UnixctlError('Invalid parameters');
    }
    const route = sw.routes.lookup(address!, markOf(mark) ?? 0);
    if (!route) throw new UnixctlError('Not found');
    return `src ${route.source}\ngateway ${route.gateway}\ndev ${route.device}\n`;
  });
  const usage = 'ip_addr/prefix_len out_br_name [gw] [pkt_mark=mark]';
  server.register('ovs/route/add', usage, 2, 4, ([address, device, ...rest]) => {
    const prefix = networkOf(address!);
    if (prefix === undefined) throw new UnixctlError('Invalid parameters');
    let gateway: string | undefined;
    let mark = 0;
    for (const word of rest) {
      const found = markOf(word);
      if (found !== undefined) mark = found;
      else if (parseIpv4(word) !== undefined || parseIpv6(word)) gateway = word;
      else throw new UnixctlError('Invalid pkt_mark or IP gateway');
    }
    if (!sw.routes.add(prefix, device!, gateway, mark)) {
      throw new UnixctlError('Error while inserting route.');
    }
    return 'OK';
  });
  server.register('ovs/route/del', 'ip_addr/prefix_len [pkt_mark=mark]', 1, 2, ([a, mark]) => {
    const prefix = networkOf(a!);
    if (prefix === undefined) throw new UnixctlError('Invalid parameters');
    if (!sw.routes.delete(prefix, markOf(mark) ?? 0)) throw new UnixctlError('Not found');
    return 'OK';
  });
}

function markOf(word: string | undefined): number | undefined {
  const text = /^pkt_mark=(0x[0-9a-f]+|\d+)$/i.exec(word ?? '')?.[1];
  return text === undefined ? undefined : Number(text) >>> 0;
}

function routeText(l: RouteLine): string {
  const mark = l.mark === 0 ? '' : ` MARK ${l.mark}`;
  const gateway = l.gateway === undefined ? '' : ` GW ${l.gateway}`;
  const source = l.source === undefined ? '' : ` SRC ${l.source}`;
  const local = l.local ? ' local' : '';
  return `${l.user ? 'User' : 'Cached'}: ${l.prefix}${mark} dev ${l.device}${gateway}${source}${local}`;
}
