/** ofproto/list-tunnels, tnl/* and ovs/route/* (ovs-vswitchd(8)). */
import { sourcePorts } from '@heddle/datapath';
import { formatMac, parseIpv4, parseIpv6, parseMac } from '@heddle/packet';
import { UnixctlError, type UnixctlServer } from '@heddle/runtime';
import type { Switch } from '../switch.ts';
import { formatAddress, parseAddress } from '../tunnel/config.ts';
import { MAX_AGING_S } from '../tunnel/neighbours.ts';
import { tunnelLine } from '../tunnel/ports.ts';
import { networkOf, type RouteLine } from '../tunnel/routes.ts';

export function registerTunnel(server: UnixctlServer, sw: Switch): void {
  server.register('ofproto/list-tunnels', '', 0, 0, () =>
    [...sw.backers.values()]
      .flatMap(({ tunnels }) => [...tunnels.entries()])
      .map((entry) => `${tunnelLine(entry)}\n`)
      .join(''),
  );
  server.register('tnl/ports/show', '-v', 0, 1, ([verbose]) => {
    const backers = [...sw.backers.values()];
    const lines =
      verbose === '-v'
        ? backers.flatMap(({ native }) => [...(native?.lines() ?? [])])
        : backers
            .flatMap(({ vports }) => vports.list())
            .map((p) => `${p.name} (${p.odpPort}) ref_cnt=${p.users}`);
    return `Listening ports:\n${lines.map((l) => `${l}\n`).join('')}`;
  });
  server.register('tnl/egress_port_range', 'min max', 0, 2, ([min, max]) => {
    if (min === undefined || max === undefined) {
      return `Tunnel UDP source port range: ${sourcePorts.min}-${sourcePorts.max}\n`;
    }
    const [from, to] = [portNumber(min), portNumber(max)];
    // No errors to Open vSwitch, either.
    if (from === undefined) return 'Invalid min.\n';
    if (to === undefined) return 'Invalid max.\n';
    sourcePorts.min = Math.min(from, to);
    sourcePorts.max = Math.max(from, to);
    return 'OK\n';
  });
  registerRoutes(server, sw);
  for (const name of ['tnl/neigh', 'tnl/arp']) registerNeighbours(server, sw, name);
}

function registerNeighbours(server: UnixctlServer, sw: Switch, prefix: string): void {
  server.register(`${prefix}/show`, '', 0, 0, () => {
    const head = 'IP                                            MAC                 Bridge\n';
    const lines = neighboursOf(sw).map(
      (n) => `${n.address.padEnd(46)}${n.mac.padEnd(20)}${n.device}\n`,
    );
    return `${head}${'='.repeat(74)}\n${lines.join('')}`;
  });
  server.register(`${prefix}/set`, 'BRIDGE IP MAC', 3, 3, ([device, address, text]) => {
    const ip = parseAddress(address!);
    if (!ip) throw new UnixctlError('bad IP address');
    const mac = parseMac(text!);
    if (mac === undefined) throw new UnixctlError('bad MAC address');
    if (hasNative(sw)) sw.neighbours.set(device!, formatAddress(ip), mac);
    if (hasRouted(sw) && !sw.routes.setNeighbour(device!, address!, text!) && !hasNative(sw)) {
      throw new UnixctlError('no such device');
    }
    return 'OK\n';
  });
  server.register(`${prefix}/flush`, '', 0, 0, () => {
    sw.neighbours.flush();
    return 'OK\n';
  });
  server.register(`${prefix}/aging`, '[SECS]', 0, 1, ([seconds]) => {
    const { neighbours } = sw;
    if (seconds === undefined) return `${neighbours.agingMs / 1000}\n`;
    const n = /^[1-9]\d*$/.test(seconds) ? Number(seconds) : 0;
    if (n === 0 || n > MAX_AGING_S) throw new UnixctlError('bad aging value');
    neighbours.agingMs = n * 1000;
    return 'OK\n';
  });
}

/** Whether bridges carry tunnels' packets; whether the host does. */
function hasNative(sw: Switch): boolean {
  return [...sw.backers.values()].some(({ native }) => native !== undefined);
}

function hasRouted(sw: Switch): boolean {
  return [...sw.backers.values()].some(({ native }) => native === undefined);
}

function neighboursOf(sw: Switch): { address: string; mac: string; device: string }[] {
  const own = [...sw.neighbours.entries()].map(({ bridge, address, mac }) => ({
    address,
    mac: formatMac(mac),
    device: bridge,
  }));
  return hasRouted(sw) ? [...own, ...sw.routes.neighbours()] : own;
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
    const route = sw.routes.lookup(address!, requireMark(mark));
    if (!route) throw new UnixctlError('Not found');
    return `src ${route.source}\ngateway ${route.gateway}\ndev ${route.device}\n`;
  });
  const usage = 'ip_addr/prefix_len out_br_name [gw] [pkt_mark=mark]';
  server.register('ovs/route/add', usage, 2, 4, ([address, device, ...rest]) => {
    const prefix = networkOf(address!);
    if (prefix === undefined) throw new UnixctlError('Invalid parameters');
    let gateway: string | undefined;
    let mark = 0;
    for (const [i, word] of rest.entries()) {
      const found = markOf(word);
      const isAddress = i === 0 && (parseIpv4(word) !== undefined || parseIpv6(word) !== undefined);
      if (found !== undefined) mark = found;
      else if (isAddress) gateway = word;
      else throw new UnixctlError(i === 0 ? 'Invalid pkt_mark or gateway' : 'Invalid pkt_mark');
    }
    if (!sw.routes.add(prefix, device!, gateway, mark)) {
      throw new UnixctlError('Error while inserting route.');
    }
    sw.belowChanged();
    return 'OK\n';
  });
  server.register('ovs/route/del', 'ip_addr/prefix_len [pkt_mark=mark]', 1, 2, ([a, mark]) => {
    const prefix = networkOf(a!);
    if (prefix === undefined) throw new UnixctlError('Invalid parameters');
    if (!sw.routes.delete(prefix, requireMark(mark))) throw new UnixctlError('Not found');
    sw.belowChanged();
    return 'OK\n';
  });
}

function portNumber(text: string): number | undefined {
  return /^[1-9]\d*$/.test(text) && Number(text) <= 0xffff ? Number(text) : undefined;
}

function markOf(word: string | undefined): number | undefined {
  const text = /^pkt_mark=(0x[0-9a-f]+|\d+)$/i.exec(word ?? '')?.[1];
  return text === undefined ? undefined : Number(text) >>> 0;
}

function requireMark(word: string | undefined): number {
  if (word === undefined) return 0;
  const mark = markOf(word);
  if (mark === undefined) throw new UnixctlError('Invalid pkt_mark');
  return mark;
}

function routeText(l: RouteLine): string {
  const mark = l.mark === 0 ? '' : ` MARK ${l.mark}`;
  const gateway = l.gateway === undefined ? '' : ` GW ${l.gateway}`;
  const source = l.source === undefined ? '' : ` SRC ${l.source}`;
  const local = l.local ? ' local' : '';
  return `${l.user ? 'User' : 'Cached'}: ${l.prefix}${mark} dev ${l.device}${gateway}${source}${local}`;
}
