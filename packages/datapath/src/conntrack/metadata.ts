/** What tracking tells of a packet: the `ct_*` fields (ovs-fields(7)). */
import { ETH_P_IP, type Flow } from '@heddle/packet';
import type { Connection } from './connection.ts';
import { isIcmp, type Tuple } from './tuple.ts';

export const CS_NEW = 0x01;
export const CS_ESTABLISHED = 0x02;
export const CS_RELATED = 0x04;
export const CS_REPLY_DIR = 0x08;
export const CS_INVALID = 0x10;
export const CS_TRACKED = 0x20;
export const CS_SRC_NAT = 0x40;
export const CS_DST_NAT = 0x80;

export interface CtMetadata {
  state: number;
  zone: number;
  mark: number;
  label: bigint;
  /** Of the connection's first packet, where the packet belongs or may come to belong to one. */
  tuple: Tuple | undefined;
  /** Found or made by this packet, in the zone above. */
  conn: Connection | undefined;
  isReply: boolean;
}

export function putMetadata(flow: Flow, md: CtMetadata): void {
  flow.ctState = md.state;
  flow.ctZone = md.zone;
  flow.ctMark = md.mark;
  flow.ctLabel = md.label;
  const t = md.tuple;
  if (!t) return;
  flow.ctNwProto = t.proto;
  flow.ctTpSrc = isIcmp(t) ? t.icmpType : t.srcPort;
  flow.ctTpDst = isIcmp(t) ? t.icmpCode : t.dstPort;
  if (t.dlType === ETH_P_IP) {
    flow.ctNwSrc = be32(t.src);
    flow.ctNwDst = be32(t.dst);
  } else {
    flow.ctIpv6Src = t.src;
    flow.ctIpv6Dst = t.dst;
  }
}

function be32(b: Uint8Array): number {
  return ((b[0]! << 24) | (b[1]! << 16) | (b[2]! << 8) | b[3]!) >>> 0;
}

/** The inverse of `putMetadata`; which connection it was must be looked up again. */
export function takeMetadata(flow: Flow): CtMetadata {
  return {
    state: flow.ctState,
    zone: flow.ctZone,
    mark: flow.ctMark,
    label: flow.ctLabel,
    tuple: takeTuple(flow),
    conn: undefined,
    isReply: (flow.ctState & CS_REPLY_DIR) !== 0,
  };
}

function takeTuple(flow: Flow): Tuple | undefined {
  const v4 = flow.dlType === ETH_P_IP;
  if ((flow.ctState & CS_INVALID) !== 0) return undefined;
  const base = {
    dlType: flow.dlType,
    proto: flow.ctNwProto,
    src: v4 ? bytes4(flow.ctNwSrc) : flow.ctIpv6Src.slice(),
    dst: v4 ? bytes4(flow.ctNwDst) : flow.ctIpv6Dst.slice(),
  };
  const [a, b] = [flow.ctTpSrc, flow.ctTpDst];
  // The identifier of an ICMP exchange is not in the flow.
  return isIcmp(base)
    ? { ...base, srcPort: 0, dstPort: 0, icmpType: a, icmpCode: b }
    : { ...base, srcPort: a, dstPort: b, icmpType: 0, icmpCode: 0 };
}

function bytes4(v: number): Uint8Array {
  return Uint8Array.of(v >>> 24, (v >>> 16) & 255, (v >>> 8) & 255, v & 255);
}
