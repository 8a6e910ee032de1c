/** Which flow goes when a table is full (ovs-vswitchd.conf.db(5), "Eviction Policy"). */
import type { FlowTable } from './flow-table.ts';
import type { Rule } from './rule.ts';

/** The flow that a full table misses least: of low importance, and soon to expire anyway. */
export function evictOne(table: FlowTable): Rule | undefined {
  let best: Rule | undefined;
  for (const rule of table.classifier.rules()) {
    if (rule.isHidden || !isEvictable(table, rule)) continue;
    if (!best || compare(rule, best) < 0) best = rule;
  }
  return best;
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
