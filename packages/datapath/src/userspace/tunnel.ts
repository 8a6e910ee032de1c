/** `tnl_push` and `tnl_pop`: tunnels whose packets a bridge carries like any others. */
import {
  checksum,
  csumAdd,
  csumFinish,
  csumPseudo,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_TYPE_MIN,
  FLOW_TNL_F_CSUM,
  FLOW_TNL_F_DONT_FRAGMENT,
  FLOW_TNL_F_KEY,
  FLOW_TNL_F_OAM,
  Flow,
  IPPROTO_GRE,
  IPPROTO_UDP,
  putErspan,
  putTunnelOptions,
} from '@heddle/packet';
import type { TunnelVportType, VnetHdr } from '../dpif.ts';
import { isGre, type TnlPush, tnlL4Offset } from '../odp-tnl-header.ts';

const ETH_LEN = 14;
const IP_DF = 0x4000;
const IP_FRAGMENT = 0x3fff;
const TRANS_ETHER = 0x6558;
const ERSPAN_1 = 0x88be;
const ERSPAN_2 = 0x22eb;
const VXLAN_VNI = 0x0800_0000;
const GRE_CSUM = 0x8000;
const GRE_KEY = 0x2000;
const GRE_SEQ = 0x1000;
/** Routing, version and what no one uses. */
const GRE_OTHERS = 0x4fff;

/** UDP source ports, `tnl/egress_port_range`: the same for packets of one connection. */
export const sourcePorts = { min: 32768, max: 61000 };

/**
 * The header before the frame, its lengths and checksums made right; `hash` is the packet's, `sequence`
 * gives the tunnel's next number.
 */
export function pushHeader(
  frame: Uint8Array,
  a: TnlPush,
  hash: number,
  sequence: () => number,
): Uint8Array {
  const { header, headerType } = a;
  const bytes = new Uint8Array(header.length + frame.length);
  bytes.set(header);
  bytes.set(frame, header.length);
  const dv = new DataView(bytes.buffer);
  const l4 = tnlL4Offset(header);
  const length = bytes.length - l4;
  if (isGre(headerType)) {
    const flags = dv.getUint16(l4);
    const seqAt = l4 + 4 + (flags & GRE_CSUM ? 4 : 0) + (flags & GRE_KEY ? 4 : 0);
    if (flags & GRE_SEQ) dv.setUint32(seqAt, sequence());
    // Version 2 tells the time in units of 100 microseconds.
    if (dv.getUint16(l4 + 2) === ERSPAN_2) dv.setUint32(l4 + 12, Date.now() * 10);
    if (flags & GRE_CSUM) dv.setUint16(l4 + 4, checksum(dv, l4, length));
  } else {
    const { min, max } = sourcePorts;
    dv.setUint16(l4, min + Math.floor(((hash >>> 0) / 2 ** 32) * (max - min + 1)));
    dv.setUint16(l4 + 4, length);
  }
  finishIp(dv, l4, length);
  if (!isGre(headerType) && dv.getUint16(l4 + 6) !== 0) {
    dv.setUint16(l4 + 6, 0);
    dv.setUint16(l4 + 6, udpChecksum(dv, l4, length) || 0xffff);
  }
  return bytes;
}

function finishIp(dv: DataView, l4: number, length: number): void {
  if (dv.getUint16(12) === ETH_P_IPV6) {
    dv.setUint16(ETH_LEN + 4, length);
    return;
  }
  dv.setUint16(ETH_LEN + 2, l4 - ETH_LEN + length);
  dv.setUint16(ETH_LEN + 10, 0);
  dv.setUint16(ETH_LEN + 10, checksum(dv, ETH_LEN, l4 - ETH_LEN));
}

function udpChecksum(dv: DataView, l4: number, length: number): number {
  const isV6 = dv.getUint16(12) === ETH_P_IPV6;
  const addresses = isV6 ? ETH_LEN + 8 : ETH_LEN + 12;
  const sum = csumPseudo(dv, addresses, isV6 ? 16 : 4, IPPROTO_UDP, length);
  return csumFinish(csumAdd(dv, l4, length, sum));
}

export interface Popped {
  readonly frame: Uint8Array;
  /** The tunnel that it came by, as a key tells. */
  readonly tunnel: Flow;
  readonly vnet: VnetHdr | undefined;
}

/** What a tunnel's packet brought; undefined: it is none, or broken. */
export function popHeader(
  outer: Uint8Array,
  type: TunnelVportType,
  vnet: VnetHdr | undefined,
): Popped | undefined {
  const dv = new DataView(outer.buffer, outer.byteOffset, outer.byteLength);
  const tunnel = new Flow();
  const ip = popIp(dv, tunnel);
  if (ip === undefined) return undefined;
  const isUdp = type === 'vxlan' || type === 'geneve';
  const proto = isUdp ? IPPROTO_UDP : IPPROTO_GRE;
  if (ip.proto !== proto) return undefined;
  // A partial checksum is the outer UDP header's, or of what lies within: then the outer one holds
  // for the packet with the inner one complete.
  const isPartial = vnet !== undefined && (vnet.flags & 1) !== 0;
  const at = isUdp
    ? popUdp(dv, ip, tunnel, type, isPartial)
    : type === 'erspan'
      ? popErspan(dv, ip, tunnel)
      : popGre(dv, ip, tunnel, isPartial, type);
  if (at === undefined) return undefined;
  const isBare = type === 'gre-l3';
  if (!isBare && ip.end - at < ETH_LEN) return undefined;
  const isWithin = vnet !== undefined && (vnet.flags & 1) !== 0 && vnet.csumStart > at;
  const by = isBare ? at - ETH_LEN : at;
  const moved = isWithin
    ? { ...vnet, csumStart: vnet.csumStart - by, hdrLen: Math.max(vnet.hdrLen - by, 0) }
    : undefined;
  if (isBare) {
    const frame = withHeader(outer.subarray(at, ip.end), dv.getUint16(ip.l4 + 2));
    return { frame, tunnel, vnet: moved };
  }
  return { frame: outer.slice(at, ip.end), tunnel, vnet: moved };
}

/** What had no Ethernet header gets one without addresses. */
function withHeader(payload: Uint8Array, etherType: number): Uint8Array {
  const frame = new Uint8Array(ETH_LEN + payload.length);
  new DataView(frame.buffer).setUint16(ETH_LEN - 2, etherType);
  frame.set(payload, ETH_LEN);
  return frame;
}

interface Ip {
  readonly proto: number;
  readonly l4: number;
  readonly end: number;
}

function popIp(dv: DataView, tunnel: Flow): Ip | undefined {
  if (dv.byteLength < ETH_LEN + 20) return undefined;
  switch (dv.getUint16(12)) {
    case ETH_P_IP: {
      const ihl = (dv.getUint8(ETH_LEN) & 0xf) * 4;
      const end = ETH_LEN + dv.getUint16(ETH_LEN + 2);
      // Options and fragments are not looked into.
      if (dv.getUint8(ETH_LEN) !== 0x45 || end > dv.byteLength) return undefined;
      if ((dv.getUint16(ETH_LEN + 6) & IP_FRAGMENT) !== 0) return undefined;
      if (checksum(dv, ETH_LEN, ihl) !== 0) return undefined;
      tunnel.tunSrc = dv.getUint32(ETH_LEN + 12);
      tunnel.tunDst = dv.getUint32(ETH_LEN + 16);
      tunnel.tunTos = dv.getUint8(ETH_LEN + 1);
      tunnel.tunTtl = dv.getUint8(ETH_LEN + 8);
      if (dv.getUint16(ETH_LEN + 6) & IP_DF) tunnel.tunFlags |= FLOW_TNL_F_DONT_FRAGMENT;
      return { proto: dv.getUint8(ETH_LEN + 9), l4: ETH_LEN + ihl, end };
    }
    case ETH_P_IPV6: {
      const end = ETH_LEN + 40 + dv.getUint16(ETH_LEN + 4);
      if (dv.byteLength < ETH_LEN + 40 || end > dv.byteLength) return undefined;
      const address = (at: number) => new Uint8Array(dv.buffer, dv.byteOffset + at, 16);
      tunnel.tunIpv6Src = address(ETH_LEN + 8);
      tunnel.tunIpv6Dst = address(ETH_LEN + 24);
      tunnel.tunTos = (dv.getUint32(ETH_LEN) >>> 20) & 0xff;
      tunnel.tunTtl = dv.getUint8(ETH_LEN + 7);
      return { proto: dv.getUint8(ETH_LEN + 6), l4: ETH_LEN + 40, end };
    }
    default:
      return undefined;
  }
}

function popUdp(
  dv: DataView,
  { l4, end }: Ip,
  tunnel: Flow,
  type: 'vxlan' | 'geneve',
  isPartial: boolean,
): number | undefined {
  if (end - l4 < 16) return undefined;
  tunnel.tunTpSrc = dv.getUint16(l4);
  tunnel.tunTpDst = dv.getUint16(l4 + 2);
  if (dv.getUint16(l4 + 6) !== 0) {
    if (!isPartial && udpChecksum(dv, l4, end - l4) !== 0) return undefined;
    tunnel.tunFlags |= FLOW_TNL_F_CSUM;
  }
  const at = l4 + 8;
  tunnel.tunFlags |= FLOW_TNL_F_KEY;
  tunnel.tunId = BigInt(dv.getUint32(at + 4) >>> 8);
  return type === 'vxlan' ? popVxlan(dv, at, tunnel) : popGeneve(dv, at, end, tunnel);
}

function popVxlan(dv: DataView, at: number, tunnel: Flow): number | undefined {
  const flags = dv.getUint32(at);
  const isGbp = flags >>> 24 === 0x88;
  if ((!isGbp && flags !== VXLAN_VNI) || dv.getUint8(at + 7) !== 0) return undefined;
  if (isGbp) {
    tunnel.tunGbpId = flags & 0xffff;
    tunnel.tunGbpFlags = (flags >>> 16) & 0xff;
  }
  return at + 8;
}

function popGeneve(dv: DataView, at: number, end: number, tunnel: Flow): number | undefined {
  const length = (dv.getUint8(at) & 0x3f) * 4;
  const isOther = dv.getUint8(at) >> 6 !== 0 || dv.getUint16(at + 2) !== TRANS_ETHER;
  if (isOther || at + 8 + length > end) return undefined;
  if (dv.getUint8(at + 1) & 0x80) tunnel.tunFlags |= FLOW_TNL_F_OAM;
  putTunnelOptions(tunnel, new Uint8Array(dv.buffer, dv.byteOffset + at + 8, length));
  return at + 8 + length;
}

function popGre(
  dv: DataView,
  { l4, end }: Ip,
  tunnel: Flow,
  isPartial: boolean,
  type: 'gre' | 'gre-l3',
): number | undefined {
  if (end - l4 < 4) return undefined;
  const flags = dv.getUint16(l4);
  if ((flags & GRE_OTHERS) !== 0 && (flags & GRE_OTHERS) !== GRE_SEQ) return undefined;
  const protocol = dv.getUint16(l4 + 2);
  if ((type === 'gre') !== (protocol === TRANS_ETHER) || protocol < ETH_TYPE_MIN) return undefined;
  let at = l4 + 4;
  const words = [GRE_CSUM, GRE_KEY, GRE_SEQ].filter((bit) => flags & bit).length;
  if (end - at < 4 * words) return undefined;
  if (flags & GRE_CSUM) {
    if (!isPartial && checksum(dv, l4, end - l4) !== 0) return undefined;
    tunnel.tunFlags |= FLOW_TNL_F_CSUM;
    at += 4;
  }
  if (flags & GRE_KEY) {
    tunnel.tunFlags |= FLOW_TNL_F_KEY;
    tunnel.tunId = BigInt(dv.getUint32(at));
    at += 4;
  }
  return flags & GRE_SEQ ? at + 4 : at;
}

/** draft-foschiano-erspan-03: the version is what the header says, not GRE's protocol type. */
function popErspan(dv: DataView, { l4, end }: Ip, tunnel: Flow): number | undefined {
  if (end - l4 < 16 || dv.getUint16(l4) !== GRE_SEQ) return undefined;
  const type = dv.getUint16(l4 + 2);
  if (type !== ERSPAN_1 && type !== ERSPAN_2) return undefined;
  const base = dv.getUint32(l4 + 8);
  const ver = base >>> 28;
  tunnel.tunFlags |= FLOW_TNL_F_KEY;
  tunnel.tunId = BigInt(base & 0x3ff);
  if (ver === 1) {
    putErspan(tunnel, { ver, idx: dv.getUint32(l4 + 12) & 0xfffff, dir: 0, hwid: 0 });
    return l4 + 16;
  }
  if (ver !== 2 || end - l4 < 20) return undefined;
  const last = dv.getUint32(l4 + 16);
  // Something of the platform's would follow.
  if (last & 1) return undefined;
  const hwid = ((last >>> 4) & 15) | ((last >>> 4) & 0x30);
  putErspan(tunnel, { ver, idx: 0, dir: (last >>> 3) & 1, hwid });
  return l4 + 20;
}
