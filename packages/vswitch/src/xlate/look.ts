/** The least that has to be looked at to see that a field is not what is wanted. */

/** One bit in which two 32-bit values differ: the highest. */
export function differingBit(a: number, b: number): number {
  return (1 << (31 - Math.clz32(a ^ b))) >>> 0;
}

/** A mask of an Ethernet address that tells two of them apart, which differ: `mask` and one bit. */
export function differingBitOfMac(a: number, b: number, mask: number): number {
  const [aHigh, bHigh] = [Math.floor(a / 2 ** 32), Math.floor(b / 2 ** 32)];
  const [high, low] = [Math.floor(mask / 2 ** 32), mask >>> 0];
  if (aHigh !== bHigh) return (high | differingBit(aHigh, bHigh)) * 2 ** 32 + low;
  return high * 2 ** 32 + ((low | differingBit(a >>> 0, b >>> 0)) >>> 0);
}
