/** What each table can do (OpenFlow 1.3.5 section 7.3.5.5, 1.5.1 section 7.3.5.18). */

import { fieldByName } from '@heddle/packet';
import { vlog } from '@heddle/runtime';
import { ByteWriter } from '../actions/byte-writer.ts';
import { OFPTT_ALL, type OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import { emitFieldHeader, parseFieldHeader } from '../match/oxm-header.ts';
import type { TableActionFeatures, TableFeatures } from '../messages.ts';
import { refusal } from '../refuse.ts';
import {
  actionBits,
  actionNames,
  instructionBits,
  instructionNames,
  sortFields,
} from './feature-names.ts';
import { type AnyForm, form, writeNothing } from './form.ts';
import { pullList } from './list.ts';
import { type Property, pullProperty, putProperty, unknownProperty } from './property.ts';
import { Reader } from './reader.ts';

const log = vlog.module('ofp_table');

/** Odd numbers are for the table miss. */
const OFPTFPT13 = {
  instructions: 0,
  nextTables: 2,
  writeActions: 4,
  applyActions: 6,
  match: 8,
  wildcards: 10,
  writeSetField: 12,
  applySetField: 14,
} as const;
const REQUIRED = Object.values(OFPTFPT13).reduce<number>((bits, type) => bits | (1 << type), 0);
const FIRST_EXPERIMENTER = 0xfffe;
const FIXED_LENGTH = 64;
const NAME_LENGTH = 32;
const OFPTC14_EVICTION = 1 << 2;
const OFPTC14_VACANCY_EVENTS = 1 << 3;
const OFPTFC15_LAST = 3;
const N_INSTRUCTIONS = 7;
const N_ACTIONS = 32;

interface ActionSets {
  actions: string[];
  setFields: string[];
}

interface Draft {
  next: number[];
  instructions: string[];
  write: ActionSets;
  apply: ActionSets;
}

function draft(): Draft {
  const sets = (): ActionSets => ({ actions: [], setFields: [] });
  return { next: [], instructions: [], write: sets(), apply: sets() };
}

function pullFeatures(r: Reader, version: OfpVersion, loose: boolean): TableFeatures {
  const at = r.off;
  if (r.left < FIXED_LENGTH) throw new OfpError('OFPBPC_BAD_LEN');
  const length = r.dv.getUint16(at);
  if (length < FIXED_LENGTH || length > r.left || length % 8 !== 0) {
    throw new OfpError('OFPBPC_BAD_LEN');
  }
  const command = version >= 6 ? r.u8[at + 3]! : 0;
  if (command > OFPTFC15_LAST) throw new OfpError('OFPTFFC_BAD_COMMAND');
  if (r.u8[at + 2] === OFPTT_ALL) throw new OfpError('OFPTFFC_BAD_TABLE');
  r.off = at + 8;
  const name = r.string(NAME_LENGTH);
  const metadataMatch = r.u64();
  const metadataWrite = r.u64();
  const config = r.u32();
  const maxEntries = r.u32();
  const lists = pullLists(r.within(r.off, at + length), version, loose);
  r.off = at + length;
  return {
    tableId: r.u8[at + 2]!,
    name,
    metadataMatch,
    metadataWrite,
    maxEntries,
    miss: 'default',
    supportsEviction: version >= 5 && (config & OFPTC14_EVICTION) !== 0,
    supportsVacancyEvents: version >= 5 && (config & OFPTC14_VACANCY_EVENTS) !== 0,
    ...(version >= 6 && { command, features: r.dv.getUint32(at + 4) }),
    ...lists,
  };
}

type Lists = Pick<TableFeatures, 'nonmiss' | 'onMiss' | 'match' | 'wildcard' | 'mask'>;

function pullLists(r: Reader, version: OfpVersion, loose: boolean): Lists {
  const sides = [draft(), draft()] as const;
  const match = new Set<string>();
  const mask = new Set<string>();
  const wildcard = new Set<string>();
  let seen = 0;
  const isEmpty = r.left === 0;
  while (r.left > 0) {
    const property = pullProperty(r, FIRST_EXPERIMENTER);
    const { type, body } = property;
    if (property.vendor === undefined && type < 16) {
      if ((seen & (1 << type)) !== 0) throw new OfpError('OFPTFFC_BAD_FEATURES');
      seen |= 1 << type;
    }
    if (type === OFPTFPT13.match) pullFields(body, match, mask);
    else if (type === OFPTFPT13.wildcards) pullFields(body, wildcard, undefined);
    else pullSide(property, sides[type & 1]!, version, loose);
  }
  const missing = REQUIRED & ~seen;
  if (missing !== 0 && !(version >= 6 && isEmpty)) {
    const count = missing.toString(2).replaceAll('0', '').length;
    const first = 31 - Math.clz32(missing & -missing);
    const why = `table features message missing ${count} required properties, including property ${first}`;
    throw refusal(log, 'OFPTFFC_BAD_FEATURES', why);
  }
  const [nonmiss, miss] = sides;
  return {
    nonmiss,
    onMiss: withDefaults(miss, nonmiss, seen),
    match: sortFields(match),
    wildcard: sortFields(wildcard),
    mask: sortFields(mask),
  };
}

/** What is not told of the miss is as it is otherwise. */
function withDefaults(miss: Draft, nonmiss: Draft, seen: number): TableActionFeatures {
  const has = (type: number) => (seen & (1 << (type + 1))) !== 0;
  const t = OFPTFPT13;
  return {
    next: has(t.nextTables) ? miss.next : nonmiss.next,
    instructions: has(t.instructions) ? miss.instructions : nonmiss.instructions,
    write: {
      actions: has(t.writeActions) ? miss.write.actions : nonmiss.write.actions,
      setFields: has(t.writeSetField) ? miss.write.setFields : nonmiss.write.setFields,
    },
    apply: {
      actions: has(t.applyActions) ? miss.apply.actions : nonmiss.apply.actions,
      setFields: has(t.applySetField) ? miss.apply.setFields : nonmiss.apply.setFields,
    },
  };
}

function pullSide(property: Property, side: Draft, version: OfpVersion, loose: boolean): void {
  const { type, body } = property;
  switch (type & ~1) {
    case OFPTFPT13.instructions:
      side.instructions = instructionNames(pullTypes(body, N_INSTRUCTIONS));
      break;
    case OFPTFPT13.nextTables:
      side.next = pullTables(body);
      break;
    case OFPTFPT13.writeActions:
      side.write.actions = actionNames(pullTypes(body, N_ACTIONS), version);
      break;
    case OFPTFPT13.applyActions:
      side.apply.actions = actionNames(pullTypes(body, N_ACTIONS), version);
      break;
    case OFPTFPT13.writeSetField:
      side.write.setFields = pullFieldList(body);
      break;
    case OFPTFPT13.applySetField:
      side.apply.setFields = pullFieldList(body);
      break;
    default:
      if (!loose) throw unknownProperty(property);
  }
}

function pullTables(body: Reader): number[] {
  const tables = [...new Set(body.view())].sort((a, b) => a - b);
  if (tables.includes(OFPTT_ALL)) throw new OfpError('OFPBPC_BAD_VALUE');
  return tables;
}

function pullFieldList(body: Reader): string[] {
  const fields = new Set<string>();
  pullFields(body, fields, undefined);
  return sortFields(fields);
}

/** Types and lengths alone, of actions or instructions; experimenters' are skipped. */
function pullTypes(r: Reader, count: number): number {
  let bits = 0;
  while (r.left > 0) {
    const at = r.off;
    if (r.left < 4) throw new OfpError('OFPBPC_BAD_LEN');
    const type = r.u16();
    const length = r.u16();
    if (length < 4 || length > r.end - at) throw new OfpError('OFPBPC_BAD_LEN');
    r.off = at + length;
    if (type === 0xffff) continue;
    if (type < count) bits |= 1 << type;
  }
  return bits >>> 0;
}

/** OXM headers alone; unknown ones are skipped. */
function pullFields(r: Reader, fields: Set<string>, masked: Set<string> | undefined): void {
  while (r.left > 0) {
    const header = parseFieldHeader(r.u8, r.off, r.end);
    r.off += header.headerLength;
    const field = header.point?.field;
    if (!field || header.size !== field.width >> 3) continue;
    fields.add(field.name);
    if (header.hasMask) masked?.add(field.name);
  }
}

function putFeatures(w: ByteWriter, f: TableFeatures, version: OfpVersion): void {
  const start = w.grow(8);
  w.u8[start + 2] = f.tableId;
  if (version >= 6) {
    w.u8[start + 3] = f.command ?? 0;
    w.dv.setUint32(start + 4, f.features ?? 0);
  }
  const name = w.grow(NAME_LENGTH);
  w.u8.set(Buffer.from(f.name, 'latin1').subarray(0, NAME_LENGTH - 1), name);
  w.u64(f.metadataMatch);
  w.u64(f.metadataWrite);
  const eviction = f.supportsEviction ? OFPTC14_EVICTION : 0;
  const vacancy = f.supportsVacancyEvents ? OFPTC14_VACANCY_EVENTS : 0;
  w.u32(version >= 5 ? eviction | vacancy : 0);
  w.u32(f.maxEntries);
  if (version >= 6 && isBare(f)) {
    w.dv.setUint16(start, w.length - start);
    return;
  }
  putSide(w, f.nonmiss, 0, version);
  // Also where the miss is as the rest: upstream's switches tell all of it, and ask for all.
  putSide(w, f.onMiss, 1, version);
  putProperty(w, OFPTFPT13.match, () => putFields(w, f.match, f.mask, version));
  putProperty(w, OFPTFPT13.wildcards, () => putFields(w, f.wildcard, NONE, version));
  w.dv.setUint16(start, w.length - start);
}

/** Says nothing of what the table matches and does, which from OpenFlow 1.5 on leaves that as it is. */
function isBare({ nonmiss, match, wildcard }: TableFeatures): boolean {
  return match.length + wildcard.length + nonmiss.instructions.length === 0;
}

function putSide(w: ByteWriter, side: TableActionFeatures, odd: 0 | 1, version: OfpVersion): void {
  const { instructions, next, write, apply } = side;
  const t = OFPTFPT13;
  putProperty(w, t.instructions + odd, () => putTypes(w, instructionBits(instructions)));
  putProperty(w, t.nextTables + odd, () => w.bytes(Uint8Array.from(next)));
  putProperty(w, t.writeActions + odd, () => putTypes(w, actionBits(write.actions, version)));
  putProperty(w, t.writeSetField + odd, () => putFields(w, write.setFields, NONE, version));
  putProperty(w, t.applyActions + odd, () => putTypes(w, actionBits(apply.actions, version)));
  putProperty(w, t.applySetField + odd, () => putFields(w, apply.setFields, NONE, version));
}

function putTypes(w: ByteWriter, bits: number): void {
  for (let type = 0; type < N_ACTIONS; type++) {
    if ((bits & (1 << type)) === 0) continue;
    w.u16(type);
    w.u16(4);
  }
}

type FieldNames = readonly string[];

/** Tables are many and their lists of fields few: by list, then by those of them with masks. */
const fieldLists = new WeakMap<FieldNames, WeakMap<FieldNames, (Uint8Array | undefined)[]>>();
const NONE: FieldNames = [];

function putFields(w: ByteWriter, names: FieldNames, masked: FieldNames, version: number): void {
  const byMasked = fieldLists.get(names) ?? new WeakMap<FieldNames, (Uint8Array | undefined)[]>();
  fieldLists.set(names, byMasked);
  const byVersion = byMasked.get(masked) ?? [];
  byMasked.set(masked, byVersion);
  byVersion[version] ??= emitFields(names, new Set(masked), version as OfpVersion);
  w.bytes(byVersion[version]);
}

function emitFields(
  names: FieldNames,
  masked: ReadonlySet<string>,
  version: OfpVersion,
): Uint8Array {
  const w = new ByteWriter();
  for (const name of sortFields(new Set(names))) {
    const field = fieldByName(name);
    if (field && (field.oxm || field.nxm)) {
      w.bytes(emitFieldHeader(field, masked.has(name), version));
    }
  }
  return w.take();
}

/**
 * Numbers and names of the tables that a reply tells of; what makes no sense ends the list. All
 * that tables can do is 2 kB for each.
 */
export function tableNames(raw: Uint8Array): [id: number, name: string][] {
  const r = new Reader(raw, Math.min(MULTIPART_HEADER, raw.length));
  const names: [number, string][] = [];
  while (r.left >= FIXED_LENGTH) {
    const at = r.off;
    const length = r.dv.getUint16(at);
    if (length < FIXED_LENGTH || length > r.left) break;
    r.off = at + 8;
    names.push([raw[at + 2]!, r.string(NAME_LENGTH)]);
    r.off = at + length;
  }
  return names;
}

const MULTIPART_HEADER = 16;

function features(type: 'table_features_request' | 'table_features_reply'): AnyForm {
  return form<typeof type>({
    type,
    name: 'OFPST_TABLE_FEATURES',
    since: 4,
    until: 6,
    wire: { ofpst: 12, reply: type === 'table_features_reply' },
    min: type === 'table_features_reply' ? FIXED_LENGTH : 0,
    step: 8,
    decode: (r, { version }, { loose = false }) =>
      pullList(
        r,
        (list) => pullFeatures(list, version, loose),
        (tables) => ({ tables }),
      ),
    encode: writeNothing,
    entries: {
      of: ({ tables }) => tables,
      put: (w, entry: TableFeatures, { version }) => putFeatures(w, entry, version),
    },
  });
}

export const TABLE_FEATURES_FORMS: readonly AnyForm[] = [
  features('table_features_request'),
  features('table_features_reply'),
];
