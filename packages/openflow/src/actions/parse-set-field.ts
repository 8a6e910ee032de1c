/** OFPAT_SET_FIELD, NXAST_REG_LOAD and NXAST_REG_LOAD2: one action in three forms. */
import type { Field } from '@heddle/packet';
import { vlog } from '@heddle/runtime';
import { OfpError } from '../errors.ts';
import { fieldPlan } from '../match/field-plan.ts';
import { ofp11PortToOfp10 } from '../match/ofp-port.ts';
import { type FieldHeader, MAX_VARIABLE, parseFieldHeader } from '../match/oxm-header.ts';
import { wildcardsRefusal } from '../match/oxm-parse.ts';
import { checkMapped, type TlvFields } from '../match/tlv-fields.ts';
import type { FieldValue, OfpAct } from '../ofp-actions.ts';
import { readUint } from './byte-writer.ts';
import {
  checkSubfieldBits,
  checkWritable,
  exactMask,
  expectZero,
  isVariable,
  parseField32,
  subfieldOfNbits,
} from './field-header.ts';
import { formatFieldValue } from './format-field.ts';
import type { RawContext } from './parse-actions.ts';

const log = vlog.module('ofp_actions');

/** An OXM entry at `o`, zeros up to the end of the action. */
export function parseSetField(c: RawContext, o: number): OfpAct {
  return { type: 'set_field', set: parseEntry(c, o, true) };
}

/** NXAST_REG_LOAD2, which set_field carries where the standard action cannot. */
export function parseRegLoad2(c: RawContext): OfpAct {
  return { type: 'set_field', set: parseEntry(c, c.o + 10, false), compat: 'load2' };
}

function parseEntry(c: RawContext, o: number, strict: boolean): FieldValue {
  const { u8, end } = c;
  const header = parseFieldHeader(u8, o, end);
  const { hasMask, size: length } = header;
  const field = setFieldOf(header, c.tlv);
  const at = o + header.headerLength;
  const next = at + header.payloadLength;
  if (next > end) throw new OfpError('OFPBMC_BAD_LEN');
  // Of what is longer than any option upstream takes the first bytes.
  const taken = Math.min(length, field.width >> 3);
  const raw = readUint(u8, at, taken);
  const mask = hasMask ? readUint(u8, at + length, taken) : exactMask(field);
  if (raw & ~mask) throw wildcardsRefusal(header);
  if (hasMask && strict && c.version < 6) {
    throw new OfpError('OFPBAC_BAD_SET_MASK');
  }
  expectZero(u8, next, end, 'OFPBAC_BAD_SET_ARGUMENT');
  const value = strict ? setFieldValue(field, raw) : raw;
  checkWritable({ field });
  if (field.name === 'in_port_oxm') throw new OfpError('OFPBAC_BAD_SET_ARGUMENT');
  if (value === undefined) {
    const text = formatFieldValue(field, raw, undefined);
    log.rl.warn(`Invalid value for set field ${field.name}: ${text}`);
    throw new OfpError('OFPBAC_BAD_SET_ARGUMENT');
  }
  return { field, value, mask };
}

/** A code point is looked up with its length: a wrong one is no field. */
function setFieldOf({ point, size, headerLength }: FieldHeader, tlv: TlvFields | undefined): Field {
  const field = point?.field;
  checkMapped(field, tlv);
  const isKnown = field && (isVariable(field) ? size <= MAX_VARIABLE : size === field.width >> 3);
  if (!isKnown) {
    const isEmpty = size === 0 && headerLength === 4;
    throw new OfpError(isEmpty ? 'OFPBAC_BAD_SET_TYPE' : 'OFPBAC_BAD_SET_LEN');
  }
  return field;
}

/** What the field can hold: undefined for a value of too many bits or a port that has no number. */
export function setFieldValue(field: Field, value: bigint): bigint | undefined {
  if (field.format === 'OpenFlow 1.1+ port') {
    const port = ofp11PortToOfp10(Number(value));
    return port === undefined ? undefined : BigInt(port);
  }
  if (field.name === 'vlan_vid' && !(value & 0x1000n)) return undefined;
  return (value & ~legalBits(field)) === 0n ? value : undefined;
}

/** Bits that a value of the field may have; `vlan_vid` carries OFPVID_PRESENT. */
export function legalBits(field: Field): bigint {
  const { legal } = fieldPlan(field);
  return legal === undefined ? exactMask(field) : BigInt(legal);
}

/** 10: ofs and n_bits, 12: the field, 16: 64 bits of value. */
export function parseRegLoad(c: RawContext): OfpAct {
  const { u8, dv, o } = c;
  const field = parseField32(c, o + 12);
  if (!field) throw new OfpError('OFPBAC_BAD_SET_TYPE');
  const dst = subfieldOfNbits(field, dv.getUint16(o + 10));
  checkSubfieldBits(dst, 'destination');
  checkWritable(dst);
  const value = readUint(u8, o + 16, 8);
  if (value >> BigInt(dst.nBits) !== 0n) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  const shift = BigInt(dst.ofs);
  const mask = ((1n << BigInt(dst.nBits)) - 1n) << shift;
  return { type: 'set_field', set: { field, value: value << shift, mask }, compat: 'load' };
}
