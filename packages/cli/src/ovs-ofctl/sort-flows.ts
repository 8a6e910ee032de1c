/** `--sort` and `--rsort`. */
import type { FlowStats } from '@heddle/openflow';
import { fieldPrerequisitesMet } from '@heddle/openflow/match/prerequisites';
import { fieldByName, fieldGet } from '@heddle/packet';
import type { SortKey } from './settings.ts';

/** OpenFlow 1.0's fields of a tag, which are parts of `vlan_tci`. */
const TAG_PARTS: Readonly<Record<string, { bits: number; shift: number }>> = {
  dl_vlan: { bits: 0x1fff, shift: 0 },
  dl_vlan_pcp: { bits: 0xe000, shift: 13 },
};

export function isSortable(name: string): boolean {
  return name in TAG_PARTS || fieldByName(name) !== undefined;
}

type Key = number | bigint | undefined;

/** Flows that say nothing of a field come last; those that are alike in all fields by priority, as upstream has them. */
export function sortFlows(flows: readonly FlowStats[], keys: readonly SortKey[]): FlowStats[] {
  const rows = flows.map((flow) => ({
    flow,
    keys: keys.map(({ field }) => keyOf(flow, field)),
  }));
  rows.sort((a, b) => {
    for (const [i, { descending }] of keys.entries()) {
      const order = compare(a.keys[i], b.keys[i], descending);
      if (order !== 0) return order;
    }
    return b.flow.priority - a.flow.priority;
  });
  return rows.map(({ flow }) => flow);
}

function keyOf({ match, priority }: FlowStats, name: string): Key {
  if (name === 'priority') return priority;
  const part = TAG_PARTS[name];
  if (part) {
    const isSaid = (match.mask.vlanTci0 & part.bits) !== 0;
    return isSaid ? (match.key.vlanTci0 & part.bits) >> part.shift : undefined;
  }
  const field = fieldByName(name)!;
  // Fields that no packet has at the same time share their place.
  if (!fieldPrerequisitesMet(field, match)) return undefined;
  return fieldGet(match.mask, field) === 0n ? undefined : fieldGet(match.key, field);
}

function compare(x: Key, y: Key, descending: boolean): number {
  if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined);
  if (x === y) return 0;
  return x < y === descending ? 1 : -1;
}
