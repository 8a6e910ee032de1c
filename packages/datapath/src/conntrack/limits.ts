/** How many connections there may be, in all and by zone (`dpctl/ct-set-maxconns`, `ct-set-limits`). */

export const DEFAULT_MAX_CONNECTIONS = 3_000_000;

export class Limits {
  maxConnections = DEFAULT_MAX_CONNECTIONS;
  /** For zones without a limit of their own; 0: none. */
  defaultLimit = 0;
  readonly zones = new Map<number, number>();
  readonly #counts = new Map<number, number>();
  /** Connections that were refused. */
  refused = 0;

  admits(zone: number, total: number): boolean {
    return this.room(zone, total) === 'some';
  }

  /** `full`: of all zones' connections there are too many, not of this zone's. */
  room(zone: number, total: number): 'some' | 'full' | 'none' {
    const limit = this.zones.get(zone) ?? this.defaultLimit;
    if (limit !== 0 && this.count(zone) >= limit) return 'none';
    return total < this.maxConnections ? 'some' : 'full';
  }

  count(zone: number): number {
    return this.#counts.get(zone) ?? 0;
  }

  added(zone: number): void {
    this.#counts.set(zone, this.count(zone) + 1);
  }

  removed(zone: number): void {
    const n = this.count(zone) - 1;
    if (n > 0) this.#counts.set(zone, n);
    else this.#counts.delete(zone);
  }
}
