/** Tables' counters; before OpenFlow 1.3 with their features (OpenFlow 1.0 section 5.3.5, 1.2 A.3.6.3). */
import type { ByteWriter } from '../actions/byte-writer.ts';
import type { OfpVersion } from '../constants.ts';
import type { TableActionFeatures, TableFeatures, TableStats } from '../messages.ts';
import {
  actionBits,
  actionNames,
  fieldBits11,
  fieldBits12,
  fieldNames11,
  fieldNames12,
  instructionBits,
  instructionNames,
  sortFields,
  wildcardBits10,
  wildcardNames10,
} from './feature-names.ts';
import { type AnyForm, form, writeNothing } from './form.ts';
import { pullList } from './list.ts';
import type { Reader } from './reader.ts';
import { TABLE_MISS, tableMiss } from './table-mod.ts';

const NAME_LENGTH = 32;
const LENGTHS: Readonly<Record<OfpVersion, number>> = { 1: 64, 2: 88, 3: 128, 4: 24, 5: 24, 6: 24 };

const NO_ACTIONS: TableActionFeatures = {
  next: [],
  instructions: [],
  write: { actions: [], setFields: [] },
  apply: { actions: [], setFields: [] },
};

function features(
  tableId: number,
  name: string,
  matching: { readonly exact: string[]; readonly wildcard: string[] },
): TableFeatures {
  return {
    tableId,
    name,
    metadataMatch: 0n,
    metadataWrite: 0n,
    maxEntries: 0,
    miss: 'default',
    supportsEviction: false,
    supportsVacancyEvents: false,
    nonmiss: NO_ACTIONS,
    onMiss: NO_ACTIONS,
    match: sortFields(new Set([...matching.exact, ...matching.wildcard])),
    wildcard: matching.wildcard,
    mask: [],
  };
}

function pullStats10(r: Reader): TableStats {
  const tableId = r.byte();
  r.take(3);
  const name = r.string(NAME_LENGTH);
  const wildcard = wildcardNames10(r.u32());
  const maxEntries = r.u32();
  const counters = pullCounters(r);
  const f = { ...features(tableId, name, { exact: [], wildcard }), maxEntries };
  return { tableId, ...counters, name, features: f };
}

function pullCounters(r: Reader) {
  return { activeCount: r.u32(), lookupCount: r.u64(), matchedCount: r.u64() };
}

function pullStats11(r: Reader): TableStats {
  const tableId = r.byte();
  r.take(7);
  const name = r.string(NAME_LENGTH);
  const wildcard = fieldNames11(r.u32());
  const exact = fieldNames11(r.u32());
  const instructions = instructionNames(r.u32() & ~(1 << 6));
  const write = { actions: actionNames(r.u32(), 2), setFields: [] };
  // Upstream takes what may be written for what may be applied.
  r.take(4);
  const onMiss = { next: [], instructions, write, apply: write };
  const miss = tableMiss(r.u32() | 0);
  const maxEntries = r.u32();
  const f = { ...features(tableId, name, { exact, wildcard }), maxEntries, miss };
  return { tableId, ...pullCounters(r), name, features: { ...f, onMiss, nonmiss: onMiss } };
}

function pullStats12(r: Reader): TableStats {
  const tableId = r.byte();
  r.take(7);
  const name = r.string(NAME_LENGTH);
  const exact = fieldNames12(r.u64());
  const wildcard = fieldNames12(r.u64());
  const writeActions = actionNames(r.u32(), 3);
  const applyActions = actionNames(r.u32(), 3);
  const write = { actions: writeActions, setFields: fieldNames12(r.u64()) };
  const apply = { actions: applyActions, setFields: fieldNames12(r.u64()) };
  const metadataMatch = r.u64();
  const metadataWrite = r.u64();
  const instructions = instructionNames(r.u32() & ~(1 << 6));
  const miss = tableMiss(r.u32() | 0);
  const maxEntries = r.u32();
  const onMiss = { next: [], instructions, write, apply };
  const f = {
    ...features(tableId, name, { exact, wildcard }),
    ...{ metadataMatch, metadataWrite, maxEntries, miss, onMiss, nonmiss: onMiss },
  };
  return { tableId, ...pullCounters(r), name, features: f };
}

function pullStats13(r: Reader): TableStats {
  const tableId = r.byte();
  r.take(3);
  return { tableId, ...pullCounters(r) };
}

function pullStats(r: Reader, version: OfpVersion): TableStats {
  if (version === 1) return pullStats10(r);
  if (version === 2) return pullStats11(r);
  return version === 3 ? pullStats12(r) : pullStats13(r);
}

function putName(w: ByteWriter, name: string): void {
  const at = w.grow(NAME_LENGTH);
  w.u8.set(Buffer.from(name, 'latin1').subarray(0, NAME_LENGTH - 1), at);
}

function putStats(w: ByteWriter, s: TableStats, version: OfpVersion): void {
  w.byte(s.tableId);
  w.grow(version === 2 || version === 3 ? 7 : 3);
  if (version < 4) {
    const f = s.features ?? features(s.tableId, s.name ?? '', { exact: [], wildcard: [] });
    putName(w, s.name ?? f.name);
    if (version === 1) putFeatures10(w, f);
    else if (version === 2) putFeatures11(w, f);
    else putFeatures12(w, f);
    w.u32(f.maxEntries);
  }
  w.u32(s.activeCount);
  w.u64(s.lookupCount);
  w.u64(s.matchedCount);
}

function putFeatures10(w: ByteWriter, f: TableFeatures): void {
  w.u32(wildcardBits10(f.wildcard));
}

function missNumber(f: TableFeatures): number {
  return Math.max(0, TABLE_MISS.indexOf(f.miss));
}

function putFeatures11(w: ByteWriter, f: TableFeatures): void {
  w.u32(fieldBits11(f.wildcard));
  w.u32(fieldBits11(f.match));
  w.u32(instructionBits(f.nonmiss.instructions));
  w.u32(actionBits(f.nonmiss.write.actions, 2));
  w.u32(actionBits(f.nonmiss.apply.actions, 2));
  w.u32(missNumber(f));
}

function putFeatures12(w: ByteWriter, f: TableFeatures): void {
  const { write, apply, instructions } = f.nonmiss;
  w.u64(fieldBits12(f.match));
  w.u64(fieldBits12(f.wildcard));
  w.u32(actionBits(write.actions, 3));
  w.u32(actionBits(apply.actions, 3));
  w.u64(fieldBits12(write.setFields));
  w.u64(fieldBits12(apply.setFields));
  w.u64(f.metadataMatch);
  w.u64(f.metadataWrite);
  w.u32(instructionBits(instructions));
  w.u32(missNumber(f));
}

const request = form<'table_request'>({
  type: 'table_request',
  name: 'OFPST_TABLE',
  since: 1,
  until: 6,
  wire: { ofpst: 3, reply: false },
  min: 0,
  step: 0,
  decode: () => ({}),
  encode: writeNothing,
});

function reply(version: OfpVersion, until = version): AnyForm {
  return form<'table_reply'>({
    type: 'table_reply',
    name: 'OFPST_TABLE',
    since: version,
    until,
    wire: { ofpst: 3, reply: true },
    min: 0,
    step: LENGTHS[version],
    decode: (r) =>
      pullList(
        r,
        (list) => pullStats(list, version),
        (tables) => ({ tables }),
      ),
    encode: writeNothing,
    entries: {
      of: ({ tables }) => tables,
      put: (w, entry: TableStats) => putStats(w, entry, version),
    },
  });
}

export const TABLE_STATS_FORMS: readonly AnyForm[] = [
  request,
  reply(1),
  reply(2),
  reply(3),
  reply(4, 6),
];
