/** Instructions of OpenFlow 1.1 and later (OpenFlow 1.3.5 section 7.2.4). */
import { vlog } from '@heddle/runtime';
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import type { TlvFields } from '../match/tlv-fields.ts';
import type { OfpAct } from '../ofp-actions.ts';
import { refusal } from '../refuse.ts';
import { parseActionSet } from './action-set.ts';
import { ByteWriter } from './byte-writer.ts';
import { emitActionList } from './emit-actions.ts';
import { type ParseActionsOptions, parseActions, parseUnverified } from './parse-actions.ts';
import { verifyActions } from './verify-actions.ts';

const OFPIT = {
  gotoTable: 1,
  writeMetadata: 2,
  writeActions: 3,
  applyActions: 4,
  clearActions: 5,
  meter: 6,
} as const;

/** The order in which a flow's instructions run, whatever order they came in. */
const ORDER = [
  OFPIT.meter,
  OFPIT.applyActions,
  OFPIT.clearActions,
  OFPIT.writeActions,
  OFPIT.writeMetadata,
  OFPIT.gotoTable,
];

const INSTRUCTIONS = new Set([
  'meter',
  'clear_actions',
  'write_actions',
  'write_metadata',
  'goto_table',
]);

export function isInstruction(act: OfpAct): boolean {
  return INSTRUCTIONS.has(act.type);
}

/** Lists of actions by version and bytes; flows have few different ones, which need not be parsed again. */
let recent = new Map<string, readonly OfpAct[]>();
let older = new Map<string, readonly OfpAct[]>();
const RECENT = 1024;
const LONGEST = 512;

/**
 * OpenFlow 1.0 has actions only. The same bytes may give the same array. `tlv`: tunnel options that
 * may be named, undefined for all. Throws OfpError.
 */
export function parseInstructions(
  bytes: Uint8Array,
  version: OfpVersion,
  tlv?: TlvFields,
): readonly OfpAct[] {
  if (bytes.length === 0) return NO_ACTIONS;
  if (bytes.length > LONGEST) return parseList(bytes, version, { tlv });
  if (version === last.version && isSame(last, bytes)) return last.acts;
  const text = Buffer.prototype.latin1Slice.call(bytes, 0, bytes.length);
  const key = `${version}${text}`;
  const known = recent.get(key) ?? older.get(key);
  if (known) return remember(bytes, version, known);
  let usesTlv = false;
  const has = (index: number): boolean => {
    usesTlv = true;
    return tlv?.has(index) ?? true;
  };
  const acts = parseList(bytes, version, { tlv: { has } });
  if (usesTlv) return acts;
  if (recent.size >= RECENT) {
    older = recent;
    recent = new Map();
  }
  recent.set(key, acts);
  return remember(bytes, version, acts);
}

/** The list that came last: bytes are compared faster than texts are made. */
const last = {
  version: 0,
  length: 0,
  bytes: new Uint8Array(LONGEST),
  acts: [] as readonly OfpAct[],
};

function isSame({ length, bytes }: typeof last, other: Uint8Array): boolean {
  if (length !== other.length) return false;
  for (let i = 0; i < length; i++) if (bytes[i] !== other[i]) return false;
  return true;
}

function remember(bytes: Uint8Array, version: number, acts: readonly OfpAct[]): typeof acts {
  last.version = version;
  last.length = bytes.length;
  last.bytes.set(bytes);
  last.acts = acts;
  return acts;
}

const log = vlog.module('ofp_actions');

const NO_ACTIONS: readonly OfpAct[] = [];

function parseList(
  bytes: Uint8Array,
  version: OfpVersion,
  options: ParseActionsOptions,
): readonly OfpAct[] {
  if (version === 1) return parseActions(bytes, version, { ...options, allowInstructions: true });
  const found = splitInstructions(bytes, version);
  const acts: OfpAct[] = [];
  let applied: readonly OfpAct[] = NO_ACTIONS;
  for (const type of ORDER) {
    const body = found.get(type);
    if (!body) continue;
    const parsed = parseInstruction(type, body, version, options);
    if (type === OFPIT.applyActions) applied = parsed;
    acts.push(...parsed);
  }
  verifyActions(applied);
  return acts;
}

/** Bytes of each instruction, by type. */
function splitInstructions(bytes: Uint8Array, version: OfpVersion): Map<number, Uint8Array> {
  if (bytes.length % 8 !== 0) {
    const why = `OpenFlow message instructions length ${bytes.length} is not a multiple of 8`;
    throw refusal(log, 'OFPBIC_BAD_LEN', why);
  }
  const dv = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = new Map<number, Uint8Array>();
  for (let o = 0; o < bytes.length; ) {
    const type = dv.getUint16(o);
    const length = dv.getUint16(o + 2);
    if (length < 8 || length % 8 !== 0 || o + length > bytes.length) {
      throw refusal(log, 'OFPBIC_BAD_LEN', `bad instruction format at offset ${o}`);
    }
    checkInstruction(type, length, version);
    if (found.has(type)) throw new OfpError('OFPBIC_DUP_INST');
    found.set(type, bytes.subarray(o, o + length));
    o += length;
  }
  return found;
}

function checkInstruction(type: number, length: number, version: OfpVersion): void {
  if (type === 0xffff) throw new OfpError('OFPBIC_BAD_EXPERIMENTER');
  const known = type >= 1 && type <= 5;
  const isMeter = type === OFPIT.meter && version < 6;
  // OpenFlow 1.5 has no meters here, but knows their length.
  if (type === OFPIT.meter && length !== 8) throw new OfpError('OFPBIC_BAD_LEN');
  if (!known && !isMeter) throw new OfpError('OFPBIC_UNKNOWN_INST');
  const actions = type === OFPIT.writeActions || type === OFPIT.applyActions;
  const exact = type === OFPIT.writeMetadata ? 24 : 8;
  if (!actions && length !== exact) throw new OfpError('OFPBIC_BAD_LEN');
}

function parseInstruction(
  type: number,
  body: Uint8Array,
  version: OfpVersion,
  options: ParseActionsOptions,
): OfpAct[] {
  const dv = new DataView(body.buffer, body.byteOffset, body.byteLength);
  switch (type) {
    case OFPIT.meter:
      return [{ type: 'meter', meter: dv.getUint32(4) }];
    case OFPIT.applyActions:
      return parseUnverified(body.subarray(8), version, options);
    case OFPIT.clearActions:
      return [{ type: 'clear_actions' }];
    case OFPIT.writeActions:
      return [
        { type: 'write_actions', actions: parseActionSet(body.subarray(8), version, options) },
      ];
    case OFPIT.writeMetadata:
      return [{ type: 'write_metadata', metadata: dv.getBigUint64(8), mask: dv.getBigUint64(16) }];
    default:
      return [{ type: 'goto_table', table: body[4]! }];
  }
}

export function emitInstructions(acts: readonly OfpAct[], version: OfpVersion): Uint8Array {
  const w = new ByteWriter();
  putInstructions(w, acts, version);
  return w.take();
}

/** As `emitInstructions`, at the end of what the writer has. */
export function putInstructions(w: ByteWriter, acts: readonly OfpAct[], version: OfpVersion): void {
  if (version === 1) {
    emitActionList(w, acts, version);
    return;
  }
  for (let i = 0; i < acts.length; ) {
    const act = acts[i]!;
    if (isInstruction(act) && !(act.type === 'meter' && version === 6)) {
      emitInstruction(w, act, version);
      i++;
      continue;
    }
    let end = i + 1;
    while (end < acts.length && !isInstruction(acts[end]!)) end++;
    const isAll = i === 0 && end === acts.length;
    emitNested(w, OFPIT.applyActions, isAll ? acts : acts.slice(i, end), version);
    i = end;
  }
}

function emitInstruction(w: ByteWriter, act: OfpAct, version: OfpVersion) {
  switch (act.type) {
    case 'meter': {
      if (version < 4) return;
      const at = put(w, OFPIT.meter, 8);
      w.dv.setUint32(at + 4, act.meter);
      return;
    }
    case 'clear_actions':
      put(w, OFPIT.clearActions, 8);
      return;
    case 'write_actions':
      if (act.actions.length > 0) emitNested(w, OFPIT.writeActions, act.actions, version);
      return;
    case 'write_metadata': {
      const at = put(w, OFPIT.writeMetadata, 24);
      w.dv.setBigUint64(at + 8, act.metadata);
      w.dv.setBigUint64(at + 16, act.mask);
      return;
    }
    case 'goto_table':
      w.setU8(put(w, OFPIT.gotoTable, 8) + 4, act.table);
  }
}

function put(w: ByteWriter, type: number, length: number): number {
  const at = w.grow(length);
  w.dv.setUint16(at, type);
  w.dv.setUint16(at + 2, length);
  return at;
}

function emitNested(w: ByteWriter, type: number, acts: readonly OfpAct[], version: OfpVersion) {
  const at = put(w, type, 8);
  emitActionList(w, acts, version);
  w.dv.setUint16(at + 2, w.length - at);
}
