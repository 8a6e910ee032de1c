/** Action sets: what write_actions and the buckets of groups may hold (ovs-actions(7)). */
import { vlog } from '@heddle/runtime';
import type { OfpVersion } from '../constants.ts';
import type { OfpAct } from '../ofp-actions.ts';
import { refusal } from '../refuse.ts';
import { type ParseActionsOptions, parseUnverified } from './parse-actions.ts';

const log = vlog.module('ofp_actions');

type ActionType = OfpAct['type'];

/** Of each type the last one runs, in this order (OpenFlow 1.5, 5.6.1); then `ACTION_SET_WRITES`. */
export const ACTION_SET_FIRST: readonly ActionType[] = [
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
/** All of these run, in the order in which they were written; then one of `ACTION_SET_LAST`. */
export const ACTION_SET_WRITES: ReadonlySet<ActionType> = new Set([
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
/** Of these the first that is there runs; without any the set does nothing. */
export const ACTION_SET_LAST: readonly ActionType[] = [
  'group',
  'output',
  'resubmit',
  'ct_clear',
  'ct',
];

const ALLOWED = new Set([...ACTION_SET_FIRST, ...ACTION_SET_WRITES, ...ACTION_SET_LAST]);

/**
 * Throws OFPBAC_BAD_TYPE for actions that no action set may hold. As upstream's, a connection's mark
 * and label may be set in one, though not among other actions.
 */
export function parseActionSet(
  bytes: Uint8Array,
  version: OfpVersion,
  options: ParseActionsOptions,
): OfpAct[] {
  const acts = parseUnverified(bytes, version, options);
  for (const act of acts)
    if (!ALLOWED.has(act.type))
      throw refusal(log, 'OFPBAC_BAD_TYPE', 'disallowed action in action set');
  return acts;
}
