/** Action sets: what write_actions and the buckets of groups may hold (ovs-actions(7)). */
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import type { OfpAct } from '../ofp-actions.ts';
import { type ParseActionsOptions, parseUnverified } from './parse-actions.ts';

const ALLOWED = new Set<OfpAct['type']>([
  'strip_vlan',
  'pop_mpls',
  'decap',
  'encap',
  'push_mpls',
  'push_vlan',
  'dec_ttl',
  'dec_mpls_ttl',
  'dec_nsh_ttl',
  'set_field',
  'move',
  'mod_dl_dst',
  'mod_dl_src',
  'mod_nw_dst',
  'mod_nw_src',
  'mod_nw_tos',
  'mod_nw_ecn',
  'mod_nw_ttl',
  'mod_tp_dst',
  'mod_tp_src',
  'set_vlan_pcp',
  'set_vlan_vid',
  'set_mpls_label',
  'set_mpls_tc',
  'set_mpls_ttl',
  'set_tunnel',
  'set_queue',
  'group',
  'output',
  'resubmit',
  'ct_clear',
  'ct',
]);

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
  for (const act of acts) if (!ALLOWED.has(act.type)) throw new OfpError('OFPBAC_BAD_TYPE');
  return acts;
}
