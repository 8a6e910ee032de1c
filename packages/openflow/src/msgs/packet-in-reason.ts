/** Why a packet goes to a controller: OFPR_*, and what versions without a reason say instead. */
import type { OfpVersion } from '../constants.ts';

export const OFPR_NO_MATCH = 0;
export const OFPR_ACTION = 1;
export const OFPR_INVALID_TTL = 2;
export const OFPR_ACTION_SET = 3;
export const OFPR_GROUP = 4;
export const OFPR_PACKET_OUT = 5;
/** Within a switch only: a table-miss flow, and no flow at all. */
export const OFPR_EXPLICIT_MISS = 6;
export const OFPR_IMPLICIT_MISS = 7;

export function packetInReason(reason: number, version: OfpVersion): number {
  if (reason === OFPR_EXPLICIT_MISS) return version < 4 ? OFPR_ACTION : OFPR_NO_MATCH;
  if (reason > OFPR_EXPLICIT_MISS) return OFPR_NO_MATCH;
  return reason > OFPR_INVALID_TTL && version < 5 ? OFPR_ACTION : reason;
}
