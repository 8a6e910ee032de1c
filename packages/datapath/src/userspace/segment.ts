/** Super-packets cut into the segments that they stand for, with complete checksums. */
import {
  csumAdd,
  csumFinish,
  csumPseudo,
  ETH_P_IPV6,
  extractFlow,
  type Flow,
  IPPROTO_TCP,
  IPPROTO_UDP,
  PacketLayout,
  TCP_CSUM_OFF,
  tcpHeaderLen,
  UDP_CSUM_OFF,
  UDP_HEADER_LEN,
} from '@heddle/packet';
import type { DpPacket } from '../dpif.ts';

const FIN_PSH = 0x09;
const CWR = 0x80;

/** The packet as it would be on a wire: in segments, without offload state. */
export function segments({ data, vnet }: DpPacket): Uint8Array[] {
  if (vnet === undefined) return [data];
  const layout = new PacketLayout();
  const flow = extractFlow(data, { inPort: 0 }, undefined, layout);
  const isTcp = flow.nwProto === IPPROTO_TCP;
  if (layout.l4 < 0 || (!isTcp && flow.nwProto !== IPPROTO_UDP)) return [data];
  const dv = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const header = layout.l4 + (isTcp ? tcpHeaderLen(dv, layout.l4) : UDP_HEADER_LEN);
  const size = vnet.gsoSize === 0 ? layout.end - header : vnet.gsoSize;
  const out: Uint8Array[] = [];
  for (let at = header, n = 0; at < layout.end || n === 0; at += size, n++) {
    const end = Math.min(at + size, layout.end);
    const bytes = new Uint8Array(header + end - at);
    bytes.set(data.subarray(0, header));
    bytes.set(data.subarray(at, end), header);
    finish(bytes, flow, layout, { n, offset: at - header, isLast: end === layout.end });
    out.push(bytes);
  }
  return out;
}

interface Place {
  readonly n: number;
  readonly offset: number;
  readonly isLast: boolean;
}

/** Lengths, numbers, flags and checksums of one segment. */
function finish(bytes: Uint8Array, flow: Flow, { l3, l4 }: PacketLayout, place: Place): void {
  const dv = new DataView(bytes.buffer);
  const isV6 = flow.dlType === ETH_P_IPV6;
  const l4Length = bytes.length - l4;
  if (isV6) dv.setUint16(l3 + 4, bytes.length - l3 - 40);
  else {
    dv.setUint16(l3 + 2, bytes.length - l3);
    dv.setUint16(l3 + 4, (dv.getUint16(l3 + 4) + place.n) & 0xffff);
    dv.setUint16(l3 + 10, 0);
    dv.setUint16(l3 + 10, csumFinish(csumAdd(dv, l3, (bytes[l3]! & 0xf) * 4)));
  }
  const isTcp = flow.nwProto === IPPROTO_TCP;
  const csumAt = l4 + (isTcp ? TCP_CSUM_OFF : UDP_CSUM_OFF);
  if (isTcp) {
    dv.setUint32(l4 + 4, (dv.getUint32(l4 + 4) + place.offset) >>> 0);
    if (!place.isLast) bytes[l4 + 13]! &= ~FIN_PSH;
    if (place.n > 0) bytes[l4 + 13]! &= ~CWR;
  } else dv.setUint16(l4 + 4, l4Length);
  dv.setUint16(csumAt, 0);
  const [addresses, length] = isV6 ? [l3 + 8, 16] : [l3 + 12, 4];
  const pseudo = csumPseudo(dv, addresses, length, flow.nwProto, l4Length);
  const sum = csumFinish(csumAdd(dv, l4, l4Length, pseudo));
  dv.setUint16(csumAt, sum === 0 && !isTcp ? 0xffff : sum);
}
