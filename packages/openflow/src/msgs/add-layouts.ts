/**
 * Flow mods that add flows by the thousand differ in the values of a few fields. Who has decoded one
 * keeps its layout, and of those that follow it reads no more than these values: the rest of their
 * bytes is compared (OpenFlow 1.2 to 1.5 with OXM matches).
 */
import type { Flow } from '@heddle/packet';
import { type MatchValue, matchValues } from '../match/match-values.ts';
import type { FlowMod } from '../messages.ts';

const OFP12 = 3;
const OFPT_FLOW_MOD = 14;
const OFPMT_OXM = 1;
const OFPFC_ADD = 0;
const XID = 4;
const COOKIE = 8;
const COMMAND = 25;
const PRIORITY = 30;
const MATCH = 48;
/** Behind the type and length of the match. */
const ENTRIES = MATCH + 4;
const SHORTEST = 56;
const LONGEST = 1024;

/** Up to four bytes of a message that lie in one word of a key. */
interface Run {
  /** Into `words`. */
  readonly word: number;
  /** Where to read four bytes of the message, and how to move them: left, or right if negative. */
  readonly off: number;
  readonly shift: number;
  /** Bits of the word that the bytes are, and those of them that the mask has. */
  readonly bits: number;
  readonly mask: number;
}

/** `T`: what else is known of such a flow mod. */
export class AddLayout<T> {
  readonly length: number;
  /** Nobody writes to it. */
  readonly mask: Flow;
  /** Indices of its words that are not 0. */
  readonly words: Uint8Array;
  readonly tableId: number;
  readonly known: T;
  /** Words of the message, which bits of them are no values, and what these are. */
  readonly #bits: Uint32Array;
  readonly #same: Uint32Array;
  readonly #runs: readonly Run[];
  /** What the words of a key have that are no values. */
  readonly #base: Uint32Array;

  /** Of the `length` bytes at `at`, which are `mod`. */
  constructor(dv: DataView, at: number, length: number, mod: FlowMod, known: T) {
    const { key, mask } = mod.match;
    const end = MATCH + dv.getUint16(at + MATCH + 2);
    const values = matchValues(bytesFrom(dv, at, length), ENTRIES, end);
    const isValue = new Uint8Array(length);
    isValue.fill(0xff, XID, XID + 4);
    isValue.fill(0xff, COOKIE, COOKIE + 8);
    isValue.fill(0xff, PRIORITY, PRIORITY + 2);
    for (const { off, size } of values) isValue.fill(0xff, off, off + size);
    const open = new DataView(isValue.buffer);
    this.length = length;
    this.tableId = mod.tableId;
    this.known = known;
    this.mask = mask.clone();
    this.words = Uint8Array.from([...mask.u32.keys()].filter((i) => mask.u32[i] !== 0));
    this.#bits = Uint32Array.from({ length: length / 4 }, (_, i) => ~open.getUint32(4 * i));
    this.#same = this.#bits.map((bits, i) => dv.getUint32(at + 4 * i) & bits);
    this.#runs = values.flatMap((value) => this.#runsOf(value));
    this.#base = Uint32Array.from(this.words, (i) => key.u32[i]!);
    for (const { word, bits } of this.#runs) this.#base[word]! &= ~bits;
  }

  fits(dv: DataView, at: number, length: number): boolean {
    if (length !== this.length) return false;
    const [bits, same] = [this.#bits, this.#same];
    for (let i = 0; i < bits.length; i++) {
      if ((dv.getUint32(at + 4 * i) & bits[i]!) >>> 0 !== same[i]) return false;
    }
    return true;
  }

  /**
   * The `words` of the key of a flow mod that fits, into `out` at `outAt`. False when values have bits
   * that the mask has not.
   */
  readKey(dv: DataView, at: number, out: Uint32Array, outAt: number): boolean {
    const base = this.#base;
    for (let i = 0; i < base.length; i++) out[outAt + i] = base[i]!;
    const runs = this.#runs;
    for (let i = 0; i < runs.length; i++) {
      const { word, off, shift, bits, mask } = runs[i]!;
      const four = dv.getUint32(at + off, true);
      const value = (shift < 0 ? four >>> -shift : four << shift) & bits;
      if ((value & ~mask) !== 0) return false;
      out[outAt + word]! |= value;
    }
    return true;
  }

  /** Runs of bytes of a field that lie in one word of a key. */
  #runsOf({ off, size, to }: MatchValue): Run[] {
    const runs: Run[] = [];
    for (let i = 0; i < size; ) {
      const word = (to + i) >> 2;
      const first = (to + i) & 3;
      const n = Math.min(4 - first, size - i);
      const bits = ((n === 4 ? 0xffff_ffff : 2 ** (8 * n) - 1) << (8 * first)) >>> 0;
      const at = this.words.indexOf(word);
      const mask = at < 0 ? 0 : (this.mask.u32[word]! & bits) >>> 0;
      // What would end behind the message is read with the bytes before it.
      const from = Math.min(off + i, this.length - 4);
      const shift = 8 * (first - (off + i - from));
      runs.push({ word: Math.max(at, 0), off: from, shift, bits, mask });
      i += n;
    }
    return runs;
  }
}

const SLOTS = 256;
const WAYS = 4;
/** So many layouts in a row that were of no use: from then on few are kept. */
const PATIENCE = 64;

/** The layouts that came last. */
export class AddLayouts<T> {
  readonly #slots: AddLayout<T>[][] = Array.from({ length: SLOTS }, () => []);
  #unused = 0;
  #replaced = 0;

  /** That of a message of `length` bytes at `at`; undefined when it is no flow mod that is known. */
  find(dv: DataView, at: number, length: number): AddLayout<T> | undefined {
    const hash = hashOf(dv, at, length);
    if (hash < 0) return undefined;
    const slot = this.#slots[hash & (SLOTS - 1)]!;
    for (let i = 0; i < slot.length; i++) {
      const layout = slot[i]!;
      if (!layout.fits(dv, at, length)) continue;
      this.#unused = 0;
      return layout;
    }
    return undefined;
  }

  /** Keeps the layout of a flow mod that has been decoded, and that `find` does not know. */
  learn(dv: DataView, at: number, length: number, mod: FlowMod, known: T): void {
    const hash = hashOf(dv, at, length);
    if (hash < 0 || mod.command !== 'add' || mod.match.tunMetadata.length > 0) return;
    if (this.#unused++ > PATIENCE && this.#unused % PATIENCE !== 0) return;
    const layout = new AddLayout(dv, at, length, mod, known);
    if (!tells(layout, dv, at, mod)) return;
    const slot = this.#slots[hash & (SLOTS - 1)]!;
    if (slot.length < WAYS) slot.push(layout);
    else slot[this.#replaced++ % WAYS] = layout;
  }
}

/** Whether the layout comes to the same as decoding has. */
function tells<T>(layout: AddLayout<T>, dv: DataView, at: number, { match }: FlowMod): boolean {
  const { words } = layout;
  const out = new Uint32Array(words.length);
  return (
    layout.readKey(dv, at, out, 0) && out.every((word, i) => word === match.key.u32[words[i]!])
  );
}

export function addPriority(dv: DataView, at: number): number {
  return dv.getUint16(at + PRIORITY);
}

export function addCookie(dv: DataView, at: number): bigint {
  return dv.getBigUint64(at + COOKIE);
}

/** Of the table and of which fields are matched; -1 for what has no layout. */
function hashOf(dv: DataView, at: number, length: number): number {
  if (length < SHORTEST || length > LONGEST || length % 8 !== 0) return -1;
  const end = at + MATCH + dv.getUint16(at + MATCH + 2);
  if (
    dv.getUint8(at) < OFP12 ||
    dv.getUint8(at + 1) !== OFPT_FLOW_MOD ||
    dv.getUint16(at + 2) !== length ||
    dv.getUint8(at + COMMAND) !== OFPFC_ADD ||
    dv.getUint16(at + MATCH) !== OFPMT_OXM ||
    end > at + length
  ) {
    return -1;
  }
  let h = dv.getUint32(at) ^ dv.getUint32(at + 24);
  let off = at + ENTRIES;
  while (off + 4 <= end) {
    const header = dv.getUint32(off);
    h = Math.imul(h ^ header, 0x9e37_79b1);
    h ^= h >>> 15;
    off += 4 + (header & 0xff);
  }
  return off === end ? h >>> 1 : -1;
}

function bytesFrom(dv: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(dv.buffer, dv.byteOffset + at, length);
}
