/** Matches from NXM and OXM entries (OpenFlow 1.3.5 section 7.2.3). */
import { vlog } from '@heddle/runtime';
import { OfpError } from '../errors.ts';
import { Match, type TunMetadataMatch } from '../match.ts';
import { refusal } from '../refuse.ts';
import { fieldPlan } from './field-plan.ts';
import {
  fromBytes,
  isFieldValueValid,
  isFieldWild,
  setMatchFieldBytes,
  tunMetadataIndex,
} from './match-field.ts';
import { OFP11_MATCH_LENGTH, parseOfp11StandardMatch } from './ofp11-match.ts';
import { type FieldHeader, isCookie, MAX_VARIABLE, parseFieldHeader } from './oxm-header.ts';
import { fieldPrerequisitesMet } from './prerequisites.ts';
import { checkMapped, type TlvFields } from './tlv-fields.ts';
import { hexOr0 } from './value-text.ts';

const log = vlog.module('nx_match');

export interface OxmParseOptions {
  /** Skip unknown fields and ask for no prerequisites. */
  readonly loose?: boolean;
  /** The cookie's pseudo-field is allowed, as in NXM flow mods and requests. */
  readonly cookie?: boolean;
  /** Whose memory the match may take. */
  readonly into?: Match | undefined;
  /** Tunnel options that may be named; undefined: all. */
  readonly tlv?: TlvFields | undefined;
  /**
   * Fields of the pipeline and none of headers, as OpenFlow 1.5's packet-outs have them; what `tlv`
   * does not map is left out.
   */
  readonly isPipelineOnly?: boolean;
}

export interface ParsedOxm {
  readonly match: Match;
  /** Of the cookie's pseudo-field; mask 0 without one. */
  readonly cookie: bigint;
  readonly cookieMask: bigint;
}

const OFPMT_STANDARD = 0;
const OFPMT_OXM = 1;

interface State {
  readonly match: Match;
  readonly tun: TunMetadataMatch[];
  cookie: bigint;
  cookieMask: bigint;
}

/** Entries alone, without a header: NXM, or what an OXM match contains. */
export function parseNxMatch(bytes: Uint8Array, options: OxmParseOptions = {}): ParsedOxm {
  return parseEntries(bytes, 0, bytes.length, options);
}

/** `struct ofp11_match` at `off`: standard, or OXM padded to a multiple of 8; `length` is all of it. */
export function parseOfp11Match(
  bytes: Uint8Array,
  off = 0,
  options: OxmParseOptions = {},
  end = bytes.length,
): { match: Match; length: number } {
  if (end - off < 4) throw new OfpError('OFPBMC_BAD_LEN');
  const type = (bytes[off]! << 8) | bytes[off + 1]!;
  const size = (bytes[off + 2]! << 8) | bytes[off + 3]!;
  const length = (size + 7) & ~7;
  if (type !== OFPMT_STANDARD && type !== OFPMT_OXM) throw new OfpError('OFPBMC_BAD_TYPE');
  if (size < 4 || length > end - off) throw new OfpError('OFPBMC_BAD_LEN');
  if (type === OFPMT_STANDARD) {
    if (size !== OFP11_MATCH_LENGTH) throw new OfpError('OFPBMC_BAD_LEN');
    const match = parseOfp11StandardMatch(bytes, off, options.into);
    return { match, length: OFP11_MATCH_LENGTH };
  }
  return { match: parseEntries(bytes, off + 4, off + size, options).match, length };
}

function parseEntries(
  bytes: Uint8Array,
  start: number,
  end: number,
  options: OxmParseOptions,
): ParsedOxm {
  const tun: TunMetadataMatch[] = [];
  const state: State = {
    match: options.into?.recycle(tun) ?? new Match(undefined, undefined, tun),
    tun,
    cookie: 0n,
    cookieMask: 0n,
  };
  for (let off = start; off < end; ) {
    const header = parseFieldHeader(bytes, off, end);
    const at = off + header.headerLength;
    if (at + header.payloadLength > end) throw new OfpError('OFPBMC_BAD_LEN');
    parseEntry(state, bytes, at, header, options);
    off = at + header.payloadLength;
  }
  return state;
}

function parseEntry(
  state: State,
  bytes: Uint8Array,
  at: number,
  header: FieldHeader,
  options: OxmParseOptions,
): void {
  const { point, hasMask, size } = header;
  if (!options.isPipelineOnly) checkMapped(point?.field, options.tlv);
  if (hasMask) checkWildcards(bytes, at, size, header);
  if (isCookie(header)) {
    parseCookie(state, bytes, at, header, options);
    return;
  }
  if (point?.field === undefined) {
    if (options.loose) return;
    throw new OfpError('OFPBMC_BAD_FIELD');
  }
  const { field } = point;
  const plan = fieldPlan(field);
  // A header's length is part of what it means.
  if (size > MAX_VARIABLE || (plan.mode !== 'none' && size !== plan.size)) {
    if (options.loose) return;
    throw new OfpError('OFPBMC_BAD_FIELD');
  }
  // Fields that take no mask take one of all bits or of none.
  const isWhole = !hasMask || (!point.maskable && isFilled(bytes, at + size, size, 0xff));
  const isNothing = !isWhole && !point.maskable;
  if (isNothing && !isFilled(bytes, at + size, size, 0)) throw new OfpError('OFPBMC_BAD_MASK');
  if (plan.mode !== 'none' && !isFieldValueValid(plan, bytes, at)) {
    throw new OfpError('OFPBMC_BAD_VALUE');
  }
  if (options.isPipelineOnly && !PIPELINE.test(field.name)) {
    throw new OfpError('OFPBRC_PIPELINE_FIELDS_ONLY');
  }
  if (!options.loose && !fieldPrerequisitesMet(field, state.match)) {
    throw new OfpError('OFPBMC_BAD_PREREQ');
  }
  if (plan.mode === 'none' && !(options.tlv?.has(tunMetadataIndex(field)) ?? true)) return;
  if (!isFieldWild(state.match, plan)) throw new OfpError('OFPBMC_DUP_FIELD');
  if (isNothing) return;
  if (plan.mode === 'none') {
    // Of what is longer upstream takes the first bytes.
    const taken = Math.min(size, plan.size);
    const value = bytes.slice(at, at + taken);
    const mask = hasMask
      ? bytes.slice(at + size, at + size + taken)
      : new Uint8Array(taken).fill(255);
    const exact = hasMask ? {} : { isExact: true as const };
    state.tun.push({ index: tunMetadataIndex(field), value, mask, ...exact });
    return;
  }
  setMatchFieldBytes(state.match, plan, bytes, at, isWhole ? undefined : bytes, at + size);
}

const PIPELINE = /^(in_port(_oxm)?|metadata|x{0,2}reg\d+|packet_type|tun_.*)$/;

function isFilled(bytes: Uint8Array, at: number, size: number, byte: number): boolean {
  for (let i = 0; i < size; i++) if (bytes[at + i] !== byte) return false;
  return true;
}

function checkWildcards(bytes: Uint8Array, at: number, size: number, header: FieldHeader): void {
  for (let i = 0; i < size; i++) {
    if ((bytes[at + i]! & ~bytes[at + size + i]! & 0xff) !== 0) {
      throw wildcardsRefusal(header);
    }
  }
}

/** Of an entry whose value has bits that its mask leaves open. */
export function wildcardsRefusal(header: FieldHeader): OfpError {
  const why = `Rejecting NXM/OXM entry ${entryText(header)} with 1-bits in value for bits wildcarded by the mask.`;
  return refusal(log, 'OFPBMC_BAD_WILDCARDS', why);
}

/** Experimenter, class, field, whether it has a mask, and length, as the log has it. */
function entryText({
  vendor,
  cls,
  number,
  hasMask,
  payloadLength,
  headerLength,
}: FieldHeader): string {
  return [hexOr0(vendor), cls, number, hasMask ? 1 : 0, payloadLength + headerLength - 4].join(':');
}

function parseCookie(
  state: State,
  bytes: Uint8Array,
  at: number,
  header: FieldHeader,
  options: OxmParseOptions,
): void {
  if (!options.cookie) {
    if (options.loose) return;
    throw new OfpError('OFPBMC_BAD_FIELD');
  }
  if (state.cookieMask !== 0n) throw new OfpError('OFPBMC_DUP_FIELD');
  state.cookie = fromBytes(bytes, at, 8);
  state.cookieMask = header.hasMask ? fromBytes(bytes, at + 8, 8) : 0xffff_ffff_ffff_ffffn;
}
