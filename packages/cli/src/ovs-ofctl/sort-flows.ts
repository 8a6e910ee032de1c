/** `--sort` and `--rsort`. */
import type { FlowStats } from '@heddle/openflow';
import { fieldByName, fieldGet } from '@heddle/packet';
import type { SortKey } from './settings.ts';

export function compareBy(keys: readonly SortKey[]): (a: FlowStats, b: FlowStats) => number {
  const comparers = keys.map(comparer);
  return (a, b) => {
    for (const compare of comparers) {
      const order = compare(a, b);
      if (order !== 0) return order;
    }
    return 0;
  };
}

/** Flows that say nothing of the field come last. */
function comparer({ field: name, descending }: SortKey): (a: FlowStats, b: FlowStats) => number {
  const sign = descending ? -1 : 1;
  const field = name === 'priority' ? undefined : fieldByName(name);
  if (field === undefined) return (a, b) => sign * (a.priority - b.priority);
  const keyOf = ({ match }: FlowStats) =>
    fieldGet(match.mask, field) === 0n ? undefined : fieldGet(match.key, field);
  return (a, b) => {
    const x = keyOf(a);
    const y = keyOf(b);
    if (x === undefined || y === undefined)
      return Number(x === undefined) - Number(y === undefined);
    return x === y ? 0 : sign * (x < y ? -1 : 1);
  };
}
