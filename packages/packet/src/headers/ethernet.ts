/** Ethernet and VLAN tags (IEEE 802.3, 802.1Q). */
export const ETH_HEADER_LEN = 14;
export const ETH_SRC_OFF = 6;
export const VLAN_HEADER_LEN = 4;

export function ethDst(dv: DataView, off: number): number {
  return dv.getUint16(off) * 0x1_0000_0000 + dv.getUint32(off + 2);
}

export function ethSrc(dv: DataView, off: number): number {
  return ethDst(dv, off + ETH_SRC_OFF);
}

export function setMac(dv: DataView, off: number, mac: number): void {
  dv.setUint16(off, Math.floor(mac / 0x1_0000_0000));
  dv.setUint32(off + 2, mac % 0x1_0000_0000);
}
