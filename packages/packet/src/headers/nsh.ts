/** The Network Service Header in bytes (RFC 8300, sections 2.2 to 2.5). */

/** `path` is its identifier in 24 bits and its index in 8. */
export interface NshHeader {
  readonly flags: number;
  readonly ttl: number;
  readonly mdtype: number;
  readonly np: number;
  readonly path: number;
  readonly context: readonly [number, number, number, number];
}

export const NSH_BASE_LEN = 8;
const CONTEXT_LEN = 16;
const MD_TYPE_1 = 1;
const MD_TYPE_2 = 2;
/** Six bits of four bytes each. */
const MAX_METADATA = 63 * 4 - NSH_BASE_LEN;

/** `metadata`: the TLVs of metadata type 2, in whole words. */
export function encodeNsh(header: NshHeader, metadata: Uint8Array = new Uint8Array()): Uint8Array {
  const body = Math.min(header.mdtype === MD_TYPE_1 ? CONTEXT_LEN : metadata.length, MAX_METADATA);
  const length = NSH_BASE_LEN + ((body + 3) & ~3);
  const bytes = new Uint8Array(length);
  const dv = new DataView(bytes.buffer);
  dv.setUint16(0, ((header.flags & 3) << 12) | ((header.ttl & 0x3f) << 6) | (length / 4));
  dv.setUint8(2, header.mdtype & 0xf);
  dv.setUint8(3, header.np);
  dv.setUint32(4, header.path);
  if (header.mdtype !== MD_TYPE_1) bytes.set(metadata.subarray(0, body), NSH_BASE_LEN);
  else for (const [i, c] of header.context.entries()) dv.setUint32(NSH_BASE_LEN + 4 * i, c);
  return bytes;
}

/**
 * undefined: there is no whole header. Of metadata types other than 1 and 2 `length` may be less than that
 * of the part which all have: then it says nothing.
 */
export function decodeNsh(
  bytes: Uint8Array,
): { readonly header: NshHeader; readonly length: number } | undefined {
  if (bytes.length < NSH_BASE_LEN) return undefined;
  const dv = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = dv.getUint16(0);
  const length = (first & 0x3f) * 4;
  const mdtype = dv.getUint8(2);
  const hasContext = mdtype === MD_TYPE_1;
  const least = hasContext || mdtype === MD_TYPE_2 ? NSH_BASE_LEN : 0;
  if (first >>> 14 !== 0 || length < least || length > bytes.length) return undefined;
  if (hasContext && length !== NSH_BASE_LEN + CONTEXT_LEN) return undefined;
  const c = (i: number): number => (hasContext ? dv.getUint32(NSH_BASE_LEN + 4 * i) : 0);
  const header: NshHeader = {
    flags: (first >>> 12) & 3,
    ttl: (first >>> 6) & 0x3f,
    mdtype,
    np: dv.getUint8(3),
    path: dv.getUint32(4),
    context: [c(0), c(1), c(2), c(3)],
  };
  return { header, length };
}

/** Writes the bits of `mask` into the header at the start of `bytes`. */
export function rewriteNsh(bytes: Uint8Array, header: NshHeader, mask: NshHeader): void {
  const found = decodeNsh(bytes);
  if (!found) return;
  const mix = (old: number, value: number, bits: number): number =>
    ((old & ~bits) | (value & bits)) >>> 0;
  const old = found.header;
  const dv = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = mix(old.flags, header.flags, mask.flags) & 3;
  const ttl = mix(old.ttl, header.ttl, mask.ttl) & 0x3f;
  dv.setUint16(0, (flags << 12) | (ttl << 6) | (found.length / 4));
  dv.setUint32(4, mix(old.path, header.path, mask.path));
  if (old.mdtype !== MD_TYPE_1) return;
  for (const [i, c] of header.context.entries()) {
    dv.setUint32(NSH_BASE_LEN + 4 * i, mix(old.context[i]!, c, mask.context[i]!));
  }
}
