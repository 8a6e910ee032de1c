/** IPv6 (RFC 8200): offsets in its header, and writers of what begins within a byte. */
export const IPV6_SRC_OFF = 8;
export const IPV6_DST_OFF = 24;
export const IPV6_HLIM_OFF = 7;

export function setIpv6TrafficClass(dv: DataView, off: number, tc: number): void {
  dv.setUint16(off, (dv.getUint16(off) & 0xf00f) | (tc << 4));
}

export function setIpv6FlowLabel(dv: DataView, off: number, label: number): void {
  dv.setUint32(off, (dv.getUint32(off) & 0xfff0_0000) | label);
}
