/** One field of a match: setting it, reading it, whether it may stand there. */
import { type Field, type Flow, fieldByName, VLAN_CFI } from '@heddle/packet';
import type { Match } from '../match.ts';
import {
  type FieldPlan,
  fieldPlan,
  readNumber,
  readSlotNumber,
  writeNumber,
  writeSlotNumber,
} from './field-plan.ts';
import { ofp10PortToOfp11, ofp11PortToOfp10 } from './ofp-port.ts';

const ALL_ONES = new Uint8Array(16).fill(0xff);
const packetType = fieldPlan(named('packet_type'));
const vlanTci = fieldPlan(named('vlan_tci'));

export function named(name: string): Field {
  const field = fieldByName(name);
  if (field === undefined) throw new Error(`no field ${name}`);
  return field;
}

/** Whether a value in wire form is one that the field can have. */
export function isFieldValueValid(plan: FieldPlan, bytes: Uint8Array, off: number): boolean {
  if (plan.mode !== 'number') {
    if (plan.field.name === 'nsh_mdtype') return bytes[off] === 1 || bytes[off] === 2;
    return true;
  }
  const v = readNumber(bytes, off, plan.size);
  if (plan.field.format === 'OpenFlow 1.1+ port') return ofp11PortToOfp10(v) !== undefined;
  return plan.legal === undefined || (v & ~plan.legal) >>> 0 === 0;
}

/** Matching a header's field says that the packet is Ethernet unless packet_type says otherwise. */
export function implyEthernet(match: Match): void {
  const { u8 } = match.mask;
  const o = packetType.offset;
  if ((u8[o]! | u8[o + 1]! | u8[o + 2]! | u8[o + 3]!) === 0) u8.fill(0xff, o, o + 4);
}

/** As `implyEthernet`, for a match of OpenFlow 1.0 or 1.1: one without headers takes any packet. */
export function implyEthernetByHeaders(match: Match): void {
  const { mask } = match;
  const isOpen =
    mask.dlSrc === 0 &&
    mask.dlDst === 0 &&
    (mask.dlType | mask.vlanTci0 | mask.mplsLse0) === 0 &&
    (mask.nwSrc | mask.nwDst | mask.nwProto | mask.nwTos | mask.tpSrc | mask.tpDst) === 0;
  if (!isOpen) implyEthernet(match);
}

/**
 * Sets a field from `bytes` at `off`, its mask from `mask` at `maskOff` (undefined: exact). The
 * value must be valid. tun_metadata has no place in a flow: see `Match.tunMetadata`.
 */
export function setMatchFieldBytes(
  match: Match,
  plan: FieldPlan,
  bytes: Uint8Array,
  off: number,
  mask?: Uint8Array,
  maskOff = 0,
): void {
  if (plan.impliesEthernet) implyEthernet(match);
  if (plan.mode === 'number') {
    const m = mask === undefined ? plan.exact : readNumber(mask, maskOff, plan.size);
    setNumber(match, plan, readNumber(bytes, off, plan.size), m);
    return;
  }
  const key = match.key.u8;
  const bits = match.mask.u8;
  const { offset, size, mode } = plan;
  const valueIsMask = plan.valueIsMask;
  const m = valueIsMask ? bytes : (mask ?? ALL_ONES);
  const mo = valueIsMask ? off : mask === undefined ? 0 : maskOff;
  for (let i = 0; i < size; i++) {
    const at = offset + (mode === 'reverse' ? size - 1 - i : i);
    key[at] = bytes[off + i]! & m[mo + i]!;
    bits[at] = m[mo + i]!;
  }
}

function setNumber(match: Match, plan: FieldPlan, wire: number, mask: number): void {
  let value = wire;
  let bits = mask & plan.bits;
  if (plan.field.format === 'OpenFlow 1.1+ port') value = ofp11PortToOfp10(wire) ?? 0;
  if (plan.field.name === 'vlan_pcp') {
    setBits(match, vlanTci, 0xf000, ((value << 13) | VLAN_CFI) & 0xf000, 0xf000);
    return;
  }
  const { shift } = plan;
  bits = (bits << shift) >>> 0;
  setBits(match, plan, (plan.bits << shift) >>> 0, ((value << shift) & bits) >>> 0, bits);
}

/** `field` are the bits of the slot that the field has, `mask` those of them that matter. */
function setBits(match: Match, plan: FieldPlan, field: number, value: number, mask: number): void {
  const { key, mask: wild } = match;
  writeSlotNumber(key, plan, ((readSlotNumber(key, plan) & ~field) | value) >>> 0);
  writeSlotNumber(wild, plan, ((readSlotNumber(wild, plan) & ~field) | mask) >>> 0);
}

/** Whether the match leaves every bit of the field open. */
export function isFieldWild(match: Match, plan: FieldPlan): boolean {
  const { u8 } = match.mask;
  if (plan.mode === 'number') {
    const mask = readSlotNumber(match.mask, plan);
    return (mask & (plan.bits << plan.shift)) === 0;
  }
  if (plan.mode === 'none') {
    return !match.tunMetadata.some((t) => t.index === tunMetadataIndex(plan.field));
  }
  for (let i = 0; i < plan.size; i++) if (u8[plan.offset + i] !== 0) return false;
  return true;
}

export function tunMetadataIndex(field: Field): number {
  return Number(field.name.slice('tun_metadata'.length));
}

/** The field of a key or of a mask in the wire's form. Ports are converted, masks of them are not. */
export function readFieldBytes(
  flow: Flow,
  plan: FieldPlan,
  out: Uint8Array,
  off: number,
  isMask = false,
): void {
  if (plan.mode !== 'number') {
    for (let i = 0; i < plan.size; i++) {
      const at = plan.offset + (plan.mode === 'reverse' ? plan.size - 1 - i : i);
      out[off + i] = flow.u8[at]!;
    }
    return;
  }
  let v = ((readSlotNumber(flow, plan) >>> plan.shift) & plan.bits) >>> 0;
  if (plan.field.format === 'OpenFlow 1.1+ port') v = isMask ? 0xffff_ffff : ofp10PortToOfp11(v);
  writeNumber(out, off, plan.size, v);
}

/**
 * Sets a field from a number as `fieldGet` and `FieldValue` have it: ports with 16 bits.
 * For rare calls; the codecs use bytes.
 */
export function setMatchField(match: Match, field: Field, value: bigint, mask?: bigint): void {
  const plan = fieldPlan(field);
  const v = toBytes(port(field, value), plan.size);
  if (mask === undefined) setMatchFieldBytes(match, plan, v, 0);
  else setMatchFieldBytes(match, plan, v, 0, toBytes(mask, plan.size), 0);
}

function port(field: Field, value: bigint): bigint {
  return field.format === 'OpenFlow 1.1+ port' ? BigInt(ofp10PortToOfp11(Number(value))) : value;
}

export function toBytes(value: bigint, size: number): Uint8Array {
  const out = new Uint8Array(size);
  for (let i = size - 1, rest = value; i >= 0; i--, rest >>= 8n) out[i] = Number(rest & 0xffn);
  return out;
}

export function fromBytes(bytes: Uint8Array, off: number, size: number): bigint {
  let v = 0n;
  for (let i = 0; i < size; i++) v = (v << 8n) | BigInt(bytes[off + i]!);
  return v;
}
