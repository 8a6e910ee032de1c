/** Fields with values that act as masks, as the hash of a group's selection method has them. */
import type { Field } from '@heddle/packet';
import type { ByteWriter } from '../actions/byte-writer.ts';
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import { fieldPlan } from '../match/field-plan.ts';
import { fromBytes, isFieldValueValid, setMatchFieldBytes, toBytes } from '../match/match-field.ts';
import { emitFieldHeader, parseFieldHeader } from '../match/oxm-header.ts';
import { Match } from '../match.ts';

/** Bits of `field` that are hashed. */
export interface HashedField {
  readonly field: Field;
  readonly mask: bigint;
}

export function parseFieldArray(bytes: Uint8Array): HashedField[] {
  const fields: HashedField[] = [];
  for (let o = 0; o < bytes.length; ) {
    const header = parseFieldHeader(bytes, o);
    const { point, hasMask, payloadLength, size } = header;
    const at = o + header.headerLength;
    o = at + payloadLength;
    if (o > bytes.length) throw new OfpError('OFPBMC_BAD_LEN');
    const field = point?.field;
    if (!field) throw new OfpError('OFPBMC_BAD_FIELD');
    const plan = fieldPlan(field);
    if (plan.mode !== 'none' && size !== plan.size) throw new OfpError('OFPBMC_BAD_FIELD');
    if (hasMask) checkMask(bytes, at, size);
    const mask = fromBytes(bytes, at, size);
    const isExact = mask === (1n << BigInt(8 * size)) - 1n;
    if (!isExact && mask !== 0n && field.masking === 'none') throw new OfpError('OFPBMC_BAD_MASK');
    if (!isExact && !isFieldValueValid(plan, bytes, at)) throw new OfpError('OFPBMC_BAD_VALUE');
    if (fields.some((f) => f.field === field)) throw new OfpError('OFPBMC_DUP_FIELD');
    fields.push({ field, mask });
  }
  return fields;
}

function checkMask(bytes: Uint8Array, at: number, size: number): void {
  for (let i = 0; i < size; i++) {
    if ((bytes[at + i]! & ~bytes[at + size + i]! & 0xff) !== 0) {
      throw new OfpError('OFPBMC_BAD_WILDCARDS');
    }
  }
}

export function emitFieldArray(
  w: ByteWriter,
  fields: readonly HashedField[],
  version: OfpVersion,
): void {
  for (const { field, mask } of fields) {
    const size = field.width >> 3;
    w.bytes(emitFieldHeader(field, false, version, size));
    w.bytes(toBytes(mask, size));
  }
}

/** The bits that the fields look at, as a mask. */
export function hashedFieldsMatch(fields: readonly HashedField[]): Match {
  const match = new Match();
  for (const { field, mask } of fields) {
    const plan = fieldPlan(field);
    if (plan.mode === 'none') continue;
    const bits = toBytes(mask, plan.size);
    setMatchFieldBytes(match, plan, bits, 0, bits);
  }
  return match;
}
