/**
 * Actions from the wire. Each one is a header of type and length; type 0xffff carries a vendor and
 * the vendor's own type (OpenFlow 1.0 section 5.2.4, 1.3.5 section 7.2.5).
 */
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import type { TlvFields } from '../match/tlv-fields.ts';
import type { OfpAct } from '../ofp-actions.ts';
import { NICIRA_ACTIONS } from './parse-nicira.ts';
import { copyFieldOnf, OF10_ACTIONS, OF11_ACTIONS } from './parse-standard.ts';
import { verifyActions, verifyOrder } from './verify-actions.ts';

/** What a parser of one action sees. */
export interface RawContext {
  readonly u8: Uint8Array;
  readonly dv: DataView;
  /** Where the action begins and ends. */
  readonly o: number;
  readonly end: number;
  readonly version: OfpVersion;
  readonly tlv: TlvFields | undefined;
  /** Parses actions nested within this one. */
  nested(from: number, to: number): OfpAct[];
}

/** A form on the wire: the versions that have it, its length or, when variable, the least of it. */
export interface RawAction {
  readonly since: OfpVersion;
  readonly until: OfpVersion;
  readonly length: number;
  readonly variable: boolean;
  parse(c: RawContext): OfpAct | readonly OfpAct[];
}

const OFPAT_VENDOR = 0xffff;
export const NX_VENDOR = 0x0000_2320;
export const ONF_VENDOR = 0x4f4e_4600;
export const ONFACT_COPY_FIELD = 3200;

/** Actions may nest in clone and ct; deeper than this is an attack. */
const MAX_DEPTH = 64;

export interface ParseActionsOptions {
  /** OpenFlow 1.0 has no instructions: flows carry write_metadata among their actions. */
  readonly allowInstructions?: boolean;
  /** Tunnel options that may be named; undefined: all. */
  readonly tlv?: TlvFields | undefined;
}

/** Throws OfpError. Instructions are `parseInstructions`' business. */
export function parseActions(
  bytes: Uint8Array,
  version: OfpVersion,
  options: ParseActionsOptions = {},
): OfpAct[] {
  const acts = parseUnverified(bytes, version, options);
  verifyActions(acts);
  if (options.allowInstructions) verifyOrder(acts);
  return acts;
}

/** As `parseActions`, each action by itself: what they are together is yet to be verified. */
export function parseUnverified(
  bytes: Uint8Array,
  version: OfpVersion,
  options: ParseActionsOptions,
): OfpAct[] {
  if (bytes.length % 8 !== 0) throw new OfpError('OFPBRC_BAD_LEN');
  const dv = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const acts = parseRange({ u8: bytes, dv, version, tlv: options.tlv }, 0, bytes.length, 0);
  if (!options.allowInstructions && acts.some((act) => act.type === 'write_metadata')) {
    throw new OfpError('OFPBIC_UNSUP_INST');
  }
  return acts;
}

function parseRange(
  list: Pick<RawContext, 'u8' | 'dv' | 'version' | 'tlv'>,
  from: number,
  to: number,
  depth: number,
): OfpAct[] {
  const { dv, version } = list;
  if (depth > MAX_DEPTH) throw new OfpError('OFPBAC_BAD_ARGUMENT', 'actions nest too deep');
  const acts: OfpAct[] = [];
  const nested = (a: number, b: number) => parseRange(list, a, b, depth + 1);
  for (let o = from; o < to; ) {
    const raw = rawAction(dv, o, to, version);
    const length = actionLength(dv, o, to);
    if (raw.variable ? length < raw.length : length !== raw.length) {
      throw new OfpError('OFPBAC_BAD_LEN');
    }
    const made = raw.parse({ ...list, o, end: o + length, nested });
    if (Array.isArray(made)) acts.push(...(made as readonly OfpAct[]));
    else acts.push(made as OfpAct);
    o += length;
  }
  return acts;
}

function actionLength(dv: DataView, o: number, to: number): number {
  const length = dv.getUint16(o + 2);
  if (length === 0 || length % 8 !== 0 || o + length > to) throw new OfpError('OFPBAC_BAD_LEN');
  return length;
}

/** What an action is, upstream asks before it asks for its length. */
function rawAction(dv: DataView, o: number, to: number, version: OfpVersion): RawAction {
  if (o + 8 > to) throw new OfpError('OFPBAC_BAD_LEN');
  const type = dv.getUint16(o);
  let raw: RawAction | undefined;
  let unknown = 'OFPBAC_BAD_TYPE';
  if (type === OFPAT_VENDOR) {
    const vendor = dv.getUint32(o + 4);
    if (vendor !== NX_VENDOR && vendor !== ONF_VENDOR) throw new OfpError('OFPBAC_BAD_VENDOR');
    if (o + 16 > to) throw new OfpError('OFPBAC_BAD_LEN');
    const subtype = dv.getUint16(o + 8);
    if (vendor === NX_VENDOR) raw = NICIRA_ACTIONS.get(subtype);
    else raw = subtype === ONFACT_COPY_FIELD ? copyFieldOnf : undefined;
    unknown = 'OFPBAC_BAD_VENDOR_TYPE';
  } else {
    raw = (version === 1 ? OF10_ACTIONS : OF11_ACTIONS)[type];
  }
  if (!raw || version < raw.since || version > raw.until) throw new OfpError(unknown);
  return raw;
}
