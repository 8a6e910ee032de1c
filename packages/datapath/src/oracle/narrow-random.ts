/**
 * Random choices out of few of what there is. Where everything may happen, two rare things that
 * have to meet hardly ever do; a switch that knows a quarter of all actions and fields uses
 * those often (swarm testing: Groce and others, ISSTA 2012).
 */
import { Random } from './random-frame.ts';

const ONE_OF = 4;
/** Lists that are shorter stay whole. */
const MIN_ITEMS = 6;

/** Of each longer list it picks among those at places that the seed says, the same for all lists. */
class NarrowRandom extends Random {
  readonly #places: readonly boolean[];

  constructor(seed: number) {
    super(seed);
    const r = new Random(~seed);
    this.#places = Array.from({ length: 256 }, () => r.below(ONE_OF) === 0);
  }

  override pick<T>(items: readonly T[]): T {
    if (items.length < MIN_ITEMS) return super.pick(items);
    const left = items.filter((_, i) => this.#places[i % this.#places.length]);
    return super.pick(left.length < 2 ? items : left);
  }
}

/** Every other pair of seeds gives choices out of few. */
export function randomOf(seed: number): Random {
  return (seed & 2) === 0 ? new Random(seed) : new NarrowRandom(seed);
}
