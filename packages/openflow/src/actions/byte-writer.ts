/** A buffer that grows, for actions whose length shows only at their end. */
export class ByteWriter {
  u8: Uint8Array;
  dv: DataView;
  length = 0;

  constructor(capacity = 256) {
    this.u8 = new Uint8Array(capacity);
    this.dv = new DataView(this.u8.buffer);
  }

  /** Makes room for `n` zeroed bytes at the end; returns where they begin. */
  grow(n: number): number {
    const at = this.length;
    const end = at + n;
    if (end > this.u8.length) {
      const larger = new Uint8Array(Math.max(end, this.u8.length * 2));
      larger.set(this.u8.subarray(0, at));
      this.u8 = larger;
      this.dv = new DataView(larger.buffer);
    } else {
      this.u8.fill(0, at, end);
    }
    this.length = end;
    return at;
  }

  /** These take the buffer as it is after their arguments are evaluated, which may grow it. */
  setU8(at: number, value: number): void {
    this.u8[at] = value;
  }

  setU16(at: number, value: number): void {
    this.dv.setUint16(at, value);
  }

  setU32(at: number, value: number): void {
    this.dv.setUint32(at, value);
  }

  setU64(at: number, value: bigint): void {
    this.dv.setBigUint64(at, value);
  }

  byte(value: number): void {
    const at = this.grow(1);
    this.u8[at] = value;
  }

  u16(value: number): void {
    const at = this.grow(2);
    this.dv.setUint16(at, value);
  }

  u32(value: number): void {
    const at = this.grow(4);
    this.dv.setUint32(at, value);
  }

  u64(value: bigint): void {
    const at = this.grow(8);
    this.dv.setBigUint64(at, value);
  }

  bytes(data: Uint8Array): void {
    const at = this.grow(data.length);
    this.u8.set(data, at);
  }

  /** `n` bytes, the most significant first. */
  uint(value: bigint, n: number): void {
    const at = this.grow(n);
    let rest = value;
    let i = at + n;
    while (rest > 0n && i > at) {
      const chunk = Number(rest & 0xffff_ffffn);
      for (let k = 0; k < 4 && i > at; k++) this.u8[--i] = chunk >>> (8 * k);
      rest >>= 32n;
    }
  }

  /** Zeros up to a multiple of 8, counted from `start`. */
  align8(start: number): void {
    const odd = (this.length - start) & 7;
    if (odd) this.grow(8 - odd);
  }

  take(): Uint8Array {
    return this.u8.slice(0, this.length);
  }
}

/** `n` bytes at `o`, the most significant first. */
export function readUint(u8: Uint8Array, o: number, n: number): bigint {
  if (n <= 6) {
    let v = 0;
    for (let i = 0; i < n; i++) v = v * 256 + u8[o + i]!;
    return BigInt(v);
  }
  let v = 0n;
  let i = 0;
  for (; i < (n & 3); i++) v = (v << 8n) | BigInt(u8[o + i]!);
  for (; i < n; i += 4) {
    const word =
      ((u8[o + i]! << 24) | (u8[o + i + 1]! << 16) | (u8[o + i + 2]! << 8) | u8[o + i + 3]!) >>> 0;
    v = (v << 32n) | BigInt(word);
  }
  return v;
}

/** Whether the bytes from `start` to `end` are all zero. */
export function isZero(u8: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (u8[i] !== 0) return false;
  return true;
}
