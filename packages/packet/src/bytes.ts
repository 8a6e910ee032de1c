/** Numbers in byte arrays, for the flow key's accessors. Nothing here allocates but the bigints. */

export function getBe32(u8: Uint8Array, o: number): number {
  return ((u8[o]! << 24) | (u8[o + 1]! << 16) | (u8[o + 2]! << 8) | u8[o + 3]!) >>> 0;
}

export function setBe32(u8: Uint8Array, o: number, v: number): void {
  u8[o] = v >>> 24;
  u8[o + 1] = v >>> 16;
  u8[o + 2] = v >>> 8;
  u8[o + 3] = v;
}

/** 48 bits fit a JS number exactly; bit operators would cut them to 32. */
export function getBe48(u8: Uint8Array, o: number): number {
  return ((u8[o]! << 8) | u8[o + 1]!) * 0x1_0000_0000 + getBe32(u8, o + 2);
}

export function setBe48(u8: Uint8Array, o: number, v: number): void {
  const high = Math.floor(v / 0x1_0000_0000);
  u8[o] = high >>> 8;
  u8[o + 1] = high;
  setBe32(u8, o + 2, v % 0x1_0000_0000);
}

export function getBe64(u8: Uint8Array, o: number): bigint {
  return (BigInt(getBe32(u8, o)) << 32n) | BigInt(getBe32(u8, o + 4));
}

export function setBe64(u8: Uint8Array, o: number, v: bigint): void {
  setBe32(u8, o, Number((v >> 32n) & 0xffff_ffffn));
  setBe32(u8, o + 4, Number(v & 0xffff_ffffn));
}

/** Least significant word first. */
export function getU128(u32: Uint32Array, i: number): bigint {
  const low = (BigInt(u32[i + 1]!) << 32n) | BigInt(u32[i]!);
  const high = (BigInt(u32[i + 3]!) << 32n) | BigInt(u32[i + 2]!);
  return (high << 64n) | low;
}

export function setU128(u32: Uint32Array, i: number, v: bigint): void {
  for (let k = 0; k < 4; k++) u32[i + k] = Number((v >> BigInt(32 * k)) & 0xffff_ffffn);
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

/** Spaces and colons are ignored; throws on anything else that is not hex. */
export function fromHex(text: string): Uint8Array {
  const digits = text.replace(/[\s:]/g, '');
  if (digits.length % 2 !== 0 || /[^0-9a-fA-F]/.test(digits)) throw new Error(`bad hex: ${text}`);
  return new Uint8Array(Buffer.from(digits, 'hex'));
}
