/**
 * Headers of NXM and OXM entries (OpenFlow 1.3.5 section 7.2.3.2): class 16, field 7, hasmask 1,
 * length 8; class 0xffff carries the experimenter in 4 bytes more, which the length includes.
 */
import { type CodePoint, codePointClass, FIELDS, type Field, fieldByName } from '@heddle/packet';
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';

/** One spelling of a field on the wire. */
export interface OxmCodePoint {
  readonly name: string;
  readonly cls: number;
  /** 0 unless `cls` is 0xffff. */
  readonly vendor: number;
  readonly number: number;
  /** undefined: a name that is known and no field, such as the cookie. */
  readonly field: Field | undefined;
  /** Bytes of the value. */
  readonly size: number;
  readonly maskable: boolean;
}

/** A header as the wire has it. */
export interface FieldHeader {
  /** undefined when this class and number are unknown. */
  readonly point: OxmCodePoint | undefined;
  readonly hasMask: boolean;
  /** Bytes of the header. */
  readonly headerLength: number;
  /** Bytes of value and mask. */
  readonly payloadLength: number;
  /** Bytes of the value; of an odd payload's two halves a byte is left over, as upstream. */
  readonly size: number;
  readonly cls: number;
  readonly vendor: number;
  readonly number: number;
}

/** 0: NXM, as OpenFlow 1.0 and 1.1 use it. */
export type OxmVersion = 0 | OfpVersion;

const EXPERIMENTER = 0xffff;
/** Bytes of a value whose length is the header's to say, at most. */
export const MAX_VARIABLE = 127;

const points: OxmCodePoint[] = [];
const byNumber = new Map<number, OxmCodePoint>();
const byName = new Map<string, OxmCodePoint>();
/** By name, as a tunnel option may be told of with the width that a bridge gives it. */
const byField = new Map<string, (OxmCodePoint & { readonly since: number })[]>();

/** OXM code points that came after OpenFlow 1.2. */
const SINCE: Readonly<Record<string, OfpVersion>> = {
  OXM_OF_TUNNEL_ID: 4,
  OXM_OF_MPLS_BOS: 4,
  ONFOXM_ET_TCP_FLAGS: 4,
  ONFOXM_ET_ACTSET_OUTPUT: 4,
  OXM_OF_PACKET_TYPE: 6,
};

/** Fields whose ONF experiment became a standard one in OpenFlow 1.5. */
const LATER: Readonly<Record<string, CodePoint>> = {
  tcp_flags: ['OXM_OF_TCP_FLAGS', 42],
  actset_output: ['OXM_OF_ACTSET_OUTPUT', 43],
};

for (const field of FIELDS) {
  if (field.oxm) add(field, field.oxm, sinceOf(field.oxm[0]));
  if (field.nxm) add(field, field.nxm, 0);
  const later = LATER[field.name];
  if (later) add(field, later, 6);
}
addPoint('NXM_NX_COOKIE', 0x0001, 0, 30, undefined, 8, true);
// Read and never written.
addPoint('NXOXM_ET_DP_HASH', EXPERIMENTER, 0x2320, 0, fieldByName('dp_hash'), 4, true);

function sinceOf(name: string): number {
  return name.startsWith('OXM_OF_PKT_REG') ? 4 : (SINCE[name] ?? 3);
}

function add(field: Field, point: CodePoint, since: number): void {
  const { cls, vendor } = codePointClass(point);
  const size = field.width / 8;
  const made = addPoint(point[0], cls, vendor, point[1], field, size, field.masking !== 'none');
  const list = byField.get(field.name) ?? [];
  list.push({ ...made, since });
  list.sort((a, b) => b.since - a.since);
  byField.set(field.name, list);
}

function addPoint(
  name: string,
  cls: number,
  vendor: number,
  number: number,
  field: Field | undefined,
  size: number,
  maskable: boolean,
): OxmCodePoint {
  const point = { name, cls, vendor, number, field, size, maskable };
  points.push(point);
  byName.set(name, point);
  if (field !== undefined) byNumber.set(numberKey(cls, vendor, number), point);
  return point;
}

function numberKey(cls: number, vendor: number, number: number): number {
  return cls === EXPERIMENTER ? (1 + vendor) * 2 ** 20 + number : cls * 128 + number;
}

/** NXM_NX_COOKIE shares its number with NXM_NX_MPLS_TTL: the length tells them apart. */
export function isCookie(header: FieldHeader): boolean {
  return header.cls === 1 && header.number === 30 && header.size === 8;
}

export function codePointByName(name: string): OxmCodePoint | undefined {
  return byName.get(name);
}

/** The spelling that `version` prefers: the newest OXM that it knows, else NXM. */
export function codePointOf(field: Field, version: OxmVersion): OxmCodePoint | undefined {
  const list = byField.get(field.name);
  if (list === undefined) return undefined;
  for (const point of list) if (point.since <= version) return point;
  return list.at(-1);
}

/** Throws when the field has no code point. A variable-length field needs `size`. */
export function emitFieldHeader(
  field: Field,
  hasMask: boolean,
  version: OxmVersion,
  size = field.width / 8,
): Uint8Array {
  const point = codePointOf(field, version);
  if (point === undefined) throw new OfpError('OFPBMC_BAD_FIELD', field.name);
  return emitHeader(point, hasMask, size);
}

export function emitHeader(point: OxmCodePoint, hasMask: boolean, size = point.size): Uint8Array {
  const out = new Uint8Array(point.cls === EXPERIMENTER ? 8 : 4);
  writeHeader(out, 0, point, hasMask, size);
  return out;
}

/** Returns the offset behind it. */
export function writeHeader(
  out: Uint8Array,
  off: number,
  point: OxmCodePoint,
  hasMask: boolean,
  size: number,
): number {
  const payload = hasMask ? 2 * size : size;
  const experimenter = point.cls === EXPERIMENTER;
  out[off] = point.cls >>> 8;
  out[off + 1] = point.cls;
  out[off + 2] = (point.number << 1) | (hasMask ? 1 : 0);
  out[off + 3] = payload + (experimenter ? 4 : 0);
  if (!experimenter) return off + 4;
  out[off + 4] = point.vendor >>> 24;
  out[off + 5] = point.vendor >>> 16;
  out[off + 6] = point.vendor >>> 8;
  out[off + 7] = point.vendor;
  return off + 8;
}

/** Throws OFPBMC_BAD_LEN when the header is cut short; says nothing about the payload. */
export function parseFieldHeader(bytes: Uint8Array, off: number, end = bytes.length): FieldHeader {
  if (end - off < 4) throw new OfpError('OFPBMC_BAD_LEN');
  const cls = (bytes[off]! << 8) | bytes[off + 1]!;
  const number = bytes[off + 2]! >>> 1;
  const hasMask = (bytes[off + 2]! & 1) !== 0;
  const length = bytes[off + 3]!;
  if (cls !== EXPERIMENTER) {
    const point = byNumber.get(cls * 128 + number);
    const size = hasMask ? length >>> 1 : length;
    return { point, hasMask, headerLength: 4, payloadLength: length, size, cls, vendor: 0, number };
  }
  if (length < 4 || end - off < 8) throw new OfpError('OFPBMC_BAD_LEN');
  const o = off + 4;
  const vendor =
    ((bytes[o]! << 24) | (bytes[o + 1]! << 16) | (bytes[o + 2]! << 8) | bytes[o + 3]!) >>> 0;
  const point = byNumber.get(numberKey(cls, vendor, number));
  const payloadLength = length - 4;
  const size = hasMask ? payloadLength >>> 1 : payloadLength;
  return { point, hasMask, headerLength: 8, payloadLength, size, cls, vendor, number };
}
