/** A message's bytes with a cursor: each read proves its length. */
import { OfpError } from '../errors.ts';

export class Reader {
  readonly u8: Uint8Array;
  readonly dv: DataView;
  off: number;
  end: number;
  /** What a read beyond the end is: of properties, OFPBPC_BAD_LEN. */
  short: string;

  /** `dv`: a view of `u8`, where there is one. */
  constructor(
    u8: Uint8Array,
    off = 0,
    end = u8.length,
    short = 'OFPBRC_BAD_LEN',
    dv = new DataView(u8.buffer, u8.byteOffset, u8.byteLength),
  ) {
    this.u8 = u8;
    this.dv = dv;
    this.off = off;
    this.end = end;
    this.short = short;
  }

  get left(): number {
    return this.end - this.off;
  }

  /** Claims `n` bytes; returns where they begin. */
  take(n: number): number {
    const at = this.off;
    if (n < 0 || n > this.end - at) throw new OfpError(this.short);
    this.off = at + n;
    return at;
  }

  /** Throws unless `n` bytes are left. */
  need(n: number): void {
    if (n > this.end - this.off) throw new OfpError(this.short);
  }

  byte(): number {
    return this.u8[this.take(1)]!;
  }

  u16(): number {
    return this.dv.getUint16(this.take(2));
  }

  u32(): number {
    return this.dv.getUint32(this.take(4));
  }

  u64(): bigint {
    return this.dv.getBigUint64(this.take(8));
  }

  /** 48 bits. */
  mac(): number {
    const at = this.take(6);
    return this.dv.getUint16(at) * 2 ** 32 + this.dv.getUint32(at + 2);
  }

  /** A view, not a copy. */
  view(n = this.left): Uint8Array {
    const at = this.take(n);
    return this.u8.subarray(at, at + n);
  }

  /** The bytes from `off` to `end` by themselves; the cursor stays. */
  within(off: number, end: number, short?: string): Reader {
    return new Reader(this.u8, off, end, short, this.dv);
  }

  /** A copy, which outlives the buffer. */
  bytes(n = this.left): Uint8Array {
    const at = this.take(n);
    return this.u8.slice(at, at + n);
  }

  /** Itself, if it has exactly `n` bytes left: the body of a property. */
  whole(n: number): this {
    if (this.left !== n) throw new OfpError('OFPBPC_BAD_LEN');
    return this;
  }

  /**
   * What an entry has from here on, if it began at `start` and says that it is `length` bytes long.
   * The cursor goes behind the entry.
   */
  restOf(start: number, length: number): Reader {
    const rest = this.within(this.off, start + length);
    this.take(start + length - this.off);
    return rest;
  }

  /** `n` bytes of text, padded with NULs. */
  string(n: number): string {
    const view = this.view(n);
    const nul = view.indexOf(0);
    return Buffer.from(nul < 0 ? view : view.subarray(0, nul)).toString();
  }
}
