/** `tun_metadata` fields in flows: they stand for what the bridge's TLV table says. */
import {
  type FieldValue,
  type LearnSpec,
  Match,
  type OfpAct,
  OfpError,
  type Subfield,
  type TunMetadataMatch,
} from '@heddle/openflow';
import { toBytes } from '@heddle/openflow/match/match-field';
import { type Field, type Flow, type TlvMapping, TlvTable } from '@heddle/packet';
import type { Ofproto } from '../ofproto.ts';

/** With the options that it names in their places. Throws `OfpError` for one that is not mapped. */
export function placeTunMetadata({ tlv }: Ofproto, match: Match): Match {
  if (match.tunMetadata.length === 0) return match;
  const tun = match.tunMetadata.map((t) => fitted(tlv, t));
  const placed = new Match(match.key.clone(), match.mask.clone(), tun);
  placed.key.tlv = tlv;
  placed.mask.tlv = tlv;
  for (const { index, value, mask } of tun) {
    tlv.set(placed.mask, index, numberOf(mask));
    tlv.set(placed.key, index, numberOf(value) & numberOf(mask));
  }
  return placed;
}

/** As long as the option is: what is longer loses its end, what is shorter is its end. */
function fitted(
  tlv: TlvTable,
  { index, value, mask, isExact }: TunMetadataMatch,
): TunMetadataMatch {
  if (!tlv.has(index)) throw new OfpError('NXFMFC_INVALID_TLV_FIELD');
  const length = tlv.lengthOf(index);
  const fit = (bytes: Uint8Array): Uint8Array => {
    const out = new Uint8Array(length);
    const kept = bytes.subarray(0, length);
    out.set(kept, length - kept.length);
    return out;
  };
  // Of no length at all, as zero comes.
  const whole = isExact === true;
  return {
    index,
    value: fit(value),
    mask: whole ? new Uint8Array(length).fill(0xff) : fit(mask),
    ...(whole && { isExact: true as const }),
  };
}

function numberOf(bytes: Uint8Array): bigint {
  let n = 0n;
  for (const b of bytes) n = (n << 8n) | BigInt(b);
  return n;
}

/** The most frequent actions that name no field. */
const FIELDLESS: ReadonlySet<OfpAct['type']> = new Set([
  'output',
  'controller',
  'group',
  'resubmit',
  'goto_table',
  'conjunction',
  'strip_vlan',
  'push_vlan',
  'dec_ttl',
]);

/**
 * Actions with options as wide as the bridge's table has them. Throws `OfpError` for options that
 * are not mapped, and for bits that they do not have.
 */
export function placeTunMetadataActions(
  ofproto: Ofproto,
  actions: readonly OfpAct[],
): readonly OfpAct[] {
  if (actions.every((act) => FIELDLESS.has(act.type))) return actions;
  if (![...subfieldsOf(actions)].some(({ field }) => field.tunMetadata !== undefined)) {
    return actions;
  }
  return actions.map((act) => placeAction(ofproto, act));
}

function placeAction(ofproto: Ofproto, act: OfpAct): OfpAct {
  const sub = (s: Subfield): Subfield => placeSubfield(ofproto, s);
  switch (act.type) {
    case 'set_field':
      return { ...act, set: placeValue(ofproto, act.set) };
    case 'delete_field':
      return { ...act, field: placeField(ofproto, act.field) };
    case 'move':
      return { ...act, src: sub(act.src), dst: sub(act.dst) };
    case 'push':
    case 'pop':
      return { ...act, subfield: sub(act.subfield) };
    case 'output_reg':
      return { ...act, src: sub(act.src) };
    case 'multipath':
    case 'check_pkt_larger':
      return { ...act, dst: sub(act.dst) };
    case 'bundle':
      return act.dst ? { ...act, dst: sub(act.dst) } : act;
    case 'learn':
      return { ...act, specs: act.specs.map((spec) => placeSpec(ofproto, spec)) };
    case 'ct': {
      const { zone } = act;
      const nested = placeTunMetadataActions(ofproto, act.actions);
      return { ...act, actions: nested, zone: typeof zone === 'number' ? zone : sub(zone) };
    }
    case 'write_actions':
    case 'clone':
      return { ...act, actions: placeTunMetadataActions(ofproto, act.actions) };
    default:
      return act;
  }
}

function placeSpec(ofproto: Ofproto, spec: LearnSpec): LearnSpec {
  const src = 'src' in spec ? { src: placeSubfield(ofproto, spec.src) } : {};
  const dst = 'dst' in spec ? { dst: placeSubfield(ofproto, spec.dst) } : {};
  return { ...spec, ...src, ...dst } as LearnSpec;
}

function placeField({ tlv }: Ofproto, field: Field): Field {
  const { tunMetadata } = field;
  if (tunMetadata === undefined) return field;
  if (!tlv.has(tunMetadata)) throw new OfpError('NXFMFC_INVALID_TLV_FIELD');
  return { ...field, width: tlv.lengthOf(tunMetadata) * 8 };
}

function placeSubfield(ofproto: Ofproto, { field, ofs, nBits }: Subfield): Subfield {
  const placed = placeField(ofproto, field);
  if (ofs + nBits > placed.width) throw new OfpError('OFPBAC_BAD_SET_LEN');
  return { field: placed, ofs, nBits };
}

function placeValue(ofproto: Ofproto, set: FieldValue): FieldValue {
  const field = placeField(ofproto, set.field);
  const all = (1n << BigInt(field.width)) - 1n;
  // What is longer loses its end.
  const bytes = Math.ceil(set.value.toString(16).length / 2);
  const cut = BigInt(Math.max(0, bytes * 8 - field.width));
  return { field, value: (set.value >> cut) & all, mask: set.mask & all };
}

function* subfieldsOf(actions: readonly OfpAct[]): IterableIterator<Subfield> {
  for (const act of actions) yield* subfieldsOfAction(act);
}

function* subfieldsOfAction(act: OfpAct): IterableIterator<Subfield> {
  switch (act.type) {
    case 'set_field':
      yield { field: act.set.field, ofs: 0, nBits: 0 };
      return;
    case 'delete_field':
      yield { field: act.field, ofs: 0, nBits: 0 };
      return;
    case 'move':
      yield act.src;
      yield act.dst;
      return;
    case 'push':
    case 'pop':
      yield act.subfield;
      return;
    case 'output_reg':
      yield act.src;
      return;
    case 'multipath':
    case 'check_pkt_larger':
      yield act.dst;
      return;
    case 'bundle':
      if (act.dst) yield act.dst;
      return;
    case 'learn':
      for (const spec of act.specs) {
        if ('src' in spec) yield spec.src;
        if ('dst' in spec) yield spec.dst;
      }
      return;
    case 'ct':
      if (typeof act.zone !== 'number') yield act.zone;
      yield* subfieldsOf(act.actions);
      return;
    case 'write_actions':
    case 'clone':
      yield* subfieldsOf(act.actions);
  }
}

/** The options that a mask with a TLV table looks at. */
export function tunMetadataOf(key: Flow, mask: Flow): TunMetadataMatch[] {
  const { tlv } = mask;
  if (!tlv) return [];
  const out: TunMetadataMatch[] = [];
  for (const { index, optionLen } of tlv.mappings) {
    if (!tlv.isPresent(mask, index)) continue;
    const bits = toBytes(tlv.get(mask, index), optionLen);
    const isExact = bits.every((b) => b === 0xff);
    const value = toBytes(tlv.get(key, index), optionLen);
    out.push({ index, value, mask: bits, ...(isExact && { isExact }) });
  }
  return out;
}

/** `NXT_TLV_TABLE_MOD`. Throws `OfpError` and changes nothing when part of it cannot be. */
export function changeTlvTable(
  ofproto: Ofproto,
  command: 'add' | 'delete' | 'clear',
  mappings: readonly TlvMapping[],
): void {
  let { tlv } = ofproto;
  switch (command) {
    case 'add':
      for (const mapping of mappings) tlv = added(tlv, mapping);
      break;
    case 'delete':
      // Open vSwitch looks at the field alone.
      for (const { index } of mappings) tlv = tlv.without(index);
      break;
    case 'clear':
      tlv = TlvTable.EMPTY;
  }
  const gone = ofproto.tlv.mappings.filter(({ index }) => !tlv.has(index));
  if (gone.some(({ index }) => isUsed(ofproto, index))) {
    throw new OfpError('NXTTMFC_INVALID_TLV_DEL');
  }
  ofproto.tlv = tlv;
}

function added(tlv: TlvTable, mapping: TlvMapping): TlvTable {
  if (tlv.has(mapping.index)) throw new OfpError('NXTTMFC_ALREADY_MAPPED');
  if (tlv.hasOption(mapping.optionClass, mapping.optionType)) {
    throw new OfpError('NXTTMFC_DUP_ENTRY');
  }
  const next = tlv.with(mapping);
  if (!next) throw new OfpError('NXTTMFC_TABLE_FULL');
  return next;
}

function isUsed({ tables, groups }: Ofproto, index: number): boolean {
  const uses = (actions: readonly OfpAct[]) =>
    [...subfieldsOf(actions)].some(({ field }) => field.tunMetadata === index);
  for (const table of tables.used()) {
    for (const rule of table.classifier.rules()) {
      if (rule.tunMetadata.some((t) => t.index === index) || uses(rule.state.actions)) return true;
    }
  }
  return [...groups.values()].some((g) => g.buckets.some((b) => uses(b.actions)));
}
