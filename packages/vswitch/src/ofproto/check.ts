/** Whether a flow makes sense in its bridge, beyond what its bytes say. */
import { type OfpAct, OfpError } from '@heddle/openflow';
import type { Ofproto } from '../ofproto.ts';

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
      case 'controller':
        if (act.meter !== undefined && !ofproto.meters.has(act.meter)) {
          throw new OfpError('OFPMMFC_INVALID_METER');
        }
        break;
      case 'write_actions':
      case 'clone':
        checkReferences(ofproto, act.actions);
    }
  }
}
