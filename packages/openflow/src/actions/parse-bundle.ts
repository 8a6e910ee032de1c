/** NXAST_MULTIPATH, NXAST_BUNDLE and NXAST_BUNDLE_LOAD. */
import { OFPP_IN_PORT, OFPP_LOCAL, OFPP_MAX } from '../constants.ts';
import { OfpError } from '../errors.ts';
import type { HashFields, MultipathAlgorithm, OfpAct, Subfield } from '../ofp-actions.ts';
import {
  checkSubfieldBits,
  checkWritable,
  expectZero,
  parseField32,
  subfieldOfNbits,
} from './field-header.ts';
import type { RawContext } from './parse-actions.ts';

/** NX_HASH_FIELDS_*, by number. */
export const HASH_FIELDS: readonly HashFields[] = [
  'eth_src',
  'symmetric_l4',
  'symmetric_l3l4',
  'symmetric_l3l4+udp',
  'nw_src',
  'nw_dst',
  'symmetric_l3',
];

/** NX_MP_ALG_*, by number. */
export const MULTIPATH_ALGORITHMS: readonly MultipathAlgorithm[] = [
  'modulo_n',
  'hash_threshold',
  'hrw',
  'iter_hash',
];

/** NX_BD_ALG_*, by number. */
export const BUNDLE_ALGORITHMS = ['active_backup', 'hrw'] as const;

/** Members are given as this field's values: NXM_OF_IN_PORT. */
export const NXM_OF_IN_PORT_HEADER = 2;
export const BUNDLE_MAX_MEMBERS = 2048;

export function parseMultipath(c: RawContext): OfpAct {
  const { dv, o } = c;
  const dst = dstOf(c, o + 28, o + 26);
  const fields = HASH_FIELDS[dv.getUint16(o + 10)];
  const algorithm = MULTIPATH_ALGORITHMS[dv.getUint16(o + 16)];
  if (!fields || !algorithm) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  const maxLink = dv.getUint16(o + 18);
  const basis = dv.getUint16(o + 12);
  if (maxLink + 1 > 2 ** dst.nBits) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  return { type: 'multipath', fields, basis, algorithm, maxLink, arg: dv.getUint32(o + 20), dst };
}

function dstOf(c: RawContext, fieldAt: number, bitsAt: number): Subfield {
  const field = parseField32(c, fieldAt);
  if (!field) throw new OfpError('OFPBAC_BAD_SET_TYPE');
  const dst = subfieldOfNbits(field, c.dv.getUint16(bitsAt));
  checkSubfieldBits(dst, 'destination');
  checkWritable(dst);
  return dst;
}

export function parseBundle(c: RawContext): OfpAct {
  return bundle(c, false);
}

export function parseBundleLoad(c: RawContext): OfpAct {
  return bundle(c, true);
}

function bundle(c: RawContext, load: boolean): OfpAct {
  const { u8, dv, o, end } = c;
  const n = dv.getUint16(o + 20);
  if (o + 32 + 2 * n > end) throw new OfpError('OFPBAC_BAD_LEN');
  const dst = load ? dstOf(c, o + 24, o + 22) : undefined;
  const algorithm = BUNDLE_ALGORITHMS[dv.getUint16(o + 10)];
  const fields = HASH_FIELDS[dv.getUint16(o + 12)];
  if (!fields || !algorithm) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  if (!dst && dv.getUint32(o + 16) !== NXM_OF_IN_PORT_HEADER) {
    throw new OfpError('OFPBAC_BAD_ARGUMENT');
  }
  if (n > BUNDLE_MAX_MEMBERS) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  if (!dst) expectZero(u8, o + 22, o + 32, 'OFPBAC_BAD_ARGUMENT');
  else if (dst.nBits < 16) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  const members = Array.from({ length: n }, (_, i) => dv.getUint16(o + 32 + 2 * i));
  for (const port of members) checkMember(port);
  const basis = dv.getUint16(o + 14);
  return { type: 'bundle', fields, basis, algorithm, members, ...(dst && { dst }) };
}

export function checkMember(port: number): void {
  if (port >= OFPP_MAX && port !== OFPP_LOCAL && port !== OFPP_IN_PORT && port !== 0xffff) {
    throw new OfpError('OFPBAC_BAD_OUT_PORT');
  }
}
