/**
 * Fields as actions name them on the wire: an NXM or OXM header. Nicira's actions prefer the NXM
 * code point (`NXM`), the standard ones that of their version.
 */
import type { Field } from '@heddle/packet';
import { vlog } from '@heddle/runtime';
import { OfpError } from '../errors.ts';
import {
  codePointOf,
  MAX_VARIABLE,
  type OxmVersion,
  parseFieldHeader,
  writeHeader,
} from '../match/oxm-header.ts';
import { checkMapped, type TlvFields } from '../match/tlv-fields.ts';
import type { Subfield } from '../ofp-actions.ts';
import { refusal } from '../refuse.ts';
import { type ByteWriter, isZero } from './byte-writer.ts';

const log = vlog.module('meta_flow');
const actionLog = vlog.module('ofp_actions');

export const NXM: OxmVersion = 0;
/** Of a header of four bytes. */
const HAS_MASK = 0x100;

/**
 * Writes the header alone, its length as of an entry with value and, perhaps, mask. A field without
 * a code point gets one of zeros, which decoders refuse.
 */
export function putFieldHeader(
  w: ByteWriter,
  field: Field,
  version: OxmVersion,
  hasMask = false,
  size?: number,
): void {
  const point = codePointOf(field, version);
  if (!point) {
    const length = size ?? 0;
    w.u32(hasMask ? HAS_MASK | (2 * length) : length);
    return;
  }
  const at = w.grow(point.vendor === 0 ? 4 : 8);
  writeHeader(w.u8, at, point, hasMask, size ?? field.width >> 3);
}

/** Whether the older actions, with four bytes for a header, can name it. */
export function hasShortHeader(field: Field): boolean {
  return codePointOf(field, NXM)?.vendor === 0;
}

export interface FieldContext {
  readonly u8: Uint8Array;
  /** undefined: any may be named. */
  readonly tlv: TlvFields | undefined;
}

/** A header that only names its field; `next` is the offset behind it. */
export function parseFieldName(
  { u8, tlv }: FieldContext,
  o: number,
  end: number,
): { readonly field: Field; readonly next: number } {
  const header = parseFieldHeader(u8, o, end);
  if (!header.point?.field) throw new OfpError('OFPBMC_BAD_FIELD');
  checkMapped(header.point.field, tlv);
  const { hasMask, size } = header;
  if (!isLengthRight(header.point.field, size)) {
    throw new OfpError('OFPBMC_BAD_FIELD');
  }
  if (hasMask) throw new OfpError('OFPBMC_BAD_MASK');
  return { field: header.point.field, next: o + header.headerLength };
}

/** As `parseFieldName` in the 4 bytes of the older actions, which word a failure differently. */
export function parseField32({ u8, tlv }: FieldContext, o: number): Field | undefined {
  if (u8[o] === 0xff && u8[o + 1] === 0xff) return undefined;
  const header = parseFieldHeader(u8, o, o + 4);
  const field = header.point?.field;
  checkMapped(field, tlv);
  if (!field) return undefined;
  // The header of a value and its mask names the field as well.
  return isLengthRight(field, header.size) ? field : undefined;
}

function isLengthRight(field: Field, length: number): boolean {
  return length === field.width >> 3 || (isVariable(field) && length <= MAX_VARIABLE);
}

export function isVariable(field: Field): boolean {
  return field.tunMetadata !== undefined;
}

/** The mask of a whole field as a value of its width. */
export function exactMask(field: Field): bigint {
  return (1n << BigInt(field.width)) - 1n;
}

export function fieldBits(field: Field): number {
  return field.bits ?? field.width;
}

/** Bits within the field, else OFPBAC_BAD_SET_LEN; `what` it is to the action, the log is told. */
export function checkSubfieldBits(subfield: Subfield, what: 'source' | 'destination'): void {
  const { field, ofs, nBits } = subfield;
  const width = fieldBits(field);
  if (nBits !== 0 && ofs + nBits <= width) return;
  const bits =
    nBits === 0
      ? `zero bit ${what} field ${field.name}`
      : ofs >= width
        ? `bit offset ${ofs} exceeds ${width}-bit width of ${what} field ${field.name}`
        : `bit offset ${ofs} and width ${nBits} exceeds ${width}-bit width of ${what} field ${field.name}`;
  throw refusal(log, 'OFPBAC_BAD_SET_LEN', bits);
}

export function checkWritable({ field }: Pick<Subfield, 'field'>): void {
  if (!field.readOnly) return;
  const why = `destination field ${field.name} is not writable`;
  throw refusal(actionLog, 'OFPBAC_BAD_SET_ARGUMENT', why);
}

export function subfieldOfNbits(field: Field, ofsNbits: number): Subfield {
  return { field, ofs: ofsNbits >>> 6, nBits: (ofsNbits & 0x3f) + 1 };
}

export function ofsNbits(subfield: Subfield): number {
  return (subfield.ofs << 6) | (subfield.nBits - 1);
}

export function expectZero(u8: Uint8Array, from: number, to: number, error: string): void {
  if (!isZero(u8, from, to)) throw new OfpError(error);
}
