/** The Network Service Header (RFC 8300), which the datapath's key does not hold. */
import type { Flow } from '@heddle/packet';

/** Whether a decision has looked at them. */
export function looksAtNsh(wildcards: Flow): boolean {
  const { nshFlags, nshTtl, nshMdtype, nshNp, nshPath, nshC1, nshC2, nshC3, nshC4 } = wildcards;
  return (nshFlags | nshTtl | nshMdtype | nshNp | nshPath | nshC1 | nshC2 | nshC3 | nshC4) !== 0;
}
