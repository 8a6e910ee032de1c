/** The Network Service Header (RFC 8300), which the datapath's key does not hold. */
import { decodeNsh } from '@heddle/datapath';
import { type Flow, headerOffset } from '@heddle/packet';

export const ETH_P_NSH = 0x894f;

/** Fills in the header's fields; a packet that is cut short has none. */
export function readNsh(bytes: Uint8Array, flow: Flow): void {
  const header = decodeNsh(bytes.subarray(headerOffset(flow)))?.header;
  if (!header) return;
  flow.nshFlags = header.flags;
  flow.nshTtl = header.ttl;
  flow.nshMdtype = header.mdtype;
  flow.nshNp = header.np;
  flow.nshPath = header.path;
  [flow.nshC1, flow.nshC2, flow.nshC3, flow.nshC4] = header.context;
}

/** Whether a decision has looked at them. */
export function looksAtNsh(wildcards: Flow): boolean {
  const { nshFlags, nshTtl, nshMdtype, nshNp, nshPath, nshC1, nshC2, nshC3, nshC4 } = wildcards;
  return (nshFlags | nshTtl | nshMdtype | nshNp | nshPath | nshC1 | nshC2 | nshC3 | nshC4) !== 0;
}
