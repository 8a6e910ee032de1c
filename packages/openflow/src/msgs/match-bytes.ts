/** Matches within messages. */
import type { ByteWriter } from '../actions/byte-writer.ts';
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import {
  emitOfp11StandardMatch,
  type OxmParseOptions,
  type ParsedOxm,
  parseNxMatch,
  parseOfp11Match,
  putOxmMatch,
} from '../match/index.ts';
import type { Match } from '../match.ts';
import type { Reader } from './reader.ts';

const OFPMT_OXM = 1;

/** `struct ofp11_match`, OXM or standard. */
export function pullMatch11(r: Reader, options?: OxmParseOptions): Match {
  const { match, length } = parseOfp11Match(r.u8, r.off, options, r.end);
  r.take(length);
  return match;
}

/** OXM and nothing else. */
export function pullOxmMatch(r: Reader, options?: OxmParseOptions): Match {
  if (r.left < 4 || r.dv.getUint16(r.off + 2) < 4) throw new OfpError('OFPBMC_BAD_LEN');
  if (r.dv.getUint16(r.off) !== OFPMT_OXM) throw new OfpError('OFPBMC_BAD_TYPE');
  return pullMatch11(r, options);
}

/** OpenFlow 1.1 has a structure of fixed size, later versions OXM. */
export function putMatch11(w: ByteWriter, match: Match, version: OfpVersion): void {
  if (version === 2) w.bytes(emitOfp11StandardMatch(match));
  else putOxmMatch(w, match, version);
}

/** Entries of `length` bytes, then the padding to a multiple of 8. */
export function pullNxMatch(r: Reader, length: number, options?: OxmParseOptions): ParsedOxm {
  const padded = (length + 7) & ~7;
  if (padded > r.left) throw new OfpError('OFPBMC_BAD_LEN');
  const at = r.take(padded);
  return parseNxMatch(r.u8.subarray(at, at + length), options);
}

export function putPadded(w: ByteWriter, bytes: Uint8Array): void {
  const at = w.grow((bytes.length + 7) & ~7);
  w.u8.set(bytes, at);
}
