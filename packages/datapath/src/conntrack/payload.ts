/** Changes of what a TCP segment carries. */
import {
  checksum,
  csumAdd,
  csumFinish,
  csumPseudo,
  ETH_P_IP,
  IP_CSUM_OFF,
  IPPROTO_TCP,
} from '@heddle/packet';
import type { TrackedFrame } from './read-packet.ts';

const TCP_CSUM = 16;
const IP_LENGTH = 2;
const IPV6_LENGTH = 4;
const MAX_LENGTH = 0xffff;

/** The frame with `text` (latin1) in the place of `[at, end)`; undefined when it gets too long. */
export function replaceText(
  frame: TrackedFrame,
  at: number,
  end: number,
  text: string,
): Uint8Array | undefined {
  const { bytes, layout, flow } = frame;
  const by = text.length - (end - at);
  const { l3, l4 } = layout;
  const length = layout.end + by - l3;
  const v4 = flow.dlType === ETH_P_IP;
  if (length > (v4 ? MAX_LENGTH : MAX_LENGTH + 40)) return undefined;
  const out = new Uint8Array(bytes.length + by);
  out.set(bytes.subarray(0, at));
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i);
  out.set(bytes.subarray(end), at + text.length);
  const dv = new DataView(out.buffer);
  if (v4) {
    dv.setUint16(l3 + IP_LENGTH, length);
    dv.setUint16(l3 + IP_CSUM_OFF, 0);
    dv.setUint16(l3 + IP_CSUM_OFF, checksum(dv, l3, (dv.getUint8(l3) & 15) * 4));
  } else dv.setUint16(l3 + IPV6_LENGTH, length - 40);
  const tail = layout.end + by;
  if ((frame.partialCsum ?? -1) < 0) fillTcpChecksum(dv, { l3, l4, end: tail }, v4);
  else dv.setUint16(l4 + TCP_CSUM, ~csumFinish(pseudo(dv, { l3, l4, end: tail }, v4)) & 0xffff);
  return out;
}

interface Where {
  readonly l3: number;
  readonly l4: number;
  readonly end: number;
}

function pseudo(dv: DataView, { l3, l4, end }: Where, v4: boolean): number {
  const [at, size] = v4 ? [l3 + 12, 4] : [l3 + 8, 16];
  return csumPseudo(dv, at, size, IPPROTO_TCP, end - l4);
}

export function fillTcpChecksum(dv: DataView, where: Where, v4: boolean): void {
  const { l4, end } = where;
  dv.setUint16(l4 + TCP_CSUM, 0);
  const sum = csumAdd(dv, l4, end - l4, pseudo(dv, where, v4));
  dv.setUint16(l4 + TCP_CSUM, csumFinish(sum));
}
