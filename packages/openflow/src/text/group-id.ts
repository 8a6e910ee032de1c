import { vlog } from '@heddle/runtime';
import { parseInteger } from '../actions/text-values.ts';
import { OFPG_ALL, OFPG_ANY } from '../constants.ts';

const log = vlog.module('ofp_group');

/** A number of 32 bits, `any` or `all` in any case. */
export function parseGroupId(text: string): number | undefined {
  const name = text.toLowerCase();
  if (name === 'any') return OFPG_ANY;
  if (name === 'all') return OFPG_ALL;
  const id = text.includes('-') ? undefined : parseInteger(text);
  if (id !== undefined && id <= 0xffff_ffffn) return Number(id);
  const valid = 'Valid group IDs are 32-bit nonnegative integers or the keywords ANY or ALL.';
  log.rl.warn(`${text} is not a valid group ID.  (${valid})`);
  return undefined;
}
