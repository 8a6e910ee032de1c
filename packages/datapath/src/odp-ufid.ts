import { randomFillSync } from 'node:crypto';
import type { Flow } from '@heddle/packet';
import { HashSlots, Places } from './hash-slots.ts';

const bytes = Buffer.alloc(16);
const words = new Int32Array(bytes.buffer, bytes.byteOffset, 4);
/** The datapath's part of a flow. */
const KEY_WORDS = 64;

/** Unique flow id: 128 bits in four signed words. As text it is 32 hex digits, which few ask for. */
export class Ufid {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;

  constructor(a: number, b: number, c: number, d: number) {
    this.a = a;
    this.b = b;
    this.c = c;
    this.d = d;
  }

  /** Of 32 hex digits. */
  static fromString(text: string): Ufid {
    bytes.write(text, 'hex');
    return new Ufid(words[0]!, words[1]!, words[2]!, words[3]!);
  }

  toString(): string {
    words[0] = this.a;
    words[1] = this.b;
    words[2] = this.c;
    words[3] = this.d;
    return bytes.toString('hex');
  }

  equals({ a, b, c, d }: Ufid): boolean {
    return a === this.a && b === this.b && c === this.c && d === this.d;
  }
}

/** A pure function of mask and masked key. */
export function flowUfid(key: Flow, mask: Flow): Ufid {
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
    a = (Math.imul(rotate(a, 13) ^ value, 0xcc9e2d51) + i) | 0;
    b = (Math.imul(rotate(b, 15) ^ bits, 0x1b873593) + a) | 0;
    c = Math.imul(rotate(c, 17) + value, 0xab0e9789) ^ b;
    d = Math.imul(rotate(d, 19) + bits, 0x38b34ae5) ^ c;
  }
  const first = finish(a ^ d);
  const second = finish(b ^ first);
  const third = finish(c ^ second);
  return new Ufid(first, second, third, finish(d ^ third));
}

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

/** A signed word. */
function finish(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Who makes up packets cannot know which ids share a hash. */
const secret = randomFillSync(new Int32Array(4));
const SECRET_A = secret[0]! | 1;
const SECRET_B = secret[1]! | 1;
const SECRET_C = secret[2]! | 1;
const SECRET_D = secret[3]! | 1;

function hashOf({ a, b, c, d }: Ufid): number {
  return (
    (Math.imul(a, SECRET_A) +
      Math.imul(b, SECRET_B) +
      Math.imul(c, SECRET_C) +
      Math.imul(d, SECRET_D)) |
    0
  );
}

/** Things by flow id. */
export class UfidTable<T extends { readonly ufid: Ufid }> {
  readonly #slots = new HashSlots();
  readonly #places = new Places<T>();

  get size(): number {
    return this.#places.size;
  }

  get(ufid: Ufid): T | undefined {
    const slot = this.#find(ufid, hashOf(ufid));
    return slot < 0 ? undefined : this.#places.at(this.#slots.placeAt(slot));
  }

  /** Takes the place of what has the same id. */
  set(item: T): void {
    const hash = hashOf(item.ufid);
    const slot = this.#find(item.ufid, hash);
    if (slot < 0) this.#slots.add(hash, this.#places.add(item));
    else this.#places.replace(this.#slots.placeAt(slot), item);
  }

  /** Whether there was one. */
  delete(ufid: Ufid): boolean {
    const slot = this.#find(ufid, hashOf(ufid));
    if (slot < 0) return false;
    this.#places.remove(this.#slots.placeAt(slot));
    this.#slots.remove(slot);
    return true;
  }

  /** What is deleted meanwhile is not among them; what is added may be. */
  values(): Generator<T, undefined> {
    return this.#places.values();
  }

  /** As `values`, several times faster. */
  each(visit: (item: T) => void): void {
    this.#places.each(visit);
  }

  #find(ufid: Ufid, hash: number): number {
    const slots = this.#slots;
    let slot = slots.first(hash);
    while (slot >= 0 && !this.#places.at(slots.placeAt(slot)).ufid.equals(ufid)) {
      slot = slots.after(slot, hash);
    }
    return slot;
  }
}
