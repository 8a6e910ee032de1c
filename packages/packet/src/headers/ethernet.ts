/** Ethernet II, 802.3 with LLC/SNAP, and VLAN tags (IEEE 802.3, 802.2, 802.1Q). */
export const ETH_HEADER_LEN = 14;
export const ETH_DST_OFF = 0;
export const ETH_SRC_OFF = 6;
export const ETH_TYPE_OFF = 12;
export const VLAN_HEADER_LEN = 4;
export const LLC_SNAP_HEADER_LEN = 8;

export function ethDst(dv: DataView, off: number): number {
  return dv.getUint16(off) * 0x1_0000_0000 + dv.getUint32(off + 2);
}

export function ethSrc(dv: DataView, off: number): number {
  return ethDst(dv, off + ETH_SRC_OFF);
}

export function ethType(dv: DataView, off: number): number {
  return dv.getUint16(off + ETH_TYPE_OFF);
}

export function setMac(dv: DataView, off: number, mac: number): void {
  dv.setUint16(off, Math.floor(mac / 0x1_0000_0000));
  dv.setUint32(off + 2, mac % 0x1_0000_0000);
}

/** At the tag's TPID, 12 bytes into the frame for the outer one. */
export function vlanTpid(dv: DataView, off: number): number {
  return dv.getUint16(off);
}

export function vlanTci(dv: DataView, off: number): number {
  return dv.getUint16(off + 2);
}

/** LLC AA-AA-03 and an organisation code of zero: an Ethernet type follows. */
export function isSnapEncapsulated(dv: DataView, off: number): boolean {
  return dv.getUint32(off) === 0xaaaa_0300 && dv.getUint16(off + 4) === 0;
}

export function snapType(dv: DataView, off: number): number {
  return dv.getUint16(off + 6);
}
