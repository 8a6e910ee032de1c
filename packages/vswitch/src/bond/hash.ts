/** Which bucket of a balanced bond a flow is in. */
import { N_BUCKETS } from './balance.ts';

/** By source address (48 bits) and VLAN: balance-slb. */
export function slbBucket(mac: number, vlan: number, basis: number): number {
  let h = basis | 0;
  for (const word of [mac >>> 0, Math.floor(mac / 0x1_0000_0000), vlan]) {
    h = Math.imul(h ^ word, 0x9e3779b1);
    h ^= h >>> 15;
  }
  h = Math.imul(h, 0x85ebca6b);
  return ((h ^ (h >>> 13)) >>> 0) % N_BUCKETS;
}
