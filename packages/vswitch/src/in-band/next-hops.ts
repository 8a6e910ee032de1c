/** By which MAC addresses remotes are reached: their own, or those of gateways. */
import type { TunnelRoutes } from '../tunnel/routes.ts';

/** A known address is looked up less often than an unknown one. */
const KNOWN_MS = 10_000;

export class NextHops {
  readonly #routes: Pick<TunnelRoutes, 'lookup' | 'neighbours'>;
  readonly #known = new Map<string, { readonly mac: string; readonly atMs: number }>();

  constructor(routes: Pick<TunnelRoutes, 'lookup' | 'neighbours'>) {
    this.#routes = routes;
  }

  /** Undefined for those that the host's kernel has not found out, or has no route to. */
  macsOf(addresses: ReadonlySet<string>, nowMs: number): string[] {
    const isFresh = (address: string) => {
      const known = this.#known.get(address);
      return known !== undefined && nowMs - known.atMs < KNOWN_MS;
    };
    const stale = [...addresses].filter((address) => !isFresh(address));
    if (stale.length > 0) this.#refresh(stale, nowMs);
    return [...addresses].flatMap((address) => this.#known.get(address)?.mac ?? []);
  }

  /** Forgets all but these. */
  retain(addresses: ReadonlySet<string>): void {
    for (const address of this.#known.keys()) {
      if (!addresses.has(address)) this.#known.delete(address);
    }
  }

  #refresh(addresses: readonly string[], nowMs: number): void {
    const neighbours = new Map(
      this.#routes.neighbours().map((n) => [`${n.device} ${n.address}`, n.mac]),
    );
    for (const address of addresses) {
      const route = this.#routes.lookup(address);
      const hop = route?.gateway === '::' ? address : route?.gateway;
      const mac = route && neighbours.get(`${route.device} ${hop}`);
      if (mac === undefined) this.#known.delete(address);
      else this.#known.set(address, { mac, atMs: nowMs });
    }
  }
}
