/**
 * The programs' hash of a masked key (bpf/lookup.h) in 32-bit halves: 64-bit products of numbers
 * are an order of magnitude faster here than bigints.
 */
const K1_HI = 0x9e3779b9;
const K1_LO = 0x7f4a7c15;

/** The last result. */
export const h64 = { hi: 0, lo: 0 };

/** (hi:lo) * K1 into h64. */
function mulK1(hi: number, lo: number): void {
  const a0 = lo & 0xffff;
  const a1 = lo >>> 16;
  const b0 = K1_LO & 0xffff;
  const b1 = K1_LO >>> 16;
  const p00 = a0 * b0;
  const p01 = a0 * b1;
  const p10 = a1 * b0;
  const mid = (p00 >>> 16) + (p01 & 0xffff) + (p10 & 0xffff);
  const high = a1 * b1 + (p01 >>> 16) + (p10 >>> 16) + (mid >>> 16);
  h64.hi = (high + Math.imul(hi, K1_LO) + Math.imul(lo, K1_HI)) >>> 0;
  h64.lo = Math.imul(lo, K1_LO) >>> 0;
}

function mix(hi: number, lo: number, whi: number, wlo: number): void {
  mulK1(hi ^ whi, (lo ^ wlo) >>> 0);
  const shiftedLo = ((h64.lo >>> 29) | (h64.hi << 3)) >>> 0;
  h64.lo = (h64.lo ^ shiftedLo) >>> 0;
  h64.hi = (h64.hi ^ (h64.hi >>> 29)) >>> 0;
}

export interface HashMask {
  readonly seedHi: number;
  readonly seedLo: number;
  /** Indices of 64-bit words, in the order of the programs' struct mask. */
  readonly idx: readonly number[];
}

/**
 * Hash of a key that is masked already, under `mask`; the map key, as two 32-bit halves in h64.
 * The programs run over whole groups of eight words: absent ones are zero, yet they mix.
 */
export function flowHash(words: Uint32Array, mask: HashMask, maskHi: number, maskLo: number): void {
  let ahi = mask.seedHi;
  let alo = mask.seedLo;
  let bhi = K1_HI;
  let blo = K1_LO;
  const n = Math.max(8, (mask.idx.length + 7) & ~7);
  for (let j = 0; j < n; j += 2) {
    const x = mask.idx[j] ?? 31;
    mulK1(ahi ^ words[2 * x + 1]!, (alo ^ words[2 * x]!) >>> 0);
    ahi = h64.hi;
    alo = (h64.lo ^ h64.hi) >>> 0;
    const y = mask.idx[j + 1] ?? 31;
    mulK1(bhi ^ words[2 * y + 1]!, (blo ^ words[2 * y]!) >>> 0);
    bhi = h64.hi;
    blo = (h64.lo ^ h64.hi) >>> 0;
  }
  mix(ahi, alo, bhi, blo);
  h64.hi = (h64.hi & maskHi) >>> 0;
  h64.lo = (h64.lo & maskLo) >>> 0;
}

/** Where the next flow of a chain lies. */
export function chainNext(hi: number, lo: number): void {
  mix(hi, lo, K1_HI, K1_LO);
}
