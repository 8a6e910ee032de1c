/** OpenFlow port numbers of a bridge: asked for, remembered, or the next that is free. */
import { OFPP_LOCAL, OFPP_MAX } from './ofproto.ts';

export class OfportMap {
  readonly #names = new Map<number, string>();
  #next = 1;

  /** The number for a port; `requested` (ofport_request) before `hint` (what it had). */
  allocate(name: string, isLocal: boolean, requested?: number, hint?: number): number | undefined {
    if (isLocal) return this.#take(OFPP_LOCAL, name);
    for (const n of [requested, hint]) {
      if (n !== undefined && n >= 1 && n < OFPP_MAX && !this.#names.has(n))
        return this.#take(n, name);
    }
    for (let i = 0; i < OFPP_MAX; i++) {
      const n = this.#next;
      this.#next = n + 1 >= OFPP_MAX ? 1 : n + 1;
      if (!this.#names.has(n)) return this.#take(n, name);
    }
    return undefined;
  }

  release(ofport: number): void {
    this.#names.delete(ofport);
  }

  #take(ofport: number, name: string): number {
    this.#names.set(ofport, name);
    return ofport;
  }
}
