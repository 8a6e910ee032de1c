/** `struct ofp11_match` of type OFPMT_STANDARD (OpenFlow 1.1 section A.2.3), 88 bytes. */
import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_MPLS_MC,
  ETH_P_MPLS_UC,
  ETH_P_RARP,
  IPPROTO_ICMP,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  VLAN_CFI,
  VLAN_VID_MASK,
} from '@heddle/packet';
import { OfpError } from '../errors.ts';
import { Match } from '../match.ts';
import { implyEthernetByHeaders } from './match-field.ts';
import { ofp10PortToOfp11, ofp11PortToOfp10 } from './ofp-port.ts';

export const OFP11_MATCH_LENGTH = 88;

const OFPFW11_IN_PORT = 1 << 0;
const OFPFW11_DL_VLAN = 1 << 1;
const OFPFW11_DL_VLAN_PCP = 1 << 2;
const OFPFW11_DL_TYPE = 1 << 3;
const OFPFW11_NW_TOS = 1 << 4;
const OFPFW11_NW_PROTO = 1 << 5;
const OFPFW11_TP_SRC = 1 << 6;
const OFPFW11_TP_DST = 1 << 7;
const OFPFW11_MPLS_LABEL = 1 << 8;
const OFPFW11_MPLS_TC = 1 << 9;
const OFPVID11_ANY = 0xfffe;
const OFPVID11_NONE = 0xffff;

/** The 88 bytes, whatever type and length they claim; masks on the wire have 1-bits for "open". */
export function parseOfp11StandardMatch(bytes: Uint8Array, off = 0, into?: Match): Match {
  const match = into?.recycle() ?? new Match();
  const { key, mask } = match;
  const dv = new DataView(bytes.buffer, bytes.byteOffset + off, OFP11_MATCH_LENGTH);
  const wild = dv.getUint32(8);
  if ((wild & OFPFW11_IN_PORT) === 0) {
    const port = ofp11PortToOfp10(dv.getUint32(4));
    if (port === undefined) throw new OfpError('OFPBMC_BAD_VALUE');
    key.inPort = port;
    mask.inPort = 0xffff;
  }
  [mask.dlSrc, key.dlSrc] = maskedMac(dv, 12);
  [mask.dlDst, key.dlDst] = maskedMac(dv, 24);
  parseVlan(match, wild, dv.getUint16(36), dv.getUint8(38));
  if ((wild & OFPFW11_DL_TYPE) === 0) {
    key.dlType = dv.getUint16(40);
    mask.dlType = 0xffff;
  }
  parseNetwork(match, dv, wild);
  if (key.dlType === ETH_P_IP) parseTransport(match, dv, wild);
  if (key.dlType === ETH_P_MPLS_UC || key.dlType === ETH_P_MPLS_MC) parseMpls(match, dv, wild);
  mask.metadata = ~dv.getBigUint64(80) & 0xffff_ffff_ffff_ffffn;
  key.metadata = dv.getBigUint64(72) & mask.metadata;
  implyEthernetByHeaders(match);
  return match;
}

function maskedMac(dv: DataView, o: number): [mask: number, value: number] {
  const high = ~dv.getUint16(o + 6) & 0xffff;
  const low = ~dv.getUint32(o + 8) >>> 0;
  const value = (dv.getUint16(o) & high) * 2 ** 32 + ((dv.getUint32(o + 2) & low) >>> 0);
  return [high * 2 ** 32 + low, value];
}

function parseVlan({ key, mask }: Match, wild: number, vlan: number, pcp: number): void {
  if ((wild & OFPFW11_DL_VLAN) !== 0) return;
  if (vlan === OFPVID11_NONE) {
    mask.vlanTci0 = 0xffff;
    return;
  }
  if (vlan === OFPVID11_ANY) {
    mask.vlanTci0 = VLAN_CFI;
  } else {
    if (vlan > VLAN_VID_MASK) throw new OfpError('OFPBMC_BAD_VALUE');
    mask.vlanTci0 = VLAN_CFI | VLAN_VID_MASK;
  }
  if ((wild & OFPFW11_DL_VLAN_PCP) === 0) {
    if (pcp > 7) throw new OfpError('OFPBMC_BAD_VALUE');
    mask.vlanTci0 |= 0xe000;
  }
  key.vlanTci0 = (VLAN_CFI | (vlan & VLAN_VID_MASK) | (pcp << 13)) & mask.vlanTci0;
}

function parseNetwork({ key, mask }: Match, dv: DataView, wild: number): void {
  const isArp = key.dlType === ETH_P_ARP || key.dlType === ETH_P_RARP;
  if (key.dlType !== ETH_P_IP && !isArp) return;
  if (!isArp && (wild & OFPFW11_NW_TOS) === 0) {
    if ((dv.getUint8(42) & 3) !== 0) throw new OfpError('OFPBMC_BAD_VALUE');
    key.nwTos = dv.getUint8(42);
    mask.nwTos = 0xfc;
  }
  if ((wild & OFPFW11_NW_PROTO) === 0) {
    key.nwProto = dv.getUint8(43);
    mask.nwProto = 0xff;
  }
  mask.nwSrc = ~dv.getUint32(48) >>> 0;
  mask.nwDst = ~dv.getUint32(56) >>> 0;
  key.nwSrc = (dv.getUint32(44) & mask.nwSrc) >>> 0;
  key.nwDst = (dv.getUint32(52) & mask.nwDst) >>> 0;
}

function parseTransport({ key, mask }: Match, dv: DataView, wild: number): void {
  const isIcmp = key.nwProto === IPPROTO_ICMP && mask.nwProto !== 0;
  if (!isIcmp && ![IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP].includes(key.nwProto)) return;
  const limit = isIcmp ? 0xff : 0xffff;
  if ((wild & OFPFW11_TP_SRC) === 0) {
    key.tpSrc = dv.getUint16(60);
    mask.tpSrc = 0xffff;
  }
  if ((wild & OFPFW11_TP_DST) === 0) {
    key.tpDst = dv.getUint16(62);
    mask.tpDst = 0xffff;
  }
  if (key.tpSrc > limit || key.tpDst > limit) throw new OfpError('OFPBMC_BAD_FIELD');
}

function parseMpls({ key, mask }: Match, dv: DataView, wild: number): void {
  let bits = 0;
  if ((wild & OFPFW11_MPLS_LABEL) === 0) bits |= 0xffff_f000;
  if ((wild & OFPFW11_MPLS_TC) === 0) bits |= 0xe00;
  mask.mplsLse0 = bits >>> 0;
  const lse = (dv.getUint32(64) << 12) | ((dv.getUint8(68) & 7) << 9);
  key.mplsLse0 = (lse & bits) >>> 0;
}

/** What OpenFlow 1.1 cannot say is left out. */
export function emitOfp11StandardMatch(match: Match): Uint8Array {
  const { key, mask } = match;
  const out = new Uint8Array(OFP11_MATCH_LENGTH);
  const dv = new DataView(out.buffer);
  let wild = 0;
  dv.setUint16(2, OFP11_MATCH_LENGTH);
  if (mask.inPort === 0) wild |= OFPFW11_IN_PORT;
  else dv.setUint32(4, ofp10PortToOfp11(key.inPort & 0xffff));
  setMaskedMac(dv, 12, key.dlSrc, mask.dlSrc);
  setMaskedMac(dv, 24, key.dlDst, mask.dlDst);
  wild |= emitVlan(dv, match);
  if (mask.dlType === 0) wild |= OFPFW11_DL_TYPE;
  else dv.setUint16(40, key.dlType);
  if ((mask.nwTos & 0xfc) === 0) wild |= OFPFW11_NW_TOS;
  else dv.setUint8(42, key.nwTos & 0xfc);
  if (mask.nwProto === 0) wild |= OFPFW11_NW_PROTO;
  else dv.setUint8(43, key.nwProto);
  dv.setUint32(44, key.nwSrc);
  dv.setUint32(48, ~mask.nwSrc);
  dv.setUint32(52, key.nwDst);
  dv.setUint32(56, ~mask.nwDst);
  if (mask.tpSrc === 0) wild |= OFPFW11_TP_SRC;
  else dv.setUint16(60, key.tpSrc);
  if (mask.tpDst === 0) wild |= OFPFW11_TP_DST;
  else dv.setUint16(62, key.tpDst);
  if ((mask.mplsLse0 & 0xffff_f000) === 0) wild |= OFPFW11_MPLS_LABEL;
  else dv.setUint32(64, key.mplsLse0 >>> 12);
  if ((mask.mplsLse0 & 0xe00) === 0) wild |= OFPFW11_MPLS_TC;
  else dv.setUint8(68, (key.mplsLse0 >>> 9) & 7);
  dv.setBigUint64(72, key.metadata);
  dv.setBigUint64(80, ~mask.metadata & 0xffff_ffff_ffff_ffffn);
  dv.setUint32(8, wild);
  return out;
}

function setMaskedMac(dv: DataView, o: number, value: number, mask: number): void {
  dv.setUint16(o, value / 2 ** 32);
  dv.setUint32(o + 2, value % 2 ** 32);
  dv.setUint16(o + 6, ~Math.floor(mask / 2 ** 32));
  dv.setUint32(o + 8, ~(mask % 2 ** 32));
}

/** Returns the wildcard bits. */
function emitVlan(dv: DataView, { key, mask }: Match): number {
  const { vlanTci0: tci } = key;
  const { vlanTci0: bits } = mask;
  if (bits === 0) return OFPFW11_DL_VLAN | OFPFW11_DL_VLAN_PCP;
  if ((bits & VLAN_CFI) !== 0 && (tci & VLAN_CFI) === 0) {
    dv.setUint16(36, OFPVID11_NONE);
    return OFPFW11_DL_VLAN_PCP;
  }
  dv.setUint16(36, (bits & VLAN_VID_MASK) === 0 ? OFPVID11_ANY : tci & VLAN_VID_MASK);
  if ((bits & 0xe000) === 0) return OFPFW11_DL_VLAN_PCP;
  dv.setUint8(38, tci >>> 13);
  return 0;
}
