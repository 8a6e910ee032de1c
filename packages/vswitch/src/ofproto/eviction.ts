/** Which flow goes when a table is full (ovs-vswitchd.conf.db(5), "Eviction Policy"). */
import type { Subfield } from '@heddle/openflow';
import { subfieldGet } from '../xlate-subfield.ts';
import type { FlowTable } from './flow-table.ts';
import type { Rule } from './rule.ts';

/** The flow that a full table misses least: of a large group, of low importance, soon to expire. */
export function evictOne(table: FlowTable): Rule | undefined {
  let best: Rule | undefined;
  for (const rule of largestGroups(table)) if (!best || compare(rule, best) < 0) best = rule;
  return best;
}

/** All that can go, in the order in which `evictOne` would have them go. */
export function evictionOrder(table: FlowTable): Rule[] {
  const order: { readonly rule: Rule; readonly groupSize: number }[] = [];
  for (const group of groupsOf(table).values()) {
    group.sort(compare);
    // Its group is that large when it is the next one of it to go.
    for (const [i, rule] of group.entries()) order.push({ rule, groupSize: group.length - i });
  }
  order.sort((a, b) => b.groupSize - a.groupSize || compare(a.rule, b.rule));
  return order.map(({ rule }) => rule);
}

function* evictable(table: FlowTable): IterableIterator<Rule> {
  for (const rule of table.classifier.rules()) {
    if (!rule.isHidden && isEvictable(table, rule)) yield rule;
  }
}

/** The flows of the group that has most, or of those that have equally many. */
function largestGroups(table: FlowTable): Iterable<Rule> {
  if (table.evictionGroups.length === 0) return evictable(table);
  const groups = groupsOf(table);
  let most = 0;
  for (const { length } of groups.values()) most = Math.max(most, length);
  return [...groups.values()].filter(({ length }) => length === most).flat();
}

function groupsOf(table: FlowTable): Map<string, Rule[]> {
  const groups = new Map<string, Rule[]>();
  for (const rule of evictable(table)) {
    const id = groupOf(rule, table.evictionGroups);
    const group = groups.get(id);
    if (group) group.push(rule);
    else groups.set(id, [rule]);
  }
  return groups;
}

/** What a match does not tell counts as 0. */
function groupOf(rule: Rule, fields: readonly Subfield[]): string {
  const { key } = rule.match;
  return fields.map((field) => subfieldGet(key, field)).join();
}

/** Only flows that expire are evicted, unless a controller asked for eviction by importance. */
function isEvictable(table: FlowTable, { state }: Rule): boolean {
  return table.evictByOpenFlow || state.idleTimeout !== 0 || state.hardTimeout !== 0;
}

function compare(a: Rule, b: Rule): number {
  return a.state.importance - b.state.importance || compareTimes(a.expiryMs, b.expiryMs);
}

/** As `a - b`, also where neither ends. */
function compareTimes(a: number, b: number): number {
  return a === b ? 0 : a - b;
}
