/** The Internet checksum (RFC 1071) and its incremental update (RFC 1624). */

/** Adds `[off, off + length)` to a running 32-bit sum; an odd last byte is padded with zero. */
export function csumAdd(dv: DataView, off: number, length: number, sum = 0): number {
  let s = sum;
  const even = off + (length & ~1);
  let i = off;
  for (; i < even; i += 2) s += dv.getUint16(i);
  if (length & 1) s += dv.getUint8(i) << 8;
  return csumFold(s);
}

function csumFold(sum: number): number {
  let s = sum;
  while (s > 0xffff) s = (s & 0xffff) + Math.floor(s / 0x10000);
  return s;
}

export function csumFinish(sum: number): number {
  return ~csumFold(sum) & 0xffff;
}

export function checksum(dv: DataView, off: number, length: number): number {
  return csumFinish(csumAdd(dv, off, length));
}

/** RFC 1624, equation 3: the checksum after a 16-bit word changed. */
export function recalcCsum16(old: number, was: number, now: number): number {
  return csumFinish((~old & 0xffff) + (~was & 0xffff) + now);
}

export function recalcCsum32(old: number, was: number, now: number): number {
  return recalcCsum16(recalcCsum16(old, was >>> 16, now >>> 16), was & 0xffff, now & 0xffff);
}

/** Sum of the pseudo-header of IPv4 (4-byte addresses) or IPv6 (16). Addresses are in the frame. */
export function csumPseudo(
  dv: DataView,
  addresses: number,
  addressBytes: number,
  proto: number,
  length: number,
): number {
  return csumAdd(dv, addresses, 2 * addressBytes, proto + (length >>> 16) + (length & 0xffff));
}
