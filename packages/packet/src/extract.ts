/**
 * From a frame to its flow key, as Open vSwitch extracts it. The reference for the eBPF programs.
 *
 * On the packet path: one pass over the bytes with no allocation (give `out` and `layout`), no
 * DataView (a fresh one costs more than the whole extraction) and no exceptions. A header that is
 * cut short or contradicts itself ends the walk; the fields before it stay.
 */
import {
  ETH_P_8021AD,
  ETH_P_8021Q,
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_RARP,
  ETH_TYPE_MIN,
  FLOW_DL_TYPE_NONE,
  IPPROTO_AH,
  IPPROTO_DSTOPTS,
  IPPROTO_FRAGMENT,
  IPPROTO_HOPOPTS,
  IPPROTO_ROUTING,
} from './constants.ts';
import { extractL4 } from './extract-l4.ts';
import { Flow } from './flow.ts';

/** What comes with a packet but is not in its bytes. */
export interface PacketMetadata {
  readonly inPort: number;
  readonly recircId?: number;
  readonly pktMark?: number;
}

/** Where the headers lie, as offsets into the frame; -1 when absent or unusable. */
export class PacketLayout {
  l3 = -1;
  l4 = -1;
  /** End of the IP packet: the frame's end without Ethernet padding. */
  end = 0;

  reset(length: number): void {
    this.l3 = -1;
    this.l4 = -1;
    this.end = length;
  }
}

const scratch = new PacketLayout();

export function extractFlow(
  frame: Uint8Array,
  md: PacketMetadata,
  out: Flow = new Flow(),
  layout: PacketLayout = scratch,
): Flow {
  out.clear();
  out.recircId = md.recircId ?? 0;
  out.inPort = md.inPort;
  out.pktMark = md.pktMark ?? 0;
  layout.reset(frame.length);
  if (frame.length < 14) return out;
  copy(frame, 0, out.u8, DL_DST, 6);
  copy(frame, 6, out.u8, DL_SRC, 6);
  const typeOff = extractVlans(frame, out);
  const l3 = extractType(frame, typeOff, out);
  switch (out.dlType) {
    case ETH_P_IP:
      extractIpv4(frame, l3, out, layout);
      break;
    case ETH_P_IPV6:
      extractIpv6(frame, l3, out, layout);
      break;
    case ETH_P_ARP:
    case ETH_P_RARP:
      extractArp(frame, l3, out, layout);
      break;
    default:
      layout.l3 = l3;
  }
  return out;
}

// Offsets of the key's members; a unit test compares them with key-layout.ts.
export const DL_DST = 64;
export const DL_TYPE = 70;
export const DL_SRC = 72;
export const VLAN0_TCI = 80;
export const NW_SRC = 88;
export const NW_DST = 104;
export const ARP_SHA = 168;
export const ARP_THA = 174;

function copy(from: Uint8Array, at: number, to: Uint8Array, off: number, length: number): void {
  for (let i = 0; i < length; i++) to[off + i] = from[at + i]!;
}

function be16(b: Uint8Array, off: number): number {
  return (b[off]! << 8) | b[off + 1]!;
}

/** Returns the offset of the type that follows the last tag. */
function extractVlans(frame: Uint8Array, out: Flow): number {
  let off = 12;
  for (let n = 0; n < 2; n++) {
    const tpid = be16(frame, off);
    if (tpid !== ETH_P_8021Q && tpid !== ETH_P_8021AD) break;
    if (frame.length < off + 6) break;
    const slot = VLAN0_TCI + 4 * n;
    out.u8[slot] = frame[off + 2]! | 0x10;
    out.u8[slot + 1] = frame[off + 3]!;
    out.u8[slot + 2] = frame[off]!;
    out.u8[slot + 3] = frame[off + 1]!;
    off += 4;
  }
  return off;
}

/** Sets `eth_type`; returns where the payload starts. */
function extractType(frame: Uint8Array, off: number, out: Flow): number {
  const type = be16(frame, off);
  const l3 = off + 2;
  if (type >= ETH_TYPE_MIN) {
    out.dlType = type;
    return l3;
  }
  out.dlType = FLOW_DL_TYPE_NONE;
  if (frame.length < l3 + 8) return l3;
  const llc = frame[l3] === 0xaa && frame[l3 + 1] === 0xaa && frame[l3 + 2] === 3;
  if (!llc || (frame[l3 + 3]! | frame[l3 + 4]! | frame[l3 + 5]!) !== 0) return l3;
  const snap = be16(frame, l3 + 6);
  if (snap < ETH_TYPE_MIN) return l3;
  out.dlType = snap;
  return l3 + 8;
}

function extractIpv4(frame: Uint8Array, l3: number, out: Flow, layout: PacketLayout): void {
  const size = frame.length - l3;
  if (size < 20) return;
  const headerLen = (frame[l3]! & 0x0f) * 4;
  const totalLen = be16(frame, l3 + 2);
  if (headerLen < 20 || headerLen > size || totalLen > size || headerLen > totalLen) return;
  layout.l3 = l3;
  layout.end = l3 + totalLen;
  copy(frame, l3 + 12, out.u8, NW_SRC, 4);
  copy(frame, l3 + 16, out.u8, NW_DST, 4);
  out.nwTos = frame[l3 + 1]!;
  out.nwTtl = frame[l3 + 8]!;
  out.nwProto = frame[l3 + 9]!;
  const frag = be16(frame, l3 + 6);
  if ((frag & 0x3fff) !== 0) out.nwFrag = (frag & 0x1fff) !== 0 ? 3 : 1;
  if (out.nwFrag < 2) {
    layout.l4 = l3 + headerLen;
    extractL4(frame, layout.l4, layout.end, out);
  }
}

function extractIpv6(frame: Uint8Array, l3: number, out: Flow, layout: PacketLayout): void {
  const size = frame.length - l3;
  if (size < 40) return;
  const payload = be16(frame, l3 + 4);
  if (payload > size - 40) return;
  layout.l3 = l3;
  layout.end = l3 + 40 + payload;
  copy(frame, l3 + 8, out.u8, NW_SRC, 16);
  copy(frame, l3 + 24, out.u8, NW_DST, 16);
  const l4 = skipExtensions(frame, l3 + 40, layout.end, frame[l3 + 6]!, out);
  if (l4 < 0) return;
  out.nwTos = (be16(frame, l3) >>> 4) & 0xff;
  out.nwTtl = frame[l3 + 7]!;
  out.ipv6Label = ((frame[l3 + 1]! & 0x0f) << 16) | be16(frame, l3 + 2);
  if (out.nwFrag < 2) {
    layout.l4 = l4;
    extractL4(frame, l4, layout.end, out);
  }
}

/**
 * Walks hop-by-hop, routing, destination, AH and fragment headers; returns where the transport
 * header is. Cut short (-1), the packet counts as one without fragment and protocol.
 */
function skipExtensions(
  frame: Uint8Array,
  at: number,
  end: number,
  first: number,
  out: Flow,
): number {
  let off = at;
  let next = first;
  let frag = 0;
  while (frag !== 3 && isExtension(next)) {
    if (end - off < 8) return -1;
    const header = next;
    next = frame[off]!;
    if (header === IPPROTO_FRAGMENT) {
      const fragment = be16(frame, off + 2);
      off += 8;
      if ((fragment & 0xfff9) !== 0) frag = (fragment & 0xfff8) !== 0 ? 3 : 1;
      if (frag === 3) next = IPPROTO_FRAGMENT;
    } else {
      off += header === IPPROTO_AH ? (frame[off + 1]! + 2) * 4 : (frame[off + 1]! + 1) * 8;
      if (off > end) return -1;
    }
  }
  out.nwFrag = frag;
  out.nwProto = next;
  return off;
}

function isExtension(next: number): boolean {
  switch (next) {
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_FRAGMENT:
    case IPPROTO_AH:
    case IPPROTO_DSTOPTS:
      return true;
    default:
      return false;
  }
}

function extractArp(frame: Uint8Array, l3: number, out: Flow, layout: PacketLayout): void {
  if (frame.length - l3 < 28) return;
  const types = be16(frame, l3) === 1 && be16(frame, l3 + 2) === 0x0800;
  if (!types || be16(frame, l3 + 4) !== 0x0604) return;
  layout.l3 = l3;
  copy(frame, l3 + 14, out.u8, NW_SRC, 4);
  copy(frame, l3 + 24, out.u8, NW_DST, 4);
  if (frame[l3 + 6] === 0) out.nwProto = frame[l3 + 7]!;
  copy(frame, l3 + 8, out.u8, ARP_SHA, 6);
  copy(frame, l3 + 18, out.u8, ARP_THA, 6);
}
