/** Random networks of bridges, for tests. */
import assert from 'node:assert/strict';
import type { Random } from '@heddle/datapath/oracle/random-frame';
import type { RstpPortSettings } from '../rstp/port.ts';
import { Rstp } from '../rstp/rstp.ts';
import { Stp } from '../stp/stp.ts';
import { type End, hasLoop, islands, type Link, type Network } from './network.ts';
import { bridgeIdOf, type SpanningTree } from './tree.ts';

export type Kind = 'stp' | 'rstp';

export class Plan {
  readonly size: number;
  readonly links: Link[] = [];
  readonly #ports: number[];
  readonly #changed = new Map<string, Pick<RstpPortSettings, 'pathCost' | 'priority'>>();
  readonly #r: Random;

  constructor(r: Random) {
    this.#r = r;
    this.size = 2 + r.below(6);
    this.#ports = Array.from({ length: this.size }, () => 0);
    for (let i = 1; i < this.size; i++) if (r.chance(95)) this.#link(r.below(i), i);
    for (let i = r.below(6); i > 0; i--) this.#link(r.below(this.size), r.below(this.size));
  }

  #link(a: number, b: number): void {
    if (a === b) return;
    this.links.push([
      [a, ++this.#ports[a]!],
      [b, ++this.#ports[b]!],
    ]);
  }

  /** Another path cost and priority for a port of RSTP. */
  change([bridge, port]: End): void {
    const pathCost = this.#r.pick([1, 2000, 20_000]);
    this.#changed.set(`${bridge}.${port}`, { pathCost, priority: this.#r.pick([0, 128, 240]) });
  }

  #rstpPort(bridge: number, port: number, isUp: boolean): RstpPortSettings {
    return { ...rstpPort(port, isUp), ...this.#changed.get(`${bridge}.${port}`) };
  }

  /** `broken` links are down at both ends. */
  configure(bridges: SpanningTree<number>[], broken: ReadonlySet<Link>, nowMs: number): void {
    for (const [i, bridge] of bridges.entries()) {
      const numbers = Array.from({ length: this.#ports[i]! }, (_, n) => n + 1);
      const down = new Set([...broken].flat().flatMap(([b, port]) => (b === i ? port : [])));
      if (bridge instanceof Stp) {
        bridge.configure(
          bridge.settings,
          new Map(
            numbers.map((n) => [n, { number: n, priority: 128, pathCost: 19, isUp: !down.has(n) }]),
          ),
          nowMs,
        );
      } else if (bridge instanceof Rstp) {
        bridge.configure(
          bridge.settings,
          new Map(numbers.map((n) => [n, this.#rstpPort(i, n, !down.has(n))])),
          nowMs,
        );
      }
    }
  }

  bridge(i: number, kind: Kind): SpanningTree<number> {
    const bridgeId = bridgeIdOf(this.#r.pick([0x1000, 0x8000]), 0x020000000000 + i);
    if (kind === 'stp') {
      const times = { helloTimeMs: 2000, maxAgeMs: 20_000, forwardDelayMs: 15_000 };
      return new Stp<number>(`b${i}`, { bridgeId, ...times }, 0);
    }
    const times = { messageAge: 0, maxAge: 20, helloTime: 2, forwardDelay: 15 };
    const forceProtocolVersion = this.#r.chance(85) ? 2 : 0;
    const settings = { bridgeId, times, forceProtocolVersion, transmitHoldCount: 6 };
    return new Rstp<number>(`b${i}`, settings, 0);
  }
}

export function rstpPort(number: number, isUp: boolean): RstpPortSettings {
  const edge = { adminEdge: false, autoEdge: true, mcheck: false };
  return { number, priority: 128, pathCost: 2000, ...edge, pointToPoint: true, isUp };
}

/** Every two bridges that links join reach each other, in one way only. */
export function assertTree(
  network: Network,
  size: number,
  links: readonly Link[],
  told: string,
): void {
  const active = network.active();
  assert.equal(hasLoop(size, active), false, `${told}: a loop`);
  const [can, do_] = [islands(size, links), islands(size, active)];
  for (let a = 0; a < size; a++) {
    for (let b = 0; b < a; b++) {
      assert.equal(do_[a] === do_[b], can[a] === can[b], `${told}: bridges ${a} and ${b}`);
    }
  }
}
