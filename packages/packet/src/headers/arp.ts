/** ARP and RARP for IPv4 over Ethernet (RFC 826, RFC 903). */
import { ethDst } from './ethernet.ts';

export const ARP_ETH_HEADER_LEN = 28;
export const ARP_SHA_OFF = 8;
export const ARP_SPA_OFF = 14;
export const ARP_THA_OFF = 18;
export const ARP_TPA_OFF = 24;

/** Hardware type 1, protocol 0x0800, address lengths 6 and 4. */
export function isArpEthIpv4(dv: DataView, off: number): boolean {
  return dv.getUint32(off) === 0x0001_0800 && dv.getUint16(off + 4) === 0x0604;
}

export function arpOp(dv: DataView, off: number): number {
  return dv.getUint16(off + 6);
}

export function arpSha(dv: DataView, off: number): number {
  return ethDst(dv, off + ARP_SHA_OFF);
}

export function arpSpa(dv: DataView, off: number): number {
  return dv.getUint32(off + ARP_SPA_OFF);
}

export function arpTha(dv: DataView, off: number): number {
  return ethDst(dv, off + ARP_THA_OFF);
}

export function arpTpa(dv: DataView, off: number): number {
  return dv.getUint32(off + ARP_TPA_OFF);
}
