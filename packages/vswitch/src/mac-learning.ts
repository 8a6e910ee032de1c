/** The MAC learning table of a bridge: where each address was last seen, by VLAN. */
import type { Clock } from '@heddle/runtime';

export const MAC_ENTRY_DEFAULT_IDLE_MS = 300_000;
export const MAC_DEFAULT_MAX = 8192;

export interface MacEntry<P> {
  readonly mac: number;
  readonly vlan: number;
  port: P;
  /** When it expires unless seen again; Infinity for a static entry. */
  expiresMs: number;
  /** When a packet came from there last. */
  seenMs: number;
  readonly isStatic: boolean;
}

export interface MacStats {
  learned: number;
  expired: number;
  evicted: number;
  moved: number;
}

/** What a change of the table means for flows: an address is found elsewhere, or no more. */
export type MacListener = (vlan: number, mac: number) => void;

export class MacLearning<P> {
  readonly stats: MacStats = { learned: 0, expired: 0, evicted: 0, moved: 0 };
  readonly #clock: Clock;
  /** By VLAN, then by address; within a VLAN the least recently seen comes first. */
  readonly #vlans = new Map<number, Map<number, MacEntry<P>>>();
  /** How many entries each port has that may be evicted. */
  readonly #perPort = new Map<P, number>();
  readonly #changed: MacListener;
  #idleMs = MAC_ENTRY_DEFAULT_IDLE_MS;
  #max = MAC_DEFAULT_MAX;
  #floodVlans: ReadonlySet<number> = new Set();
  #size = 0;
  #statics = 0;

  constructor(clock: Clock, changed: MacListener = () => {}) {
    this.#clock = clock;
    this.#changed = changed;
  }

  get size(): number {
    return this.#size;
  }

  get staticCount(): number {
    return this.#statics;
  }

  get max(): number {
    return this.#max;
  }

  /** Returns whether anything changed for lookups. */
  configure(options: { idleMs: number; max: number; floodVlans: ReadonlySet<number> }): boolean {
    const { idleMs, max, floodVlans } = options;
    const delta = idleMs - this.#idleMs;
    if (delta !== 0) for (const e of this.entries()) if (!e.isStatic) e.expiresMs += delta;
    this.#idleMs = idleMs;
    this.#max = max;
    while (this.#size > max && this.#evict());
    const same =
      floodVlans.size === this.#floodVlans.size &&
      [...floodVlans].every((v) => this.#floodVlans.has(v));
    if (same) return false;
    this.#floodVlans = floodVlans;
    for (const vlan of floodVlans) {
      for (const e of [...(this.#vlans.get(vlan)?.values() ?? [])]) this.#drop(e);
    }
    return true;
  }

  floods(vlan: number): boolean {
    return this.#floodVlans.has(vlan);
  }

  lookup(vlan: number, mac: number): MacEntry<P> | undefined {
    return this.#floodVlans.has(vlan) ? undefined : this.#vlans.get(vlan)?.get(mac);
  }

  /**
   * Learns that `mac` is at `port`; refreshes its age. What is told late, as counters of megaflows tell
   * of packets `agoMs` ago, does not take it from where it was seen since. Returns whether lookups now
   * differ.
   */
  learn(vlan: number, mac: number, port: P, agoMs = 0): boolean {
    if (this.#floodVlans.has(vlan) || isMulticast(mac)) return false;
    const old = this.#vlans.get(vlan)?.get(mac);
    if (old?.isStatic) return false;
    const seenMs = this.#clock.nowMs() - agoMs;
    if (old) {
      if (seenMs < old.seenMs && old.port !== port) return false;
      old.seenMs = Math.max(seenMs, old.seenMs);
      const moved = old.port !== port;
      if (moved) {
        this.#count(old.port, -1);
        this.#count(port, 1);
        old.port = port;
        this.stats.moved++;
      }
      this.#touch(old);
      if (moved) this.#changed(vlan, mac);
      return moved;
    }
    if (this.#size >= this.#max && !this.#evict()) return false;
    this.#insert({
      mac,
      vlan,
      port,
      expiresMs: this.#clock.nowMs() + this.#idleMs,
      seenMs,
      isStatic: false,
    });
    this.stats.learned++;
    this.#changed(vlan, mac);
    return true;
  }

  addStatic(vlan: number, mac: number, port: P): void {
    const old = this.#vlans.get(vlan)?.get(mac);
    if (old) this.#remove(old);
    this.#insert({ mac, vlan, port, expiresMs: Infinity, seenMs: Infinity, isStatic: true });
    this.#changed(vlan, mac);
  }

  /** Deletes a static entry; false when there is none. */
  deleteStatic(vlan: number, mac: number): boolean {
    const entry = this.#vlans.get(vlan)?.get(mac);
    if (!entry?.isStatic) return false;
    this.#drop(entry);
    return true;
  }

  /** Forgets what was learned; with `port`, what was learned there (static entries too). */
  flush(port?: P): void {
    for (const e of [...this.entries()]) {
      if (port === undefined ? !e.isStatic : e.port === port) this.#drop(e);
    }
  }

  /** Forgets what was learned at these ports. */
  forget(ports: ReadonlySet<P>): void {
    for (const e of [...this.entries()]) if (!e.isStatic && ports.has(e.port)) this.#drop(e);
  }

  /** Drops what has not been seen for the idle time, or for `ageingMs` when that is less. */
  expire(ageingMs = Infinity): void {
    const now = this.#clock.nowMs() + Math.max(this.#idleMs - ageingMs, 0);
    for (const entries of this.#vlans.values()) {
      for (const e of [...entries.values()]) {
        if (e.isStatic) continue;
        // The oldest come first.
        if (e.expiresMs > now) break;
        this.#drop(e);
        this.stats.expired++;
      }
    }
  }

  /** Seconds since an entry was last seen. */
  ageSeconds(entry: MacEntry<P>): number {
    // As it was added up: a difference of fractions may be less than none.
    return Math.floor((this.#clock.nowMs() + this.#idleMs - entry.expiresMs) / 1000);
  }

  *entries(): Generator<MacEntry<P>> {
    for (const entries of this.#vlans.values()) yield* entries.values();
  }

  clearStats(): void {
    Object.assign(this.stats, { learned: 0, expired: 0, evicted: 0, moved: 0 });
  }

  #touch(entry: MacEntry<P>): void {
    entry.expiresMs = this.#clock.nowMs() + this.#idleMs;
    const entries = this.#vlans.get(entry.vlan)!;
    entries.delete(entry.mac);
    entries.set(entry.mac, entry);
  }

  #insert(entry: MacEntry<P>): void {
    let entries = this.#vlans.get(entry.vlan);
    if (!entries) {
      entries = new Map();
      this.#vlans.set(entry.vlan, entries);
    }
    entries.set(entry.mac, entry);
    this.#size++;
    if (entry.isStatic) this.#statics++;
    else this.#count(entry.port, 1);
  }

  #remove(entry: MacEntry<P>): void {
    const entries = this.#vlans.get(entry.vlan);
    if (!entries?.delete(entry.mac)) return;
    if (entries.size === 0) this.#vlans.delete(entry.vlan);
    this.#size--;
    if (entry.isStatic) this.#statics--;
    else this.#count(entry.port, -1);
  }

  #drop(entry: MacEntry<P>): void {
    this.#remove(entry);
    this.#changed(entry.vlan, entry.mac);
  }

  #count(port: P, by: number): void {
    const n = (this.#perPort.get(port) ?? 0) + by;
    if (n === 0) this.#perPort.delete(port);
    else this.#perPort.set(port, n);
  }

  /**
   * Makes room by dropping the oldest entry of the port that has most, so that one port's flood of
   * addresses does not push out the others' (ovs-vswitchd.conf.db(5), "mac-table-size").
   */
  #evict(): boolean {
    let fullest: P | undefined;
    let most = 0;
    for (const [port, n] of this.#perPort) {
      if (n > most) {
        fullest = port;
        most = n;
      }
    }
    let oldest: MacEntry<P> | undefined;
    for (const entries of this.#vlans.values()) {
      for (const e of entries.values()) {
        if (e.isStatic || e.port !== fullest) continue;
        if (!oldest || e.expiresMs < oldest.expiresMs) oldest = e;
        break;
      }
    }
    if (!oldest) return false;
    this.#drop(oldest);
    this.stats.evicted++;
    return true;
  }
}

function isMulticast(mac: number): boolean {
  return (Math.floor(mac / 2 ** 40) & 1) === 1;
}
