/** Action sets: one action of each kind, in a fixed order. */
import type { OfpAct } from '@heddle/openflow';

/** The order in which an action set runs (OpenFlow 1.5, 5.6.1). */
const SET_ORDER: readonly OfpAct['type'][] = [
  'strip_vlan',
  'pop_mpls',
  'decap',
  'encap',
  'push_mpls',
  'push_vlan',
  'dec_ttl',
  'dec_mpls_ttl',
  'dec_nsh_ttl',
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
];
/** The first that is there wins: what sends. */
const SET_LAST: readonly OfpAct['type'][] = ['group', 'ct', 'resubmit', 'output', 'output_reg'];
const ALL_OF_THEM: ReadonlySet<OfpAct['type']> = new Set(['move', 'set_field', 'set_queue']);

/** What the action set comes to: the last of each kind, sends at the end, at most one. */
export function orderActionSet(set: readonly OfpAct[]): OfpAct[] {
  const out: OfpAct[] = [];
  for (const type of SET_ORDER) {
    const of = set.filter((a) => a.type === type);
    if (ALL_OF_THEM.has(type)) out.push(...of);
    else if (of.length > 0) out.push(of.at(-1)!);
  }
  for (const type of SET_LAST) {
    const last = set.findLast((a) => a.type === type);
    if (last) return [...out, last];
  }
  return [];
}
