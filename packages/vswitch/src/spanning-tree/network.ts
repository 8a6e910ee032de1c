/** Bridges joined by links, for tests: BPDUs arrive as soon as they are sent. */
import { learns, type SpanningTree, type TreeState } from './tree.ts';

/** An end of a link: which bridge, and the number of its port. */
export type End = readonly [bridge: number, port: number];
export type Link = readonly [End, End];

/** Enough for any storm of BPDUs that ends by itself. */
const MAX_BPDUS = 100_000;

export class Network {
  /** Another may take the place of one. */
  readonly bridges: SpanningTree<number>[];
  readonly links: readonly Link[];
  #nowMs = 0;

  constructor(bridges: SpanningTree<number>[], links: readonly Link[]) {
    this.bridges = bridges;
    this.links = links;
  }

  /** Lets time pass, a step at a time. */
  pass(ms: number, stepMs = 250): void {
    const end = this.#nowMs + ms;
    while (this.#nowMs < end) {
      this.#nowMs += stepMs;
      for (const bridge of this.bridges) bridge.run(this.#nowMs);
      this.#deliver();
    }
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  #deliver(): void {
    let delivered = 0;
    for (let busy = true; busy; ) {
      busy = false;
      for (const [from, bridge] of this.bridges.entries()) {
        for (const { port, pdu } of bridge.takeBpdus()) {
          if (++delivered > MAX_BPDUS) throw new Error('BPDUs without end');
          const to = this.#peerOf([from, port]);
          if (to) this.bridges[to[0]]!.receive(to[1], pdu, this.#nowMs);
          busy = true;
        }
      }
    }
  }

  #peerOf([bridge, port]: End): End | undefined {
    for (const [a, b] of this.links) {
      if (a[0] === bridge && a[1] === port) return b;
      if (b[0] === bridge && b[1] === port) return a;
    }
    return undefined;
  }

  #state([bridge, port]: End): TreeState | undefined {
    return this.bridges[bridge]!.stateOf(port);
  }

  /** Links that packets pass. */
  active(): Link[] {
    return this.links.filter((ends) => ends.every((end) => this.#state(end) === 'forwarding'));
  }

  /** Ports that neither block nor forward yet. */
  unsettled(): End[] {
    return this.links.flat().filter((end) => {
      const state = this.#state(end);
      return state === 'listening' || (learns(state) && state !== 'forwarding');
    });
  }
}

/** Which bridges reach each other over links; a number for each island. */
export function islands(n: number, links: readonly Link[]): number[] {
  const island = Array.from({ length: n }, (_, i) => i);
  for (const [[a], [b]] of links) {
    const [from, to] = [island[a]!, island[b]!];
    for (let i = 0; i < n; i++) if (island[i] === from) island[i] = to;
  }
  return island;
}

/** Whether links have a loop: joining two bridges that reached each other before. */
export function hasLoop(n: number, links: readonly Link[]): boolean {
  return links.some(([[a], [b]], i) => {
    const before = islands(n, links.slice(0, i));
    return before[a] === before[b];
  });
}
