/** Whether packets of a match have the subfields that an action names; the log is told which they lack. */
import { vlog } from '@heddle/runtime';
import { OfpError } from '../errors.ts';
import { fieldPrerequisitesMet } from '../match/prerequisites.ts';
import type { Match } from '../match.ts';
import type { Subfield } from '../ofp-actions.ts';
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
  if (!field.readOnly) return;
  log.rl.warn(`destination field ${field.name} is not writable`);
  throw new OfpError('OFPBAC_BAD_SET_ARGUMENT');
}

function check(subfield: Subfield, match: Match, what: string): void {
  checkSubfieldBits(subfield);
  const { field } = subfield;
  if (fieldPrerequisitesMet(field, match)) return;
  log.rl.warn(`${what} field ${field.name} lacks correct prerequisites`);
  throw new OfpError('OFPBAC_MATCH_INCONSISTENT');
}
