/** set_field and move by version: OFPAT_SET_FIELD, OFPAT_COPY_FIELD, or Nicira's. */
import { type Field, fieldByName } from '@heddle/packet';
import type { OfpVersion } from '../constants.ts';
import { ofp10PortToOfp11 } from '../match/ofp-port.ts';
import type { OxmVersion } from '../match/oxm-header.ts';
import type { FieldValue, OfpAct } from '../ofp-actions.ts';
import type { ByteWriter } from './byte-writer.ts';
import { putNicira } from './emit-nicira.ts';
import {
  exactMask,
  fieldBits,
  hasShortHeader,
  isVariable,
  NXM,
  ofsNbits,
  putFieldHeader,
} from './field-header.ts';
import { legalBits } from './parse-set-field.ts';

const OFPAT_SET_FIELD = 25;
const OFPAT15_COPY_FIELD = 28;

type SetField = Extract<OfpAct, { type: 'set_field' }>;

export function emitSetField(w: ByteWriter, act: SetField, version: OfpVersion) {
  if (version >= 6) putSetField(w, act.set, version);
  else if (act.compat === 'load2') emitRegLoad2(w, act.set);
  else if (act.compat === 'load' || version < 3 || !isWhole(act.set)) emitRegLoad(w, act.set);
  else putSetField(w, act.set, version);
}

/** Whether the mask has all bits of the field, or all of its width. */
export function isWhole({ field, mask }: FieldValue): boolean {
  return mask === exactMask(field);
}

function field(name: string): Field {
  const found = fieldByName(name);
  if (!found) throw new Error(`no field ${name}`);
  return found;
}

/** OFPAT_SET_FIELD of a whole field. */
export function putSetOf(w: ByteWriter, name: string, value: bigint, version: OfpVersion): void {
  const f = field(name);
  putSetField(w, { field: f, value, mask: exactMask(f) }, version);
}

/** The field as set_field would have it in the version. */
export function emitSetOf(w: ByteWriter, name: string, value: bigint, version: OfpVersion) {
  const f = field(name);
  if (version >= 3) putSetOf(w, name, value, version);
  else emitRegLoad(w, { field: f, value, mask: legalBits(f) });
}

function putSetField(w: ByteWriter, set: FieldValue, version: OfpVersion): void {
  const start = w.length;
  w.u16(OFPAT_SET_FIELD);
  w.u16(0);
  putEntry(w, set, version);
  w.align8(start);
  w.dv.setUint16(start + 2, w.length - start);
}

function putEntry(w: ByteWriter, set: FieldValue, version: OxmVersion): void {
  const { field: f } = set;
  const exact = isWhole(set);
  const size = isVariable(f) ? variableSize(set) : f.width >> 3;
  putFieldHeader(w, f, version, !exact, size);
  w.uint(wireValue(set), size);
  if (!exact) w.uint(set.mask, size);
}

function wireValue({ field: f, value }: FieldValue): bigint {
  return f.format === 'OpenFlow 1.1+ port' ? BigInt(ofp10PortToOfp11(Number(value))) : value;
}

/** tun_metadata is as long as its value or, when masked, its mask needs. */
function variableSize(set: FieldValue): number {
  const widest = isWhole(set) ? set.value : set.mask | set.value;
  return widest === 0n ? 0 : Math.ceil(widest.toString(16).length / 2);
}

/** One NXAST_REG_LOAD for each run of bits, 64 at most; NXAST_REG_LOAD2 where the header is long. */
function emitRegLoad(w: ByteWriter, set: FieldValue) {
  if (!hasShortHeader(set.field) || isVariable(set.field)) return emitRegLoad2(w, set);
  let rest = set.mask & ((1n << BigInt(fieldBits(set.field))) - 1n);
  if (set.field.name === 'vlan_vid') rest = set.mask & 0xfffn;
  let ofs = 0;
  while (rest !== 0n) {
    while (!(rest & 1n)) {
      rest >>= 1n;
      ofs++;
    }
    let n = 0;
    while (rest & 1n && n < 64) {
      rest >>= 1n;
      n++;
    }
    const value = (wireValue(set) >> BigInt(ofs)) & ((1n << BigInt(n)) - 1n);
    const at = putNicira(w, 7, 10);
    w.u16(ofsNbits({ field: set.field, ofs, nBits: n }));
    putFieldHeader(w, set.field, NXM);
    w.u64(value);
    w.dv.setUint16(at + 2, w.length - at);
    ofs += n;
  }
}

function emitRegLoad2(w: ByteWriter, set: FieldValue) {
  const at = putNicira(w, 33, 10);
  putEntry(w, set, NXM);
  w.align8(at);
  w.dv.setUint16(at + 2, w.length - at);
}

export function emitCopyField(
  w: ByteWriter,
  { src, dst }: Extract<OfpAct, { type: 'move' }>,
  version: OfpVersion,
) {
  const at = version >= 6 ? w.grow(4) : putNicira(w, 6, 10);
  if (version >= 6) w.dv.setUint16(at, OFPAT15_COPY_FIELD);
  w.u16(src.nBits);
  w.u16(src.ofs);
  w.u16(dst.ofs);
  if (version >= 6) w.u16(0);
  const headers = version >= 6 ? version : NXM;
  putFieldHeader(w, src.field, headers);
  putFieldHeader(w, dst.field, headers);
  w.align8(at);
  w.dv.setUint16(at + 2, w.length - at);
}
