/** The ways that tunnels' packets go: the kernel's, after those that ovs/route/add has told of. */
import type { DummyNetdevs } from '@heddle/datapath';
import { type Neighbour, NetlinkError, type Route, Rtnl } from '@heddle/linux';
import { formatIpv6, parseIpv4, parseIpv6 } from '@heddle/packet';

export interface TunnelRoute {
  readonly device: string;
  readonly source: string;
  /** `::` when the destination is a neighbour. */
  readonly gateway: string;
}

export interface UserRoute {
  /** Network address and length, `10.0.0.0/8`. */
  readonly prefix: string;
  readonly device: string;
  readonly gateway: string | undefined;
  readonly source: string;
  readonly mark: number;
}

const RT_TABLE_MAIN = 254;
const RT_TABLE_LOCAL = 255;
const RTN_UNICAST = 1;
const RTN_LOCAL = 2;
const AF_INET = 2;
const AF_INET6 = 10;
const NUD_USABLE = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80;

export interface RouteLine {
  readonly user: boolean;
  readonly prefix: string;
  readonly device: string;
  readonly gateway: string | undefined;
  readonly source: string | undefined;
  readonly local: boolean;
  readonly mark: number;
}

export class TunnelRoutes implements Disposable {
  readonly #rtnl = new Rtnl();
  readonly #dummies: DummyNetdevs | undefined;
  readonly #user = new Map<string, UserRoute>();

  constructor(dummies?: DummyNetdevs) {
    this.#dummies = dummies;
  }

  /** With prefix lengths; none of a device that is not there. */
  addressesOf(device: string): readonly string[] {
    return this.#addressesOf(device) ?? [];
  }

  #addressesOf(device: string): readonly string[] | undefined {
    const dummy = this.#dummies?.get(device);
    if (dummy) return dummy.addresses;
    const link = this.#rtnl.link(device);
    return link && this.#rtnl.addresses(link.index).map((a) => `${a.address}/${a.prefix}`);
  }

  /** Whether the kernel takes packets for `address`. */
  isLocal(address: string): boolean {
    return this.#rtnl.addresses().some((a) => a.address === address);
  }

  close(): void {
    this.#rtnl.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** False: there is no such device, or none of its addresses could be the source. */
  add(prefix: string, device: string, gateway: string | undefined, mark: number): boolean {
    const to = gateway ?? prefix.split('/')[0]!;
    const near = this.addressesOf(device).find((a) => contains(a, to));
    if (near === undefined) return false;
    const source = near.split('/')[0]!;
    this.#user.set(`${prefix} ${mark}`, { prefix, device, gateway, source, mark });
    return true;
  }

  delete(prefix: string, mark: number): boolean {
    return this.#user.delete(`${prefix} ${mark}`);
  }

  /** Whether ways depend on the mark of what is to go: those that were told of are for one mark each. */
  get asksForMark(): boolean {
    return this.#user.size > 0;
  }

  lookup(address: string, mark = 0): TunnelRoute | undefined {
    const told = [...this.#user.values()]
      .filter((r) => r.mark === mark && contains(r.prefix, address))
      .sort((a, b) => lengthOf(b.prefix) - lengthOf(a.prefix))[0];
    if (told) return { device: told.device, source: told.source, gateway: told.gateway ?? '::' };
    let route: Route | undefined;
    try {
      route = this.#rtnl.routeTo(address);
    } catch (error) {
      if (error instanceof NetlinkError) return undefined;
      throw error;
    }
    if (route?.ifindex === undefined) return undefined;
    const device = this.#rtnl.link(route.ifindex)?.name;
    if (device === undefined) return undefined;
    return { device, source: route.src ?? '', gateway: route.gateway ?? '::' };
  }

  /** Those of the user, and the kernel's with its own addresses, longest prefixes first. */
  lines(): RouteLine[] {
    const names = new Map(this.#rtnl.links({ stats: false }).map((l) => [l.index, l.name]));
    const addresses = this.#rtnl.addresses();
    const lines: RouteLine[] = [...this.#user.values()].map((r) => ({
      ...r,
      user: true,
      local: false,
    }));
    for (const r of this.#rtnl.routes()) {
      const local = r.table === RT_TABLE_LOCAL && r.type === RTN_LOCAL;
      if (!local && (r.table !== RT_TABLE_MAIN || r.type !== RTN_UNICAST)) continue;
      if (r.ifindex === undefined || (r.family !== AF_INET && r.family !== AF_INET6)) continue;
      const prefix = r.dst ?? (r.family === AF_INET ? '0.0.0.0/0' : '::/0');
      const to = r.gateway ?? prefix.split('/')[0]!;
      const own = addresses.filter((a) => a.ifindex === r.ifindex && a.family === r.family);
      const near = own.find((a) => contains(`${a.address}/${a.prefix}`, to));
      const device = names.get(r.ifindex) ?? '';
      const source = r.src ?? near?.address;
      lines.push({ user: false, prefix, device, gateway: r.gateway, source, local, mark: 0 });
    }
    const rank = (l: RouteLine) => (l.user ? 0 : l.local ? 1 : 2);
    return lines.sort((a, b) => rank(a) - rank(b) || lengthOf(b.prefix) - lengthOf(a.prefix));
  }

  neighbours(): { readonly address: string; readonly mac: string; readonly device: string }[] {
    const usable = (n: Neighbour) => n.mac !== undefined && (n.state & NUD_USABLE) !== 0;
    return this.#rtnl
      .neighbours()
      .filter((n) => usable(n) && (n.family === AF_INET || n.family === AF_INET6))
      .map((n) => ({
        address: n.address,
        mac: n.mac!,
        device: this.#rtnl.link(n.ifindex)?.name ?? '',
      }));
  }

  /** A neighbour that stays; false: no such device. */
  setNeighbour(device: string, address: string, mac: string): boolean {
    const link = this.#rtnl.link(device);
    if (link) this.#rtnl.setNeighbour(link.index, address, mac);
    return link !== undefined;
  }
}

function lengthOf(prefix: string): number {
  return Number(prefix.split('/')[1]);
}

function bitsOf(address: string): string | undefined {
  const v4 = parseIpv4(address);
  if (v4 !== undefined) return (v4 >>> 0).toString(2).padStart(32, '0');
  const v6 = parseIpv6(address);
  return v6 && [...v6].map((b) => b.toString(2).padStart(8, '0')).join('');
}

function contains(prefix: string, address: string): boolean {
  const [network, length] = [bitsOf(prefix.split('/')[0]!), lengthOf(prefix)];
  const bits = bitsOf(address);
  if (network === undefined || bits?.length !== network.length) return false;
  return bits.slice(0, length) === network.slice(0, length);
}

/** `10.1.2.3/8` as `10.0.0.0/8`; undefined when it is no prefix. */
export function networkOf(text: string): string | undefined {
  const [address = '', length, rest] = text.split('/');
  const v4 = parseIpv4(address);
  const n = length === undefined ? (v4 === undefined ? 128 : 32) : Number(length);
  if (rest !== undefined || !Number.isInteger(n) || n < 0) return undefined;
  if (v4 !== undefined) {
    if (n > 32) return undefined;
    const masked = n === 0 ? 0 : (v4 & (-1 << (32 - n))) >>> 0;
    return `${[24, 16, 8, 0].map((s) => (masked >>> s) & 0xff).join('.')}/${n}`;
  }
  const v6 = parseIpv6(address);
  if (!v6 || n > 128) return undefined;
  const masked = v6.map((b, i) => b & (0xff00 >> Math.max(0, Math.min(8, n - 8 * i))));
  return `${formatIpv6(masked)}/${n}`;
}
