/** TCP (RFC 9293), UDP (RFC 768), SCTP (RFC 9260), ICMP (RFC 792) and ICMPv6 (RFC 4443). */
export const TCP_HEADER_LEN = 20;
export const TCP_CSUM_OFF = 16;
export const UDP_HEADER_LEN = 8;
export const UDP_CSUM_OFF = 6;
export const SCTP_HEADER_LEN = 12;
export const SCTP_CSUM_OFF = 8;
export const ICMP_CSUM_OFF = 2;

export function tpSrc(dv: DataView, off: number): number {
  return dv.getUint16(off);
}

export function tpDst(dv: DataView, off: number): number {
  return dv.getUint16(off + 2);
}

export function tcpSeq(dv: DataView, off: number): number {
  return dv.getUint32(off + 4);
}

export function tcpAck(dv: DataView, off: number): number {
  return dv.getUint32(off + 8);
}

export function tcpHeaderLen(dv: DataView, off: number): number {
  return (dv.getUint8(off + 12) >>> 4) * 4;
}

/** 12 bits: the flags and the reserved bits beside them. */
export function tcpFlags(dv: DataView, off: number): number {
  return dv.getUint16(off + 12) & 0x0fff;
}
