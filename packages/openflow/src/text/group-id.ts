import { parseInteger } from '../actions/text-values.ts';
import { OFPG_ALL, OFPG_ANY } from '../constants.ts';

/** A number of 32 bits, `any` or `all` in any case. */
export function parseGroupId(text: string): number | undefined {
  const name = text.toLowerCase();
  if (name === 'any') return OFPG_ANY;
  if (name === 'all') return OFPG_ALL;
  const id = text.includes('-') ? undefined : parseInteger(text);
  return id !== undefined && id <= 0xffff_ffffn ? Number(id) : undefined;
}
