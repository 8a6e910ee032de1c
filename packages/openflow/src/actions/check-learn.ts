/** Sources of learn are fields of the packet, destinations those of the flow that it makes. */
import { setMatchField } from '../match/match-field.ts';
import { Match } from '../match.ts';
import type { OfpAct, Subfield } from '../ofp-actions.ts';
import { checkDestination, checkSource } from './check-subfield.ts';
import { fieldBits, isVariable } from './field-header.ts';

export function checkLearn(act: Extract<OfpAct, { type: 'learn' }>, match: Match): void {
  const learned = new Match();
  for (const spec of act.specs) {
    if ('src' in spec) checkSource(spec.src, match);
    if (spec.type === 'output') continue;
    if (spec.type === 'load') {
      checkDestination(spec.dst, learned);
    } else {
      checkSource(spec.dst, learned);
      if ('value' in spec) note(learned, spec.dst, spec.value);
    }
  }
}

/** What the new flow is known to match may be the prerequisite of what follows. */
function note(learned: Match, { field, ofs, nBits }: Subfield, value: bigint): void {
  if (isVariable(field)) return;
  const whole = nBits === fieldBits(field);
  const mask = ((1n << BigInt(nBits)) - 1n) << BigInt(ofs);
  setMatchField(learned, field, value << BigInt(ofs), whole ? undefined : mask);
}
