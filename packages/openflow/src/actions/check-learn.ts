/** Sources of learn are fields of the packet, destinations those of the flow that it makes. */
import { OfpError } from '../errors.ts';
import { setMatchField } from '../match/match-field.ts';
import { fieldPrerequisitesMet } from '../match/prerequisites.ts';
import { Match } from '../match.ts';
import type { OfpAct, Subfield } from '../ofp-actions.ts';
import { checkSubfieldBits, fieldBits, isVariable } from './field-header.ts';

export function checkLearn(act: Extract<OfpAct, { type: 'learn' }>, match: Match): void {
  const learned = new Match();
  for (const spec of act.specs) {
    if ('src' in spec) checkField(spec.src, match);
    if (spec.type === 'output') continue;
    checkField(spec.dst, learned);
    if (spec.type === 'load') {
      if (spec.dst.field.readOnly) throw new OfpError('OFPBAC_BAD_SET_ARGUMENT');
    } else if ('value' in spec) {
      note(learned, spec.dst, spec.value);
    }
  }
}

function checkField(subfield: Subfield, match: Match): void {
  checkSubfieldBits(subfield);
  if (!fieldPrerequisitesMet(subfield.field, match))
    throw new OfpError('OFPBAC_MATCH_INCONSISTENT');
}

/** What the new flow is known to match may be the prerequisite of what follows. */
function note(learned: Match, { field, ofs, nBits }: Subfield, value: bigint): void {
  if (isVariable(field)) return;
  const whole = nBits === fieldBits(field);
  const mask = ((1n << BigInt(nBits)) - 1n) << BigInt(ofs);
  setMatchField(learned, field, value << BigInt(ofs), whole ? undefined : mask);
}
