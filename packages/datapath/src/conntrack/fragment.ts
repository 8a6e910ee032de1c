/** IP fragments (RFC 791, 3.2; RFC 8200, 4.5): read, put together, and taken apart again. */
import {
  checksum,
  ETH_P_IP,
  ETH_P_IPV6,
  extractFlow,
  Flow,
  IPPROTO_AH,
  IPPROTO_DSTOPTS,
  IPPROTO_FRAGMENT,
  IPPROTO_HOPOPTS,
  IPPROTO_ROUTING,
  PacketLayout,
} from '@heddle/packet';

const FRAGMENT_HEADER = 8;
const MAX_IP_BYTES = 65_535;

export interface Fragment {
  readonly bytes: Uint8Array;
  readonly l3: number;
  /** Where its part of the payload begins and ends. */
  readonly start: number;
  readonly end: number;
  /** Of its part in the payload, bytes. */
  readonly offset: number;
  readonly isLast: boolean;
  readonly id: number;
  readonly dlType: number;
  readonly proto: number;
  /** IPv6: the fragment header, and what holds the number of the header's protocol. */
  readonly header: { readonly at: number; readonly nextAt: number } | undefined;
}

/** Undefined for what is no fragment, is damaged, or reaches beyond the longest packet. */
export function readFragment(bytes: Uint8Array): Fragment | undefined {
  const layout = new PacketLayout();
  const flow = new Flow();
  extractFlow(bytes, { inPort: 0, recircId: 0, pktMark: 0 }, flow, layout);
  if (flow.nwFrag === 0 || layout.l3 < 0) return undefined;
  const dv = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const f = flow.dlType === ETH_P_IP ? readV4(bytes, dv, layout) : readV6(bytes, dv, layout);
  if (!f || f.offset + f.end - f.start > MAX_IP_BYTES - (f.start - f.l3)) return undefined;
  return f;
}

function readV4(bytes: Uint8Array, dv: DataView, { l3, end }: PacketLayout): Fragment | undefined {
  const header = (dv.getUint8(l3) & 15) * 4;
  if (dv.getUint16(l3 + 10) !== 0 && checksum(dv, l3, header) !== 0) return undefined;
  const word = dv.getUint16(l3 + 6);
  return {
    ...{ bytes, l3, end, header: undefined, dlType: ETH_P_IP },
    start: l3 + header,
    offset: (word & 0x1fff) * 8,
    isLast: (word & 0x2000) === 0,
    id: dv.getUint16(l3 + 4),
    proto: dv.getUint8(l3 + 9),
  };
}

function readV6(bytes: Uint8Array, dv: DataView, { l3, end }: PacketLayout): Fragment | undefined {
  let nextAt = l3 + 6;
  let at = l3 + 40;
  for (;;) {
    const proto = dv.getUint8(nextAt);
    if (at + FRAGMENT_HEADER > end) return undefined;
    if (proto === IPPROTO_FRAGMENT) break;
    if (proto === IPPROTO_AH) [nextAt, at] = [at, at + (dv.getUint8(at + 1) + 2) * 4];
    else if ([IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS].includes(proto))
      [nextAt, at] = [at, at + (dv.getUint8(at + 1) + 1) * 8];
    else return undefined;
  }
  const word = dv.getUint16(at + 2);
  return {
    ...{ bytes, l3, end, header: { at, nextAt }, dlType: ETH_P_IPV6 },
    start: at + FRAGMENT_HEADER,
    offset: word & 0xfff8,
    isLast: (word & 1) === 0,
    id: dv.getUint32(at + 4),
    proto: dv.getUint8(at),
  };
}

/** The packet whose fragments these are, in order and without gaps. */
export function reassemble(parts: readonly Fragment[]): Uint8Array {
  const first = parts[0]!;
  const last = parts.at(-1)!;
  const payload = last.offset + last.end - last.start;
  const headers = first.header ? first.header.at : first.start;
  const whole = new Uint8Array(headers + payload);
  whole.set(first.bytes.subarray(0, headers));
  for (const { bytes, start, end, offset } of parts)
    whole.set(bytes.subarray(start, end), headers + offset);
  const dv = new DataView(whole.buffer);
  const { l3 } = first;
  if (first.header) {
    dv.setUint16(l3 + 4, whole.length - l3 - 40);
    dv.setUint8(first.header.nextAt, first.proto);
  } else {
    dv.setUint16(l3 + 2, whole.length - l3);
    dv.setUint16(l3 + 6, dv.getUint16(l3 + 6) & 0x4000);
    fillChecksum(dv, l3);
  }
  return whole;
}

/** The fragments as they are now that `whole`, which was put together from them, was changed. */
export function takeApart(parts: readonly Fragment[], whole: Uint8Array): Uint8Array[] {
  const first = parts[0]!;
  const headers = first.header ? first.header.at : first.start;
  return parts.map(({ bytes, l3, start, end, offset, header }) => {
    const out = Uint8Array.from(bytes);
    const [from, size] = header ? [8, 32] : [12, 8];
    out.set(whole.subarray(first.l3 + from, first.l3 + from + size), l3 + from);
    out.set(whole.subarray(headers + offset, headers + offset + end - start), start);
    if (!header) fillChecksum(new DataView(out.buffer), l3);
    return out;
  });
}

function fillChecksum(dv: DataView, l3: number): void {
  dv.setUint16(l3 + 10, 0);
  dv.setUint16(l3 + 10, checksum(dv, l3, (dv.getUint8(l3) & 15) * 4));
}
