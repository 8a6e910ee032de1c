/** `--sort` and `--rsort`. */
import type { FlowStats } from '@heddle/openflow';
import { fieldByName, fieldGet } from '@heddle/packet';
import type { SortKey } from './settings.ts';

type Key = number | bigint | undefined;

/** Flows that say nothing of a field come last, the latest first, as upstream has them. */
export function sortFlows(flows: readonly FlowStats[], keys: readonly SortKey[]): FlowStats[] {
  const rows = flows.map((flow, index) => ({
    flow,
    index,
    keys: keys.map(({ field }) => keyOf(flow, field)),
  }));
  rows.sort((a, b) => {
    for (const [i, { descending }] of keys.entries()) {
      const order = compare(a.keys[i], b.keys[i], descending);
      if (order !== 0) return order;
    }
    const isSilent = a.keys.every((key) => key === undefined);
    return isSilent ? b.index - a.index : a.index - b.index;
  });
  return rows.map(({ flow }) => flow);
}

function keyOf({ match, priority }: FlowStats, name: string): Key {
  const field = name === 'priority' ? undefined : fieldByName(name);
  if (field === undefined) return priority;
  return fieldGet(match.mask, field) === 0n ? undefined : fieldGet(match.key, field);
}

function compare(x: Key, y: Key, descending: boolean): number {
  if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined);
  if (x === y) return 0;
  return x < y === descending ? 1 : -1;
}
