/** IPv6 (RFC 8200) with its fragment header. */
export const IPV6_HEADER_LEN = 40;
export const IPV6_SRC_OFF = 8;
export const IPV6_DST_OFF = 24;
export const IPV6_HLIM_OFF = 7;
export const IPV6_FRAG_HEADER_LEN = 8;

export function ipv6Version(dv: DataView, off: number): number {
  return dv.getUint8(off) >>> 4;
}

export function ipv6TrafficClass(dv: DataView, off: number): number {
  return (dv.getUint16(off) >>> 4) & 0xff;
}

export function ipv6FlowLabel(dv: DataView, off: number): number {
  return dv.getUint32(off) & 0xfffff;
}

export function ipv6PayloadLen(dv: DataView, off: number): number {
  return dv.getUint16(off + 4);
}

export function ipv6NextHeader(dv: DataView, off: number): number {
  return dv.getUint8(off + 6);
}

export function ipv6HopLimit(dv: DataView, off: number): number {
  return dv.getUint8(off + IPV6_HLIM_OFF);
}

export function setIpv6TrafficClass(dv: DataView, off: number, tc: number): void {
  dv.setUint16(off, (dv.getUint16(off) & 0xf00f) | (tc << 4));
}

export function setIpv6FlowLabel(dv: DataView, off: number, label: number): void {
  dv.setUint32(off, (dv.getUint32(off) & 0xfff0_0000) | label);
}

/** Fragment header: offset (13 bits, in 8-byte units, shifted by 3), reserved, more-fragments. */
export function ipv6FragOffFlags(dv: DataView, off: number): number {
  return dv.getUint16(off + 2);
}
