/**
 * Tunnels of a datapath whose bridges carry their packets: where these leave, and which frames for
 * the host are theirs.
 */
import { type DpPort, isTunnelVport, type OdpPort } from '@heddle/datapath';
import {
  ETH_P_IP,
  ETH_P_IPV6,
  type Flow,
  formatMac,
  IPPROTO_GRE,
  IPPROTO_UDP,
  MAC_BROADCAST,
  parseMac,
} from '@heddle/packet';
import { OFPP_LOCAL, type OfPort } from '../ofproto.ts';
import { formatAddress, isIpv6, parseAddress, type TunnelAddress } from './config.ts';
import type { NeighbourTable } from './neighbours.ts';
import type { TunnelRoutes } from './routes.ts';

const LATER_FRAGMENT = 2;
const ANY_FRAGMENT = 3;

export interface NativeRoute {
  /** The local port of the bridge that the packet enters. */
  readonly port: OfPort;
  readonly mac: number;
  readonly source: TunnelAddress;
  readonly nextHop: TunnelAddress;
}

interface Endpoint {
  readonly mac: number;
  readonly addresses: readonly TunnelAddress[];
}

export interface NativeEnv {
  readonly routes: Pick<TunnelRoutes, 'lookup' | 'asksForMark' | 'isLocal' | 'addressesOf'>;
  readonly neighbours: NeighbourTable;
  /** Local ports of the datapath's bridges. */
  localPorts(): Iterable<OfPort>;
  macOf(device: string): string | undefined;
  vports(): Iterable<DpPort>;
  /** Asks by ARP or neighbour discovery who has `target`. */
  solicit(port: OfPort, mac: number, source: TunnelAddress, target: TunnelAddress): void;
}

export class NativeTunnels {
  readonly #env: NativeEnv;
  #endpoints: readonly Endpoint[] | undefined;

  constructor(env: NativeEnv) {
    this.#env = env;
  }

  get neighbours(): NeighbourTable {
    return this.#env.neighbours;
  }

  /** Addresses of bridges' devices may be others now; true: they are. */
  refresh(): boolean {
    const text = (list: readonly Endpoint[] | undefined) =>
      list?.map((e) => `${e.mac} ${e.addresses.map(formatAddress).join(' ')}`).join('\n');
    const before = text(this.#endpoints);
    this.#endpoints = this.#read();
    return before !== undefined && before !== text(this.#endpoints);
  }

  #read(): Endpoint[] {
    const endpoints: Endpoint[] = [];
    for (const port of this.#env.localPorts()) {
      const mac = parseMac(this.#env.macOf(port.name) ?? '');
      const addresses = this.#env.routes.addressesOf(port.name).flatMap((a) => {
        const parsed = parseAddress(a.split('/')[0]!);
        return parsed ? [parsed] : [];
      });
      if (mac !== undefined && addresses.length > 0) endpoints.push({ mac, addresses });
    }
    return endpoints;
  }

  get #all(): readonly Endpoint[] {
    this.#endpoints ??= this.#read();
    return this.#endpoints;
  }

  /** Whether `route` looks at the mark. */
  get asksForMark(): boolean {
    return this.#env.routes.asksForMark;
  }

  /**
   * The way to `to`. A `from` that is set must be an address of the host, and of the same family; one of
   * IPv6 that is not is passed over, as Open vSwitch does.
   */
  route(to: TunnelAddress, from: TunnelAddress, mark: number): NativeRoute | undefined {
    const found = this.#env.routes.lookup(formatAddress(to), mark);
    const source = found && parseAddress(found.source);
    if (!found || !source) return undefined;
    const isSet = from.some((b) => b !== 0);
    const isAlike = isIpv6(from) === isIpv6(to);
    const isOwn = isSet && isAlike && this.#env.routes.isLocal(formatAddress(from));
    if (!isOwn && isSet && !isIpv6(from)) return undefined;
    const port = [...this.#env.localPorts()].find((p) => p.name === found.device);
    const mac = parseMac(this.#env.macOf(found.device) ?? '');
    if (!port || mac === undefined) return undefined;
    const gateway = found.gateway === '::' ? undefined : parseAddress(found.gateway);
    return { port, mac, source: isOwn ? from : source, nextHop: gateway ?? to };
  }

  solicit({ port, mac, source, nextHop }: NativeRoute): void {
    if (!this.neighbours.maySolicit(port.name, formatAddress(nextHop))) return;
    this.#env.solicit(port, mac, source, nextHop);
  }

  /** Whether there are tunnels that would need to know of neighbours. */
  get isInUse(): boolean {
    if (this.#all.length === 0) return false;
    for (const port of this.#env.vports()) if (isTunnelVport(port.type)) return true;
    return false;
  }

  /** The tunnel port that such a frame is for; marks in `wildcards` what that depended on. */
  listener(flow: Flow, wildcards: Flow): OdpPort | undefined {
    const vports = [...this.#env.vports()].filter((p) => isTunnelVport(p.type));
    const endpoints = this.#all;
    if (vports.length === 0 || endpoints.length === 0) return undefined;
    wildcards.dlDst = MAC_BROADCAST;
    const own = endpoints.filter(({ mac }) => mac === flow.dlDst);
    const isV4 = flow.dlType === ETH_P_IP;
    if (own.length === 0 || (!isV4 && flow.dlType !== ETH_P_IPV6)) return undefined;
    const family = own.flatMap((e) => e.addresses.filter((a) => isIpv6(a) !== isV4));
    if (family.length === 0) return undefined;
    if (isV4) wildcards.nwDst = 0xffff_ffff;
    else wildcards.ipv6Dst.fill(0xff);
    const to = isV4 ? v4(flow.nwDst) : flow.ipv6Dst;
    wildcards.nwProto = 0xff;
    wildcards.nwFrag = ANY_FRAGMENT;
    if (!family.some((a) => a.every((b, i) => b === to[i])) || flow.nwFrag !== 0) return undefined;
    // As in Open vSwitch, one of the two has all of GRE: the one that was there first.
    if (flow.nwProto === IPPROTO_GRE) return vports.find(isGre)?.portNo;
    if (flow.nwProto !== IPPROTO_UDP || (flow.nwFrag & LATER_FRAGMENT) !== 0) return undefined;
    if (vports.every(isGre)) return undefined;
    wildcards.tpDst = 0xffff;
    return vports.find((p) => !isGre(p) && p.dstPort === flow.tpDst)?.portNo;
  }

  /** `tnl/ports/show -v`: which frames are for which port. */
  *lines(): Iterable<string> {
    const all = [...this.#env.vports()].filter((p) => isTunnelVport(p.type));
    const hasGre = all.some(({ type }) => type === 'gre');
    const vports = all.filter(({ type }) => !hasGre || type !== 'gre-l3');
    for (const { mac, addresses } of this.#all) {
      for (const address of addresses) {
        for (const port of vports) {
          const [name, type] = isIpv6(address) ? ['ipv6', '86dd'] : ['ipv4', '0800'];
          const proto = isGre(port) ? IPPROTO_GRE : IPPROTO_UDP;
          const ip = `${name}(dst=${formatAddress(address)},proto=${proto},frag=no)`;
          const udp = isGre(port) ? '' : `,udp(dst=${port.dstPort})`;
          yield `${port.name} (${port.portNo}) : eth(dst=${formatMac(mac)}),eth_type(0x${type}),${ip}${udp}`;
        }
      }
    }
  }
}

function isGre({ type }: DpPort): boolean {
  return type === 'gre' || type === 'gre-l3' || type === 'erspan';
}

function v4(address: number): Uint8Array {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(0, address);
  return bytes;
}

export function isLocalPort({ ofport }: OfPort): boolean {
  return ofport === OFPP_LOCAL;
}
