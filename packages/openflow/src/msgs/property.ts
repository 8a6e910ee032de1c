/** Properties: the TLVs of OpenFlow 1.4 and later (OpenFlow 1.4.0 section 7.1.1 and so on). */
import type { vlog } from '@heddle/runtime';
import type { ByteWriter } from '../actions/byte-writer.ts';
import { OfpError } from '../errors.ts';
import type { Reader } from './reader.ts';

const EXPERIMENTER = 0xffff;

export interface Property {
  readonly type: number;
  /** Of an experimenter's. */
  readonly vendor?: number;
  readonly subtype?: number;
  /** What follows type and length, an experimenter's numbers included, less the padding. */
  readonly body: Reader;
}

/** `firstExperimenter`: some messages have two numbers for experimenters. */
export function pullProperty(r: Reader, firstExperimenter = EXPERIMENTER): Property {
  if (r.left < 4) throw new OfpError('OFPBPC_BAD_LEN');
  const start = r.off;
  const type = r.u16();
  const length = r.u16();
  if (length < 4 || start + padded(length) > r.end) throw new OfpError('OFPBPC_BAD_LEN');
  const body = r.within(r.off, start + length, 'OFPBPC_BAD_LEN');
  r.off = start + padded(length);
  if (type < firstExperimenter) return { type, body };
  if (length < 12) throw new OfpError('OFPBPC_BAD_LEN');
  const vendor = r.dv.getUint32(start + 4);
  if (vendor === 0) throw new OfpError('OFPBPC_BAD_EXPERIMENTER');
  return { type, vendor, subtype: r.dv.getUint32(start + 8), body };
}

/**
 * The error that a property gets that its reader does not know; the log is told that it is none of
 * `whose`, where that is given.
 */
export function unknownProperty(
  property: Property,
  log?: ReturnType<typeof vlog.module>,
  whose?: string,
): OfpError {
  const { type, vendor, subtype } = property;
  const what =
    vendor === undefined
      ? `type ${type}`
      : `type for exp_id 0x${vendor.toString(16)}, exp_type ${subtype}`;
  log?.rl.warn(`unknown ${whose} property ${what}`);
  return new OfpError(property.vendor === undefined ? 'OFPBPC_BAD_TYPE' : 'OFPBPC_BAD_EXP_TYPE');
}

/** A body of 32 bits and no more. */
export function propertyU32({ body }: Property): number {
  return checkLength(body, 4).u32();
}

function checkLength(body: Reader, length: number): Reader {
  if (body.left !== length) throw new OfpError('OFPBPC_BAD_LEN');
  return body;
}

/** Writes type and length around what `put` writes, and the padding. */
export function putProperty(w: ByteWriter, type: number, put: () => void): void {
  const start = w.grow(4);
  put();
  w.dv.setUint16(start, type);
  w.dv.setUint16(start + 2, w.length - start);
  w.align8(start);
}

function padded(length: number): number {
  return (length + 7) & ~7;
}
