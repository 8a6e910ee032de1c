/** NXAST_LEARN and NXAST_LEARN2 (nicira-ext.h, "Action structure for NXAST_LEARN"). */
import { OfpError } from '../errors.ts';
import type { LearnSpec, OfpAct, Subfield } from '../ofp-actions.ts';
import { readUint } from './byte-writer.ts';
import { checkWritable, expectZero, parseFieldName } from './field-header.ts';
import type { RawContext } from './parse-actions.ts';

export const NX_LEARN_F = { sendFlowRem: 1, deleteLearned: 2, writeResult: 4 } as const;

/** A specification's header: n_bits, what becomes of them, where they come from. */
export const NX_LEARN_N_BITS_MASK = 0x3ff;
export const NX_LEARN_SRC_IMMEDIATE = 1 << 13;
export const NX_LEARN_DST_SHIFT = 11;
export const NX_LEARN_DST = { match: 0, load: 1, output: 2 } as const;

type Learn = Extract<OfpAct, { type: 'learn' }>;

export function parseLearn(c: RawContext): OfpAct {
  if (c.u8[c.o + 27] !== 0) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  const flags = c.dv.getUint16(c.o + 24);
  if (flags & ~(NX_LEARN_F.sendFlowRem | NX_LEARN_F.deleteLearned)) {
    throw new OfpError('OFPBAC_BAD_ARGUMENT');
  }
  return { ...fixedPart(c, flags), limit: 0, specs: parseSpecs(c, c.o + 32) };
}

export function parseLearn2(c: RawContext): OfpAct {
  const { u8, dv, o, end } = c;
  const flags = dv.getUint16(o + 24);
  expectZero(u8, o + 38, o + 40, 'NXBAC_MUST_BE_ZERO');
  if (u8[o + 27] !== 0 || flags & ~7) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  const limit = dv.getUint32(o + 32);
  let at = o + 40;
  let resultDst: Subfield | undefined;
  if (flags & NX_LEARN_F.writeResult) {
    const { field, next } = parseFieldName(c, at, end);
    resultDst = { field, ofs: dv.getUint16(o + 36), nBits: 1 };
    checkWritable(resultDst);
    at = next;
  }
  const specs = parseSpecs(c, at);
  return { ...fixedPart(c, flags), limit, ...(resultDst && { resultDst }), specs };
}

function fixedPart({ u8, dv, o }: RawContext, flags: number): Omit<Learn, 'limit' | 'specs'> {
  const table = u8[o + 26]!;
  if (table === 255) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  return {
    type: 'learn',
    idleTimeout: dv.getUint16(o + 10),
    hardTimeout: dv.getUint16(o + 12),
    priority: dv.getUint16(o + 14),
    cookie: dv.getBigUint64(o + 16),
    finIdleTimeout: dv.getUint16(o + 28),
    finHardTimeout: dv.getUint16(o + 30),
    table,
    flags: {
      sendFlowRem: (flags & NX_LEARN_F.sendFlowRem) !== 0,
      deleteLearned: (flags & NX_LEARN_F.deleteLearned) !== 0,
      writeResult: (flags & NX_LEARN_F.writeResult) !== 0,
    },
  };
}

/** Specifications until a header of zero or the end; only zeros may follow. */
function parseSpecs(c: RawContext, from: number): LearnSpec[] {
  const { u8, dv, end } = c;
  const specs: LearnSpec[] = [];
  let p = from;
  while (p + 2 <= end) {
    const header = dv.getUint16(p);
    p += 2;
    if (header === 0) break;
    const { spec, next } = parseSpec(c, header, p);
    specs.push(spec);
    p = next;
  }
  expectZero(u8, p, end, 'OFPBAC_BAD_ARGUMENT');
  return specs;
}

/** At least: a field's header and an offset. */
const SUBFIELD_LEN = 6;

function parseSpec(c: RawContext, header: number, from: number): { spec: LearnSpec; next: number } {
  const { u8, end } = c;
  const nBits = header & NX_LEARN_N_BITS_MASK;
  const kind = (header >> NX_LEARN_DST_SHIFT) & 3;
  const immediate = (header & NX_LEARN_SRC_IMMEDIATE) !== 0;
  if (kind === 3 || header & 0x400 || (nBits === 0 && kind !== NX_LEARN_DST.output)) {
    throw new OfpError('OFPBAC_BAD_ARGUMENT');
  }
  if (immediate && kind === NX_LEARN_DST.output) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  // Whether it can be whole is looked at before what it names.
  const size = immediate ? 2 * Math.ceil(nBits / 16) : SUBFIELD_LEN;
  const least = kind === NX_LEARN_DST.output ? size : size + SUBFIELD_LEN;
  if (from + least > end) throw new OfpError('OFPBAC_BAD_LEN');
  let p = from;
  let value = 0n;
  let src: Subfield | undefined;
  if (immediate) {
    value = readUint(u8, p, size);
    if (kind === NX_LEARN_DST.match) value &= (1n << BigInt(nBits)) - 1n;
    p += size;
  } else {
    ({ subfield: src, next: p } = takeSubfield(c, p, nBits));
  }
  if (kind === NX_LEARN_DST.output) return { spec: { type: 'output', src: src! }, next: p };
  const type = kind === NX_LEARN_DST.match ? 'match' : 'load';
  const dst = takeSubfield(c, p, nBits);
  const rest = { type, dst: dst.subfield } as const;
  return { spec: src ? { ...rest, src } : { ...rest, value }, next: dst.next };
}

function takeSubfield(c: RawContext, p: number, nBits: number) {
  const { dv, end } = c;
  const { field, next } = learnField(c, p);
  if (next + 2 > end) throw new OfpError('OFPBAC_BAD_LEN');
  const subfield: Subfield = { field, ofs: dv.getUint16(next), nBits };
  return { subfield, next: next + 2 };
}

function learnField(c: RawContext, p: number) {
  try {
    return parseFieldName(c, p, c.end);
  } catch {
    throw new OfpError('OFPBAC_BAD_SET_TYPE');
  }
}
