/** The transport part of `extractFlow`. `end` is the end of the IP packet, padding excluded. */
import {
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  ND_NEIGHBOR_ADVERT,
  ND_NEIGHBOR_SOLICIT,
} from './constants.ts';
import type { Flow } from './flow.ts';

export const TCP_FLAGS = 78;
export const TP_SRC = 124;
export const ND_TARGET = 152;
const ND_SLL = 168;
const ND_TLL = 174;

export function extractL4(frame: Uint8Array, l4: number, end: number, out: Flow): void {
  const size = end - l4;
  const ipv6 = out.dlType === 0x86dd;
  const key = out.u8;
  switch (out.nwProto) {
    case IPPROTO_TCP:
      if (size < 20 || !tcpLengthOk(frame[l4 + 12]!, size)) return;
      copyPorts(frame, l4, key);
      key[TCP_FLAGS] = frame[l4 + 12]! & 0x0f;
      key[TCP_FLAGS + 1] = frame[l4 + 13]!;
      break;
    case IPPROTO_UDP:
      if (size >= 8) copyPorts(frame, l4, key);
      break;
    case IPPROTO_SCTP:
      if (size >= 12) copyPorts(frame, l4, key);
      break;
    case IPPROTO_ICMP:
      if (!ipv6 && size >= 8) copyTypeCode(frame, l4, key);
      break;
    case IPPROTO_ICMPV6:
      if (!ipv6 || size < 8) return;
      copyTypeCode(frame, l4, key);
      extractNd(frame, l4, end, out);
      break;
  }
}

/** The data offset may neither cut the header short nor point behind the packet. */
function tcpLengthOk(offsetByte: number, size: number): boolean {
  const length = (offsetByte >>> 4) * 4;
  return length >= 20 && length <= size;
}

function copyPorts(frame: Uint8Array, l4: number, key: Uint8Array): void {
  for (let i = 0; i < 4; i++) key[TP_SRC + i] = frame[l4 + i]!;
}

/** One byte each, in the low bytes of the ports. */
function copyTypeCode(frame: Uint8Array, l4: number, key: Uint8Array): void {
  key[TP_SRC + 1] = frame[l4]!;
  key[TP_SRC + 3] = frame[l4 + 1]!;
}

/** Target and link-layer options. A broken option ends the list, one given twice voids all. */
function extractNd(frame: Uint8Array, l4: number, end: number, out: Flow): void {
  const type = frame[l4]!;
  if (frame[l4 + 1] !== 0 || (type !== ND_NEIGHBOR_SOLICIT && type !== ND_NEIGHBOR_ADVERT)) return;
  if (end - l4 < 24) return;
  const key = out.u8;
  for (let i = 0; i < 16; i++) key[ND_TARGET + i] = frame[l4 + 8 + i]!;
  let off = l4 + 24;
  while (end - off >= 8) {
    const length = frame[off + 1]! * 8;
    if (length === 0 || length > end - off) return;
    const kind = frame[off]!;
    const slot = length !== 8 ? 0 : kind === 1 ? ND_SLL : kind === 2 ? ND_TLL : 0;
    if (slot !== 0) {
      let given = 0;
      for (let i = 0; i < 6; i++) given |= key[slot + i]!;
      if (given !== 0) {
        key.fill(0, ND_TARGET, ND_TLL + 6);
        return;
      }
      for (let i = 0; i < 6; i++) key[slot + i] = frame[off + 2 + i]!;
    }
    off += length;
  }
}
