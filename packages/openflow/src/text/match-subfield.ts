/** Matches of part of a field: `FIELD[START..END]=NUMBER` (ovs-ofctl(8), "Flow Syntax"). */
import { formatFieldValue } from '../actions/format-field.ts';
import { fail, parseSubfield, parseWholeInteger } from '../actions/text-values.ts';
import { toBytes } from '../match/match-field.ts';
import { mergeMatchBits } from '../match/match-parse.ts';
import type { Protocols } from '../match/protocols.ts';
import type { Match } from '../match.ts';

/**
 * Adds to the match. Returns which protocols can carry it. Errors are HeddleError in ovs-ofctl's
 * words.
 */
export function parseMatchSubfield(match: Match, key: string, text: string): Protocols {
  const { field, ofs, nBits } = parseSubfield(key);
  const number = parseWholeInteger(text, field.width);
  if (number === undefined) fail(`${key}: cannot parse integer value: ${text}`);
  if (number >> BigInt(nBits) !== 0n) {
    const shown = formatFieldValue(field, number, undefined);
    fail(`${key}: value ${shown} does not fit into ${nBits} bits`);
  }
  const size = field.width >> 3;
  const shift = BigInt(ofs);
  return mergeMatchBits(match, field, {
    value: toBytes(number << shift, size),
    mask: toBytes(((1n << BigInt(nBits)) - 1n) << shift, size),
  });
}
