/** Values of fields as ovs-ofctl prints them in a match (ovs-fields(7)). */
import {
  FLOW_TNL_F_CSUM,
  FLOW_TNL_F_DONT_FRAGMENT,
  FLOW_TNL_F_KEY,
  FLOW_TNL_F_OAM,
  formatIpv4,
} from '@heddle/packet';

/** `(ns,type)`. */
export function formatPacketType(type: number): string {
  // Digits stand as they are, what is longer is hexadecimal.
  const text = (v: number) => (v < 10 ? String(v) : hex(v));
  return `(${text(type >>> 16)},${text(type & 0xffff)})`;
}

export function formatQueue(priority: number): string {
  return hexOr0(priority);
}

export function formatIpv4Masked(value: number, mask: number): string {
  const open = (~mask + 1) >>> 0;
  const text = formatIpv4(value);
  if (mask === 0xffff_ffff) return text;
  // A prefix is a mask whose complement plus one is a power of 2.
  const isPrefix = (open & (open - 1)) === 0 && mask !== 0;
  return `${text}/${isPrefix ? Math.clz32(~mask) : formatIpv4(mask)}`;
}

/** Length of the prefix, undefined when the mask is none. */
export function prefixOf(mask: Uint8Array): number | undefined {
  let bits = 0;
  while (bits < 128 && (mask[bits >> 3]! & (0x80 >> (bits & 7))) !== 0) bits++;
  for (let i = bits; i < 128; i++) if ((mask[i >> 3]! & (0x80 >> (i & 7))) !== 0) return undefined;
  return bits;
}

export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

export function hex2(value: number): string {
  return `0x${value.toString(16).padStart(2, '0')}`;
}

export function hex4(value: number): string {
  return `0x${value.toString(16).padStart(4, '0')}`;
}

/** printf's %#x. */
export function hexOr0(value: number | bigint): string {
  return value === 0 || value === 0n ? '0' : `0x${value.toString(16)}`;
}

export function hexOfBytes(bytes: Uint8Array): string {
  const digits = Buffer.from(bytes).toString('hex').replace(/^0+/, '');
  return digits === '' ? '0' : `0x${digits}`;
}

const TUN_FLAGS: readonly (readonly [bit: number, name: string])[] = [
  [FLOW_TNL_F_DONT_FRAGMENT, 'df'],
  [FLOW_TNL_F_CSUM, 'csum'],
  [FLOW_TNL_F_KEY, 'key'],
  [FLOW_TNL_F_OAM, 'oam'],
];
export const ALL_TUN_FLAGS = 0xffff;

/** `-df-csum+key`: what is looked at; a whole flow's as `df|key`, 0 when there is none. */
export function tunFlagsText(flags: number, mask: number): string {
  if (mask === ALL_TUN_FLAGS) {
    const set = TUN_FLAGS.filter(([bit]) => flags & bit).map(([, name]) => name);
    return set.join('|') || '0';
  }
  return TUN_FLAGS.filter(([bit]) => mask & bit)
    .map(([bit, name]) => (flags & bit ? '+' : '-') + name)
    .join('');
}

export function hex32(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
