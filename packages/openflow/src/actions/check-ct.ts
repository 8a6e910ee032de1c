/** Connection tracking needs IP; here an inconsistency is an error in every version. */
import { OfpError } from '../errors.ts';
import { fieldPrerequisitesMet } from '../match/prerequisites.ts';
import type { Match } from '../match.ts';
import type { CtAction, OfpAct } from '../ofp-actions.ts';
import { checkSubfieldBits } from './field-header.ts';

const IPPORT_FTP = 21;
const IPPORT_TFTP = 69;

/** `type`: of the network layer, 0 where it is not known. */
export function checkCt(act: CtAction, match: Match, type: number): void {
  const { key } = match;
  const isIp = type === 0x800 || type === 0x86dd;
  const badHelper =
    (act.alg === IPPORT_FTP && key.nwProto !== 6) ||
    (act.alg === IPPORT_TFTP && key.nwProto !== 17);
  if (!isIp || badHelper) throw new OfpError('OFPBAC_MATCH_INCONSISTENT');
  if (typeof act.zone !== 'number') {
    checkSubfieldBits(act.zone, 'source');
    if (!fieldPrerequisitesMet(act.zone.field, match)) {
      throw new OfpError('OFPBAC_MATCH_INCONSISTENT');
    }
  }
  for (const nested of act.actions) checkNested(nested, type, match);
}

function checkNested(act: OfpAct, type: number, match: Match): void {
  if (act.type === 'nat') {
    if (act.range && act.range.family !== (type === 0x800 ? 4 : 6)) {
      throw new OfpError('OFPBAC_MATCH_INCONSISTENT');
    }
  } else if (act.type === 'move') {
    if (!fieldPrerequisitesMet(act.src.field, match)) {
      throw new OfpError('OFPBAC_MATCH_INCONSISTENT');
    }
  }
}
