/** Action sets: one action of each kind, in a fixed order. */
import {
  ACTION_SET_FIRST,
  ACTION_SET_LAST,
  ACTION_SET_WRITES,
  type OfpAct,
} from '@heddle/openflow';

/** What the action set comes to: the last of each kind, sends at the end, at most one. */
export function orderActionSet(set: readonly OfpAct[]): OfpAct[] {
  const out: OfpAct[] = [];
  for (const type of ACTION_SET_FIRST) {
    const last = set.findLast((a) => a.type === type);
    if (last) out.push(last);
  }
  out.push(...set.filter((a) => ACTION_SET_WRITES.has(a.type)));
  for (const type of ACTION_SET_LAST) {
    const last = set.findLast((a) => a.type === type);
    if (last) return [...out, last];
  }
  return [];
}
