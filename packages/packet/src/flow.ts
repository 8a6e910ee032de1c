import { FlowFields } from './generated/flow-fields.ts';
import { FLOW_WORDS, KEY_WORDS } from './key-layout.ts';
import type { TlvTable } from './tlv-table.ts';

const WORDS = FLOW_WORDS;
const BYTES = WORDS * 4;
/**
 * Flows are views of slabs: memory for each by itself would cost several times as much to get and
 * to collect. Few to a slab, for as long as one lives they all stay.
 */
const SLAB_BYTES = 11 * BYTES;
let slab = new ArrayBuffer(SLAB_BYTES);
let slabUsed = 0;
/** Words of the datapath's key. */
const KEY = 2 * KEY_WORDS;

/**
 * A flow key or, with the same layout, a mask (1-bits are significant). The first 256 bytes are the
 * datapath's key, in memory the eBPF programs' `struct flow_key` but for a tunnel's IPv4 addresses;
 * the rest is the OpenFlow pipeline's. See key-layout.ts. A little-endian host is assumed.
 */
export class Flow extends FlowFields {
  override readonly u32: Uint32Array;
  override readonly u8: Uint8Array;
  /** What gives the tunnel options of this flow their places. */
  tlv: TlvTable | undefined;

  constructor() {
    super();
    if (slabUsed === SLAB_BYTES) {
      slab = new ArrayBuffer(SLAB_BYTES);
      slabUsed = 0;
    }
    this.u32 = new Uint32Array(slab, slabUsed, WORDS);
    this.u8 = new Uint8Array(slab, slabUsed, BYTES);
    slabUsed += BYTES;
  }

  clone(): Flow {
    const copy = new Flow();
    copy.copyFrom(this);
    return copy;
  }

  copyFrom(other: Flow): void {
    this.u32.set(other.u32);
    this.tlv = other.tlv;
  }

  clear(): void {
    this.u32.set(ZEROS);
  }
}

const ZEROS = new Uint32Array(WORDS);

/** As `fill`, whose call takes longer than a few words do. */
export function zeroWords(words: Uint32Array, from: number, to: number): void {
  for (let i = from; i < to; i++) words[i] = 0;
}

/** `key & mask`, into `out` when given. */
export function flowAnd(key: Flow, mask: Flow, out: Flow = new Flow()): Flow {
  const k = key.u32;
  const m = mask.u32;
  const o = out.u32;
  for (let i = 0; i < WORDS; i++) o[i] = k[i]! & m[i]!;
  out.tlv = key.tlv;
  return out;
}

/** `a | b`, into `out` when given: the mask that looks at what either looks at. */
export function flowOr(a: Flow, b: Flow, out: Flow = new Flow()): Flow {
  for (let i = 0; i < WORDS; i++) out.u32[i] = a.u32[i]! | b.u32[i]!;
  out.tlv = a.tlv;
  return out;
}

export function flowEquals(a: Flow, b: Flow): boolean {
  // Most of those that are compared are equal: a loop over their words takes two to three times as long.
  return Buffer.compare(a.u8, b.u8) === 0;
}

/** Whether `packet`, masked, is `key`; `key` must be masked already. */
export function flowMatches(packet: Flow, key: Flow, mask: Flow): boolean {
  const p = packet.u32;
  const k = key.u32;
  const m = mask.u32;
  for (let i = 0; i < KEY; i++) if (((p[i]! & m[i]!) ^ k[i]!) !== 0) return false;
  return true;
}

/** Whether every bit of `inner` is in `outer`: `inner` as a mask matches no fewer packets. */
export function isSubset(inner: Flow, outer: Flow): boolean {
  for (let i = 0; i < WORDS; i++) if ((inner.u32[i]! & ~outer.u32[i]!) !== 0) return false;
  return true;
}

export function flowIsZero(flow: Flow): boolean {
  for (let i = 0; i < WORDS; i++) if (flow.u32[i] !== 0) return false;
  return true;
}

/** 32-bit hash of `key & mask` (MurmurHash3's mixing), without building the masked key. */
export function flowHashMasked(key: Flow, mask: Flow, basis = 0): number {
  const k = key.u32;
  const m = mask.u32;
  let h = basis | 0;
  for (let i = 0; i < KEY; i++) {
    const mi = m[i]!;
    if (mi !== 0) h = mix(h, k[i]! & mi);
  }
  return finish(h);
}

/** Indices of the 32-bit words in which a mask has bits: what a lookup under it must look at. */
export function maskWords(mask: Flow): Uint8Array {
  return Uint8Array.from([...mask.u32.keys()].filter((i) => mask.u32[i] !== 0));
}

/** `flowHashMasked` over `maskWords(mask)`, several times faster for a mask of few fields. */
export function flowHashWords(key: Flow, mask: Flow, words: Uint8Array): number {
  const k = key.u32;
  const m = mask.u32;
  let h = 0;
  for (let j = 0; j < words.length; j++) {
    const i = words[j]!;
    h = mix(h, k[i]! & m[i]!);
  }
  return finish(h);
}

/** `flowMatches` over `maskWords(mask)`. */
export function flowMatchesWords(packet: Flow, key: Flow, mask: Flow, words: Uint8Array): boolean {
  const p = packet.u32;
  const k = key.u32;
  const m = mask.u32;
  for (let j = 0; j < words.length; j++) {
    const i = words[j]!;
    if (((p[i]! & m[i]!) ^ k[i]!) !== 0) return false;
  }
  return true;
}

/** 32-bit hash of all words. */
export function flowHash(flow: Flow, basis = 0): number {
  const w = flow.u32;
  let h = basis | 0;
  for (let i = 0; i < KEY; i++) h = mix(h, w[i]!);
  return finish(h);
}

function mix(hash: number, data: number): number {
  let d = Math.imul(data, 0xcc9e2d51);
  d = Math.imul((d << 15) | (d >>> 17), 0x1b873593);
  const h = hash ^ d;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

function finish(hash: number): number {
  let h = hash ^ (KEY * 4);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
