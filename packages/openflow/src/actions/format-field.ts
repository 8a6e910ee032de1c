/** Fields, subfields and their values in actions' text. */
import type { Field } from '@heddle/packet';
import type { Colors } from '../match/colors.ts';
import { formatFieldText } from '../match/field-text.ts';
import { ofp10PortToOfp11, type PortNames } from '../match/ofp-port.ts';
import type { FieldValue, Subfield } from '../ofp-actions.ts';
import { exactMask, fieldBits, isVariable } from './field-header.ts';

export interface FieldFormatOptions {
  readonly ports?: PortNames | undefined;
  readonly colors?: Colors | undefined;
}

/** C's `%#x`: no prefix for zero. */
export function hex(value: number | bigint): string {
  return value === 0 || value === 0n ? '0' : `0x${value.toString(16)}`;
}

/** `NXM_NX_REG0[0..15]`, `[]` for all of it. */
export function formatSubfield({ field, ofs, nBits }: Subfield): string {
  const name = (field.nxm ?? field.oxm)?.[0] ?? field.name;
  if (ofs === 0 && nBits === fieldBits(field)) return `${name}[]`;
  return nBits === 1 ? `${name}[${ofs}]` : `${name}[${ofs}..${ofs + nBits - 1}]`;
}

export function fieldBytes(value: bigint, size: number): Uint8Array {
  const out = new Uint8Array(size);
  let rest = value;
  for (let i = size - 1; i >= 0 && rest > 0n; i--, rest >>= 8n) out[i] = Number(rest & 0xffn);
  return out;
}

/** A field's value in its own syntax. */
export function formatFieldValue(
  field: Field,
  value: bigint,
  mask: bigint | undefined,
  ports?: PortNames,
): string {
  if (isVariable(field)) return mask === undefined ? hex(value) : `${hex(value)}/${hex(mask)}`;
  if (field.format === 'hexadecimal' || field.format === 'decimal') {
    const text = field.format === 'decimal' ? String(value) : hex(value);
    return mask === undefined ? text : `${text}/${hex(mask)}`;
  }
  const size = field.width >> 3;
  if (field.format === 'OpenFlow 1.0 port' && mask !== undefined) return `${value}/${hex(mask)}`;
  const isPort = field.format === 'OpenFlow 1.1+ port';
  const wire = isPort ? BigInt(ofp10PortToOfp11(Number(value))) : value;
  const bits = mask === undefined ? undefined : fieldBytes(mask, size);
  return formatFieldText(field, fieldBytes(wire, size), bits, ports);
}

export function formatSetField({ field, value, mask }: FieldValue, f: FieldFormatOptions): string {
  const bits = mask === exactMask(field) ? undefined : mask;
  const text = bits === 0n ? 'ANY' : formatFieldValue(field, value, bits, f.ports);
  const { colors } = f;
  if (!colors) return `set_field:${text}->${field.name}`;
  return `${colors.special('set_field:')}${text}${colors.special('->')}${field.name}`;
}

/** A run of bits as numbers of up to 64 bits; anything else can only be a set_field. */
export function formatLoad(set: FieldValue, f: FieldFormatOptions): string {
  const { field, value, mask } = set;
  if (mask === 0n) return formatSetField(set, f);
  const low = mask & -mask;
  const ofs = low.toString(2).length - 1;
  const run = mask >> BigInt(ofs);
  if ((run & (run + 1n)) !== 0n) return formatSetField(set, f);
  const nBits = run === 0n ? 0 : run.toString(2).length;
  const loads: string[] = [];
  for (let at = 0; at < nBits; at += MAX_LOAD_BITS) {
    const n = Math.min(nBits - at, MAX_LOAD_BITS);
    const number = (value >> BigInt(ofs + at)) & ((1n << BigInt(n)) - 1n);
    loads.push(formatOneLoad(hex(number), formatSubfield({ field, ofs: ofs + at, nBits: n }), f));
  }
  return loads.join(',');
}

/** Of NXAST_REG_LOAD. */
const MAX_LOAD_BITS = 64;

function formatOneLoad(number: string, dst: string, { colors }: FieldFormatOptions): string {
  if (!colors) return `load:${number}->${dst}`;
  return `${colors.special('load:')}${number}${colors.special('->')}${dst}`;
}
