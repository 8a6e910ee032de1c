/**
 * Random choices out of few of what there is. Where everything may happen, two rare things that
 * have to meet hardly ever do; a switch or controller that knows a quarter of all actions and
 * fields uses those often (swarm testing: Groce and others, ISSTA 2012).
 */
import { Random } from './random-frame.ts';

const ONE_OF = 4;
/** Lists that are shorter stay whole. */
const MIN_ITEMS = 6;
const PLACES = 256;

interface Picker {
  pick<T>(items: readonly T[]): T;
}

/** Of each longer list it picks among those at places that the seed says, the same for all lists. */
export function narrowed<R extends Picker>(random: R, seed: number): R {
  const r = new Random(~seed);
  const places = Array.from({ length: PLACES }, () => r.below(ONE_OF) === 0);
  const pick: Picker['pick'] = random.pick.bind(random);
  random.pick = (items) => {
    if (items.length < MIN_ITEMS) return pick(items);
    const left = items.filter((_, i) => places[i % PLACES]);
    return pick(left.length < 2 ? items : left);
  };
  return random;
}

/** Every other pair of seeds gives choices out of few. */
export function randomOf(seed: number): Random {
  const random = new Random(seed);
  return (seed & 2) === 0 ? random : narrowed(random, seed);
}
