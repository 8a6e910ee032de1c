/**
 * Actions from the wire. Each one is a header of type and length; type 0xffff carries a vendor and
 * the vendor's own type (OpenFlow 1.0 section 5.2.4, 1.3.5 section 7.2.5).
 */
import { vlog } from '@heddle/runtime';
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import type { TlvFields } from '../match/tlv-fields.ts';
import { hexOr0 } from '../match/value-text.ts';
import type { OfpAct } from '../ofp-actions.ts';
import { hexDump } from '../print/hex-dump.ts';
import { refusal } from '../refuse.ts';
import { actionName } from './action-names.ts';
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

const log = vlog.module('ofp_actions');

const OFPAT_VENDOR = 0xffff;
const MAX_LENGTH = 65_528;
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

/** As `parseActions` for the next `length` bytes of a message. */
export function pullActions(
  r: { readonly left: number; view(n: number): Uint8Array },
  length: number,
  version: OfpVersion,
): OfpAct[] {
  if (length % 8 === 0 && length > r.left) {
    const why = `OpenFlow message actions length ${length} exceeds remaining message length (${r.left})`;
    throw refusal(log, 'OFPBRC_BAD_LEN', why);
  }
  checkListLength(length);
  return parseActions(r.view(length), version);
}

function checkListLength(length: number): void {
  if (length % 8 === 0) return;
  const why = `OpenFlow message actions length ${length} is not a multiple of 8`;
  throw refusal(log, 'OFPBRC_BAD_LEN', why);
}

/** As `parseActions`, each action by itself: what they are together is yet to be verified. */
export function parseUnverified(
  bytes: Uint8Array,
  version: OfpVersion,
  options: ParseActionsOptions,
): OfpAct[] {
  checkListLength(bytes.length);
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
  let o = from;
  try {
    while (o < to) {
      const raw = rawAction(dv, o, to, version);
      const length = dv.getUint16(o + 2);
      const made = raw.parse({ ...list, o, end: o + length, nested });
      if (Array.isArray(made)) acts.push(...(made as readonly OfpAct[]));
      else acts.push(made as OfpAct);
      o += length;
    }
  } catch (error) {
    if (error instanceof OfpError) {
      const dump = hexDump(list.u8.subarray(from, to), false).trimEnd();
      log.rl.warn(`bad action at offset ${o - from} (${error.ofpErr}):\n${dump}`);
    }
    throw error;
  }
  return acts;
}

/** The action at `o`, whose length is right. What it is, upstream asks before it asks for its length. */
function rawAction(dv: DataView, o: number, to: number, version: OfpVersion): RawAction {
  if (o + 8 > to) throw new OfpError('OFPBAC_BAD_LEN');
  let type = dv.getUint16(o);
  let raw: RawAction | undefined;
  let unknown = 'OFPBAC_BAD_TYPE';
  let vendor = 0;
  if (type === OFPAT_VENDOR) {
    vendor = dv.getUint32(o + 4);
    if (vendor !== NX_VENDOR && vendor !== ONF_VENDOR) {
      const why = `OpenFlow action has unknown vendor ${hexOr0(vendor)}`;
      throw refusal(log, 'OFPBAC_BAD_VENDOR', why);
    }
    if (o + 16 > to) throw new OfpError('OFPBAC_BAD_LEN');
    type = dv.getUint16(o + 8);
    if (vendor === NX_VENDOR) raw = NICIRA_ACTIONS.get(type);
    else raw = type === ONFACT_COPY_FIELD ? copyFieldOnf : undefined;
    unknown = 'OFPBAC_BAD_VENDOR_TYPE';
  } else {
    raw = (version === 1 ? OF10_ACTIONS : OF11_ACTIONS)[type];
  }
  if (!raw || version < raw.since || version > raw.until) {
    const why = `unknown OpenFlow1${version - 1} action for vendor ${hexOr0(vendor)} and type ${type}`;
    throw refusal(log, unknown, why);
  }
  if (version >= 3 && vendor === 0 && isDeprecated(type)) {
    const name = actionName(version, vendor, type);
    log.rl.info(`${name} is deprecated in OpenFlow1${version - 1} (use Set-Field)`);
  }
  const length = dv.getUint16(o + 2);
  const wrong = lengthFault(raw, length, to - o);
  if (wrong !== undefined) {
    const name = actionName(version, vendor, type);
    throw refusal(log, 'OFPBAC_BAD_LEN', `OpenFlow action ${name} length ${length} ${wrong}`);
  }
  return raw;
}

/** OFPAT11_SET_*, which OpenFlow 1.2 has OFPAT_SET_FIELD for. */
function isDeprecated(type: number): boolean {
  return (type >= 1 && type <= 10) || (type >= 13 && type <= 15);
}

/** What is wrong with an action's length; `left`: bytes from where it begins. */
function lengthFault(raw: RawAction, length: number, left: number): string | undefined {
  if (length > left) return `exceeds action buffer length ${left}`;
  const most = raw.variable ? MAX_LENGTH : raw.length;
  if (length < raw.length || length > most) return `not in valid range [${raw.length},${most}]`;
  return length % 8 === 0 ? undefined : 'is not a multiple of 8';
}
