/** Whether packets of a match have the subfields that an action names; the log is told which they lack. */
import { vlog } from '@heddle/runtime';
import { OfpError } from '../errors.ts';
import { fieldPrerequisitesMet } from '../match/prerequisites.ts';
import type { Match } from '../match.ts';
import type { Subfield } from '../ofp-actions.ts';
import { refusal } from '../refuse.ts';
import { checkSubfieldBits } from './field-header.ts';

const log = vlog.module('meta_flow');

/** For reading. Throws OfpError. */
export function checkSource(subfield: Subfield, match: Match): void {
  check(subfield, match, 'source');
}

/** For writing. Throws OfpError. */
export function checkDestination(subfield: Subfield, match: Match): void {
  check(subfield, match, 'destination');
  const { field } = subfield;
  if (field.readOnly) {
    const why = `destination field ${field.name} is not writable`;
    throw refusal(log, 'OFPBAC_BAD_SET_ARGUMENT', why);
  }
}

function check(subfield: Subfield, match: Match, what: 'source' | 'destination'): void {
  checkSubfieldBits(subfield, what);
  const { field } = subfield;
  if (fieldPrerequisitesMet(field, match)) return;
  log.rl.warn(`${what} field ${field.name} lacks correct prerequisites`);
  throw new OfpError('OFPBAC_MATCH_INCONSISTENT');
}
