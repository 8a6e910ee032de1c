/** Values of fixed size that the writer has no method for. */
import type { ByteWriter } from '../actions/byte-writer.ts';

const encoder = new TextEncoder();

/** In `size` bytes, the last of which is NUL. */
export function putString(w: ByteWriter, text: string, size: number): void {
  const at = w.grow(size);
  encoder.encodeInto(text, w.u8.subarray(at, at + size - 1));
}

/** 48 bits. */
export function putMac(w: ByteWriter, mac: number): void {
  const at = w.grow(6);
  w.dv.setUint16(at, mac / 2 ** 32);
  w.dv.setUint32(at + 2, mac % 2 ** 32);
}
