/**
 * Any field of a flow, or of a mask, by its row of the table. Values are unsigned integers as
 * OXM carries them: `vlan_vid` with OFPVID_PRESENT (0x1000) for "tagged", `in_port` the 16-bit
 * OpenFlow port.
 */
import { getBe32, getBe48, getBe64, getU128, setBe32, setBe48, setBe64, setU128 } from './bytes.ts';
import { type Field, fieldSlot } from './fields.ts';
import type { Flow } from './flow.ts';
import type { KeySlot } from './key-layout.ts';

const OFPVID_MASK = 0x1fff;

function slotOf(field: Field): KeySlot {
  const slot = fieldSlot(field);
  if (!slot) throw new Error(`${field.name} has no place of its own in a flow`);
  return slot;
}

/** The bits of the slot, counted from the field's lowest, that are the field's. */
function fieldBits(field: Field): bigint {
  if (field.name === 'vlan_vid') return BigInt(OFPVID_MASK);
  if (field.name === 'nw_tos') return 0xfcn;
  return (1n << BigInt(field.bits ?? field.width)) - 1n;
}

const BITS = new WeakMap<Field, bigint>();

function bitsOf(field: Field): bigint {
  let bits = BITS.get(field);
  if (bits === undefined) {
    bits = fieldBits(field);
    BITS.set(field, bits);
  }
  return bits;
}

function readSlot(flow: Flow, { offset: o, kind }: KeySlot): bigint {
  const { u8 } = flow;
  switch (kind) {
    case 'u8':
      return BigInt(u8[o]!);
    case 'u16':
      return BigInt(u8[o]! | (u8[o + 1]! << 8));
    case 'be16':
      return BigInt((u8[o]! << 8) | u8[o + 1]!);
    case 'u32':
      return BigInt(flow.u32[o >> 2]!);
    case 'be32':
      return BigInt(getBe32(u8, o));
    case 'be48':
      return BigInt(getBe48(u8, o));
    case 'be64':
      return getBe64(u8, o);
    case 'bytes16':
      return (getBe64(u8, o) << 64n) | getBe64(u8, o + 8);
    case 'u128':
      return getU128(flow.u32, o >> 2);
    case 'bytes12':
    case 'bytes256':
    case 'pad3':
      throw new Error(`${kind} is no field`);
  }
}

function writeSlot(flow: Flow, { offset: o, kind }: KeySlot, v: bigint): void {
  const { u8 } = flow;
  switch (kind) {
    case 'u8':
      u8[o] = Number(v);
      break;
    case 'u16':
      u8[o] = Number(v);
      u8[o + 1] = Number(v) >>> 8;
      break;
    case 'be16':
      u8[o] = Number(v) >>> 8;
      u8[o + 1] = Number(v);
      break;
    case 'u32':
      flow.u32[o >> 2] = Number(v);
      break;
    case 'be32':
      setBe32(u8, o, Number(v));
      break;
    case 'be48':
      setBe48(u8, o, Number(v));
      break;
    case 'be64':
      setBe64(u8, o, v);
      break;
    case 'bytes16':
      setBe64(u8, o, v >> 64n);
      setBe64(u8, o + 8, v & 0xffff_ffff_ffff_ffffn);
      break;
    case 'u128':
      setU128(flow.u32, o >> 2, v);
      break;
    case 'bytes12':
    case 'bytes256':
    case 'pad3':
      throw new Error(`${kind} is no field`);
  }
}

/** Bits that a slot can hold: `ct_state` is 32 bits wide in OXM and 16 in the key. */
const SLOT_BITS: Readonly<Record<KeySlot['kind'], bigint>> = {
  u8: 0xffn,
  u16: 0xffffn,
  be16: 0xffffn,
  u32: 0xffff_ffffn,
  be32: 0xffff_ffffn,
  be48: (1n << 48n) - 1n,
  be64: (1n << 64n) - 1n,
  bytes16: (1n << 128n) - 1n,
  u128: (1n << 128n) - 1n,
  bytes12: 0n,
  bytes256: 0n,
  pad3: 0n,
};

/** Tunnel options that are not mapped, or not there, are 0. */
export function fieldGet(flow: Flow, field: Field): bigint {
  const { tunMetadata } = field;
  if (tunMetadata !== undefined) return flow.tlv?.get(flow, tunMetadata) ?? 0n;
  return (readSlot(flow, slotOf(field)) >> BigInt(field.shift ?? 0)) & bitsOf(field);
}

/** Writes all bits of the field; bits of the value beyond it are ignored. */
export function fieldSet(flow: Flow, field: Field, value: bigint): void {
  const { tunMetadata } = field;
  if (tunMetadata !== undefined) {
    flow.tlv?.set(flow, tunMetadata, value);
    return;
  }
  const slot = slotOf(field);
  const shift = BigInt(field.shift ?? 0);
  const bits = (bitsOf(field) << shift) & SLOT_BITS[slot.kind];
  const old = readSlot(flow, slot);
  writeSlot(flow, slot, (old & ~bits) | ((value << shift) & bits));
}
