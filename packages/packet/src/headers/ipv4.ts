/** IPv4 (RFC 791). */
export const IP_HEADER_LEN = 20;
export const IP_TOS_OFF = 1;
export const IP_TTL_OFF = 8;
export const IP_CSUM_OFF = 10;
export const IP_SRC_OFF = 12;
export const IP_DST_OFF = 16;
export const IP_MORE_FRAGMENTS = 0x2000;
export const IP_FRAG_OFF_MASK = 0x1fff;

export function ipVersion(dv: DataView, off: number): number {
  return dv.getUint8(off) >>> 4;
}

export function ipHeaderLen(dv: DataView, off: number): number {
  return (dv.getUint8(off) & 0x0f) * 4;
}

export function ipTos(dv: DataView, off: number): number {
  return dv.getUint8(off + IP_TOS_OFF);
}

export function ipTotalLen(dv: DataView, off: number): number {
  return dv.getUint16(off + 2);
}

/** Flags and offset. */
export function ipFragOff(dv: DataView, off: number): number {
  return dv.getUint16(off + 6);
}

export function ipTtl(dv: DataView, off: number): number {
  return dv.getUint8(off + IP_TTL_OFF);
}

export function ipProto(dv: DataView, off: number): number {
  return dv.getUint8(off + 9);
}

export function ipCsum(dv: DataView, off: number): number {
  return dv.getUint16(off + IP_CSUM_OFF);
}

export function ipSrc(dv: DataView, off: number): number {
  return dv.getUint32(off + IP_SRC_OFF);
}

export function ipDst(dv: DataView, off: number): number {
  return dv.getUint32(off + IP_DST_OFF);
}
