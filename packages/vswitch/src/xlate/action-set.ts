/** Action sets: one action of each kind, in a fixed order. */
import type { OfpAct } from '@heddle/openflow';

/** The order in which an action set runs (OpenFlow 1.5, 5.6.1); what sets fields follows. */
const FIRST: readonly OfpAct['type'][] = [
  'strip_vlan',
  'pop_mpls',
  'decap',
  'encap',
  'push_mpls',
  'push_vlan',
  'dec_ttl',
  'dec_mpls_ttl',
  'dec_nsh_ttl',
];
/** All of these run, in the order in which they were written. */
const SETS: ReadonlySet<OfpAct['type']> = new Set([
  'move',
  'mod_dl_dst',
  'mod_dl_src',
  'mod_nw_dst',
  'mod_nw_src',
  'mod_nw_ecn',
  'mod_nw_tos',
  'mod_nw_ttl',
  'mod_tp_dst',
  'mod_tp_src',
  'set_field',
  'set_mpls_label',
  'set_mpls_tc',
  'set_mpls_ttl',
  'set_tunnel',
  'set_vlan_pcp',
  'set_vlan_vid',
  'set_queue',
]);
/** The first that is there wins: what sends. */
const SET_LAST: readonly OfpAct['type'][] = ['group', 'output', 'resubmit', 'ct_clear', 'ct'];
/** What the action set comes to: the last of each kind, sends at the end, at most one. */
export function orderActionSet(set: readonly OfpAct[]): OfpAct[] {
  const out: OfpAct[] = [];
  for (const type of FIRST) {
    const last = set.findLast((a) => a.type === type);
    if (last) out.push(last);
  }
  out.push(...set.filter((a) => SETS.has(a.type)));
  for (const type of SET_LAST) {
    const last = set.findLast((a) => a.type === type);
    if (last) return [...out, last];
  }
  return [];
}
