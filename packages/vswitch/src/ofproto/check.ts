/** Whether a flow makes sense in its bridge, beyond what its bytes say. */
import {
  checkActions,
  type Match,
  OFPP_MAX,
  type OfpAct,
  OfpError,
  type OfpVersion,
} from '@heddle/openflow';
import type { Ofproto } from '../ofproto.ts';
import { N_TABLES } from './flow-table.ts';
import { placeTunMetadataActions } from './tlv.ts';

const MAX_PORTS = OFPP_MAX;

/**
 * The actions, if they fit the match; whether groups and meters exist is another question. Throws
 * `OfpError` with the code that Open vSwitch replies.
 */
export function checkRule(
  ofproto: Ofproto,
  match: Match,
  tableId: number,
  actions: readonly OfpAct[],
  version: OfpVersion,
): readonly OfpAct[] {
  const context = { match, tableId, nTables: N_TABLES, maxPorts: MAX_PORTS };
  const placed = placeTunMetadataActions(ofproto, actions);
  return checkActions(placed, context, version);
}

/** Groups and meters must be there. */
export function checkReferences(ofproto: Ofproto, actions: readonly OfpAct[]): void {
  for (const act of actions) {
    switch (act.type) {
      case 'group':
        if (!ofproto.groups.has(act.group)) throw new OfpError('OFPBAC_BAD_OUT_GROUP');
        break;
      case 'meter':
        if (!ofproto.meters.has(act.meter)) throw new OfpError('OFPMMFC_INVALID_METER');
        break;
      case 'write_actions':
      case 'clone':
        checkReferences(ofproto, act.actions);
    }
  }
}
