/** `struct ofp10_match` (OpenFlow 1.0 section 5.2.3), 40 bytes. */
import { ETH_P_IPV6, VLAN_CFI, VLAN_VID_MASK } from '@heddle/packet';
import { Match } from '../match.ts';
import { implyEthernetByHeaders } from './match-field.ts';

export const OFP10_MATCH_LENGTH = 40;

const OFPFW10_IN_PORT = 1 << 0;
const OFPFW10_DL_VLAN = 1 << 1;
const OFPFW10_DL_SRC = 1 << 2;
const OFPFW10_DL_DST = 1 << 3;
const OFPFW10_DL_TYPE = 1 << 4;
const OFPFW10_NW_PROTO = 1 << 5;
const OFPFW10_TP_SRC = 1 << 6;
const OFPFW10_TP_DST = 1 << 7;
const OFPFW10_NW_SRC_SHIFT = 8;
const OFPFW10_NW_DST_SHIFT = 14;
const OFPFW10_DL_VLAN_PCP = 1 << 20;
const OFPFW10_NW_TOS = 1 << 21;
const OFP10_VLAN_NONE = 0xffff;
const ALL_MACS = 0xffff_ffff_ffff;

/** Takes every bit pattern; what the Ethertype does not allow stays for `normalizeMatch`. */
export function parseOfp10Match(bytes: Uint8Array, off = 0, into?: Match): Match {
  const match = into?.recycle() ?? new Match();
  const { key, mask } = match;
  const b = (o: number) => bytes[off + o]!;
  const be16 = (o: number) => (b(o) << 8) | b(o + 1);
  const be32 = (o: number) => be16(o) * 0x1_0000 + be16(o + 2);
  const wild = be32(0);
  if ((wild & OFPFW10_IN_PORT) === 0) {
    key.inPort = be16(4);
    mask.inPort = 0xffff;
  }
  if ((wild & OFPFW10_DL_SRC) === 0) {
    key.dlSrc = be32(6) * 0x1_0000 + be16(10);
    mask.dlSrc = ALL_MACS;
  }
  if ((wild & OFPFW10_DL_DST) === 0) {
    key.dlDst = be32(12) * 0x1_0000 + be16(16);
    mask.dlDst = ALL_MACS;
  }
  parseVlan(match, wild, be16(18), b(20));
  if ((wild & OFPFW10_DL_TYPE) === 0) {
    key.dlType = be16(22);
    mask.dlType = 0xffff;
  }
  if ((wild & OFPFW10_NW_TOS) === 0) {
    key.nwTos = b(24) & 0xfc;
    mask.nwTos = 0xfc;
  }
  if ((wild & OFPFW10_NW_PROTO) === 0) {
    key.nwProto = b(25);
    mask.nwProto = 0xff;
  }
  // Their place is IPv6's there, whose addresses OpenFlow 1.0 cannot say.
  if (key.dlType !== ETH_P_IPV6) {
    mask.nwSrc = prefixMask(wild >>> OFPFW10_NW_SRC_SHIFT);
    mask.nwDst = prefixMask(wild >>> OFPFW10_NW_DST_SHIFT);
    key.nwSrc = (be32(28) & mask.nwSrc) >>> 0;
    key.nwDst = (be32(32) & mask.nwDst) >>> 0;
  }
  if ((wild & OFPFW10_TP_SRC) === 0) {
    key.tpSrc = be16(36);
    mask.tpSrc = 0xffff;
  }
  if ((wild & OFPFW10_TP_DST) === 0) {
    key.tpDst = be16(38);
    mask.tpDst = 0xffff;
  }
  implyEthernetByHeaders(match);
  return match;
}

/** Six bits: how many low bits of an address are open, 32 and more for all. */
function prefixMask(bits: number): number {
  const n = bits & 0x3f;
  return n >= 32 ? 0 : (0xffff_ffff << n) >>> 0;
}

function parseVlan({ key, mask }: Match, wild: number, vlan: number, pcp: number): void {
  const hasVid = (wild & OFPFW10_DL_VLAN) === 0;
  const hasPcp = (wild & OFPFW10_DL_VLAN_PCP) === 0;
  if (!hasVid && !hasPcp) return;
  if (hasVid && vlan === OFP10_VLAN_NONE) {
    mask.vlanTci0 = 0xffff;
    return;
  }
  mask.vlanTci0 = VLAN_CFI | (hasVid ? VLAN_VID_MASK : 0) | (hasPcp ? 0xe000 : 0);
  key.vlanTci0 = (VLAN_CFI | (vlan & VLAN_VID_MASK) | ((pcp & 7) << 13)) & mask.vlanTci0;
}

/** What OpenFlow 1.0 cannot say is left out. */
export function emitOfp10Match(match: Match): Uint8Array {
  const { key, mask } = match;
  const out = new Uint8Array(OFP10_MATCH_LENGTH);
  const dv = new DataView(out.buffer);
  let wild = 0;
  if (mask.inPort === 0) wild |= OFPFW10_IN_PORT;
  else dv.setUint16(4, key.inPort);
  if (mask.dlSrc === 0) wild |= OFPFW10_DL_SRC;
  else setMac(dv, 6, key.dlSrc);
  if (mask.dlDst === 0) wild |= OFPFW10_DL_DST;
  else setMac(dv, 12, key.dlDst);
  wild |= emitVlan(dv, match);
  if (mask.dlType === 0) wild |= OFPFW10_DL_TYPE;
  else dv.setUint16(22, key.dlType);
  if ((mask.nwTos & 0xfc) === 0) wild |= OFPFW10_NW_TOS;
  else dv.setUint8(24, key.nwTos & 0xfc);
  if (mask.nwProto === 0) wild |= OFPFW10_NW_PROTO;
  else dv.setUint8(25, key.nwProto);
  wild |= openBits(mask.nwSrc) << OFPFW10_NW_SRC_SHIFT;
  wild |= openBits(mask.nwDst) << OFPFW10_NW_DST_SHIFT;
  dv.setUint32(28, key.nwSrc);
  dv.setUint32(32, key.nwDst);
  if (mask.tpSrc === 0) wild |= OFPFW10_TP_SRC;
  else dv.setUint16(36, key.tpSrc);
  if (mask.tpDst === 0) wild |= OFPFW10_TP_DST;
  else dv.setUint16(38, key.tpDst);
  dv.setUint32(0, wild >>> 0);
  return out;
}

function openBits(mask: number): number {
  return mask === 0 ? 32 : 31 - Math.clz32(mask & -mask);
}

function setMac(dv: DataView, o: number, mac: number): void {
  dv.setUint16(o, mac / 0x1_0000_0000);
  dv.setUint32(o + 2, mac % 0x1_0000_0000);
}

/** Returns the wildcard bits. */
function emitVlan(dv: DataView, { key, mask }: Match): number {
  const { vlanTci0: tci } = key;
  const { vlanTci0: bits } = mask;
  if (bits === 0) return OFPFW10_DL_VLAN | OFPFW10_DL_VLAN_PCP;
  if ((bits & VLAN_CFI) !== 0 && (tci & VLAN_CFI) === 0) {
    dv.setUint16(18, OFP10_VLAN_NONE);
    return 0;
  }
  let wild = 0;
  if ((bits & VLAN_VID_MASK) === 0) wild |= OFPFW10_DL_VLAN;
  else dv.setUint16(18, tci & VLAN_VID_MASK);
  if ((bits & 0xe000) === 0) wild |= OFPFW10_DL_VLAN_PCP;
  else dv.setUint8(20, tci >>> 13);
  return wild;
}
