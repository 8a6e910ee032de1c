import type { Flow } from '@heddle/packet';

const bytes = Buffer.alloc(16);
const words = new Uint32Array(bytes.buffer, bytes.byteOffset, 4);
/** The datapath's part of a flow. */
const KEY_WORDS = 64;

/** Unique flow id: 32 hex digits, a pure function of mask and masked key. */
export function flowUfid(key: Flow, mask: Flow): string {
  const k = key.u32;
  const m = mask.u32;
  let a = 1;
  let b = 0x9e3779b9;
  let c = 0x85ebca6b;
  let d = 0x7f4a7c15;
  for (let i = 0; i < KEY_WORDS; i++) {
    const bits = m[i]!;
    if (bits === 0) continue;
    const value = k[i]! & bits;
    a = Math.imul(rotate(a, 13) ^ value, 0xcc9e2d51) + i;
    b = Math.imul(rotate(b, 15) ^ bits, 0x1b873593) + a;
    c = Math.imul(rotate(c, 17) + value, 0xab0e9789) ^ b;
    d = Math.imul(rotate(d, 19) + bits, 0x38b34ae5) ^ c;
  }
  words[0] = finish(a ^ d);
  words[1] = finish(b ^ words[0]!);
  words[2] = finish(c ^ words[1]!);
  words[3] = finish(d ^ words[2]!);
  return bytes.toString('hex');
}

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

function finish(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
