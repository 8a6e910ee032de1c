/** OFPFF_* of each version (OpenFlow 1.3.5 section 7.3.4.2). */
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import type { FlowModFlags } from '../messages.ts';

const SEND_FLOW_REM = 1;
const CHECK_OVERLAP = 2;
/** OpenFlow 1.0; 1.2 and later use the bit for RESET_COUNTS. */
const EMERG10 = 4;
const RESET_COUNTS12 = 4;
const NO_PKT_COUNTS13 = 8;
const NO_BYT_COUNTS13 = 16;

/** By version: bits that mean something. */
const KNOWN = [0, 7, 3, 7, 31, 31, 31];

/** One object for the same bits. */
const made: FlowModFlags[] = [];

export function flowFlagsFromWire(bits: number, version: OfpVersion): FlowModFlags {
  if ((bits & ~KNOWN[version]!) !== 0) throw new OfpError('OFPFMFC_BAD_FLAGS');
  const at = version * 32 + bits;
  made[at] ??= flagsOf(bits, version);
  return made[at];
}

function flagsOf(bits: number, version: OfpVersion): FlowModFlags {
  return {
    sendFlowRem: (bits & SEND_FLOW_REM) !== 0,
    checkOverlap: (bits & CHECK_OVERLAP) !== 0,
    resetCounts: version > 2 && (bits & RESET_COUNTS12) !== 0,
    noPktCounts: (bits & NO_PKT_COUNTS13) !== 0,
    noByteCounts: (bits & NO_BYT_COUNTS13) !== 0,
    emerg: version === 1 && (bits & EMERG10) !== 0,
  };
}

/** Flags that the version lacks are left out. */
export function flowFlagsToWire(flags: FlowModFlags, version: OfpVersion): number {
  const bits =
    (flags.sendFlowRem ? SEND_FLOW_REM : 0) |
    (flags.checkOverlap ? CHECK_OVERLAP : 0) |
    (flags.resetCounts && version > 2 ? RESET_COUNTS12 : 0) |
    (flags.noPktCounts ? NO_PKT_COUNTS13 : 0) |
    (flags.noByteCounts ? NO_BYT_COUNTS13 : 0) |
    (flags.emerg && version === 1 ? EMERG10 : 0);
  return bits & KNOWN[version]!;
}
