/**
 * Who answers to which address behind a bridge, where bridges carry tunnels' packets: learned from
 * ARP and neighbour discovery, or told by `tnl/neigh/set` (ovs-vswitchd(8)).
 */
import { formatAddress, type TunnelAddress } from './config.ts';

export const DEFAULT_AGING_S = 900;
export const MAX_AGING_S = 3600;
const SOLICIT_INTERVAL_MS = 1000;
const MAX_ENTRIES = 65_536;

export interface Neighbour {
  readonly bridge: string;
  readonly address: string;
  readonly mac: number;
}

export class NeighbourTable {
  agingMs = DEFAULT_AGING_S * 1000;
  readonly #nowMs: () => number;
  readonly #entries = new Map<string, Neighbour & { readonly expiresMs: number }>();
  readonly #solicited = new Map<string, number>();
  /** Called when what packets get has changed. */
  onChange: () => void = () => {};

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  lookup(bridge: string, address: TunnelAddress): number | undefined {
    return this.#entries.get(keyOf(bridge, formatAddress(address)))?.mac;
  }

  set(bridge: string, address: string, mac: number): void {
    const key = keyOf(bridge, address);
    const known = this.#entries.get(key);
    if (known === undefined && this.#entries.size >= MAX_ENTRIES) return;
    this.#entries.set(key, { bridge, address, mac, expiresMs: this.#nowMs() + this.agingMs });
    this.#solicited.delete(key);
    if (known?.mac !== mac) this.onChange();
  }

  flush(): void {
    this.#entries.clear();
    this.onChange();
  }

  /** Whether to ask for the address now: once in a while. */
  maySolicit(bridge: string, address: string): boolean {
    const now = this.#nowMs();
    const key = keyOf(bridge, address);
    if (now - (this.#solicited.get(key) ?? Number.NEGATIVE_INFINITY) < SOLICIT_INTERVAL_MS) {
      return false;
    }
    if (this.#solicited.size >= MAX_ENTRIES) this.#solicited.clear();
    this.#solicited.set(key, now);
    return true;
  }

  expire(): void {
    const now = this.#nowMs();
    let changed = false;
    for (const [key, { expiresMs }] of this.#entries) {
      if (expiresMs <= now) changed = this.#entries.delete(key);
    }
    for (const [key, since] of this.#solicited) {
      if (now - since > SOLICIT_INTERVAL_MS) this.#solicited.delete(key);
    }
    if (changed) this.onChange();
  }

  entries(): Iterable<Neighbour> {
    return this.#entries.values();
  }
}

function keyOf(bridge: string, address: string): string {
  return `${bridge} ${address}`;
}
