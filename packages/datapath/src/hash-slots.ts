/**
 * Where items lie by a hash of theirs: open addressing over one typed array. A lookup that finds nothing costs
 * one cache line; what it takes of memory is none that is collected. Items with one hash are told apart by
 * their owner, who walks over them from `first` on.
 */
import { randomFillSync } from 'node:crypto';

const MIN_SLOTS = 16;
/** At most a half is in use, so that walks are short. */
const SPARE = 2;
/** Less in use gives memory back. */
const SPARSE = 16;
/** Who makes up packets cannot know which hashes lie close together. */
const FACTOR = randomFillSync(new Int32Array(1))[0]! | 1;

export class HashSlots {
  /** Of each slot a hash, signed, and a place; 0: there is none. */
  #slots = new Int32Array(2 * MIN_SLOTS);
  #mask = MIN_SLOTS - 1;
  #shift = Math.clz32(MIN_SLOTS - 1);
  #used = 0;

  /** The first slot of a hash, which is signed; -1: none. */
  first(hash: number): number {
    return this.#next(this.#home(hash), hash);
  }

  /** The slot of the same hash after another one; -1: none. */
  after(slot: number, hash: number): number {
    return this.#next((slot + 1) & this.#mask, hash);
  }

  placeAt(slot: number): number {
    return this.#slots[2 * slot + 1]!;
  }

  /** A place is above 0. Slots are others afterwards. */
  add(hash: number, place: number): void {
    if (++this.#used * SPARE > this.#mask) this.#resize(2 * (this.#mask + 1));
    this.#put(hash, place);
  }

  /** Slots are others afterwards. */
  remove(slot: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let hole = slot;
    for (let i = (slot + 1) & mask; slots[2 * i + 1] !== 0; i = (i + 1) & mask) {
      // What began its walk behind the hole would be found without it.
      if (((i - this.#home(slots[2 * i]!)) & mask) < ((i - hole) & mask)) continue;
      slots[2 * hole] = slots[2 * i]!;
      slots[2 * hole + 1] = slots[2 * i + 1]!;
      hole = i;
    }
    slots[2 * hole + 1] = 0;
    if (--this.#used * SPARSE < mask && mask >= MIN_SLOTS) this.#resize((mask + 1) / 4);
  }

  /** The high bits of a product hang on all of the hash. */
  #home(hash: number): number {
    return Math.imul(hash, FACTOR) >>> this.#shift;
  }

  #next(from: number, hash: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let i = from; slots[2 * i + 1] !== 0; i = (i + 1) & mask)
      if (slots[2 * i] === hash) return i;
    return -1;
  }

  #put(hash: number, place: number): void {
    const slots = this.#slots;
    let i = this.#home(hash);
    while (slots[2 * i + 1] !== 0) i = (i + 1) & this.#mask;
    slots[2 * i] = hash;
    slots[2 * i + 1] = place;
  }

  #resize(count: number): void {
    const old = this.#slots;
    const size = Math.max(count, MIN_SLOTS);
    this.#slots = new Int32Array(2 * size);
    this.#mask = size - 1;
    this.#shift = Math.clz32(size - 1);
    for (let i = 0; i < old.length; i += 2) if (old[i + 1] !== 0) this.#put(old[i]!, old[i + 1]!);
  }
}

/** Items at places, from 1 on, which those that are gone leave to others. */
export class Places<T> {
  /** Never without what is no small integer, for which V8 would throw away code when the first item comes. */
  readonly #items: (T | undefined)[] = [undefined];
  readonly #free: number[] = [];

  get size(): number {
    return this.#items.length - 1 - this.#free.length;
  }

  at(place: number): T {
    return this.#items[place]!;
  }

  add(item: T): number {
    const place = this.#free.pop() ?? this.#items.length;
    this.#items[place] = item;
    return place;
  }

  replace(place: number, item: T): void {
    this.#items[place] = item;
  }

  remove(place: number): void {
    this.#items[place] = undefined;
    this.#free.push(place);
    if (this.size > 0) return;
    this.#items.length = 1;
    this.#free.length = 0;
  }

  /** As `values`, several times faster. */
  each(visit: (item: T) => void): void {
    for (let i = 0; i < this.#items.length; i++) {
      const item = this.#items[i];
      if (item !== undefined) visit(item);
    }
  }

  /** What is removed meanwhile is not among them; what is added may be. */
  *values(): Generator<T, undefined> {
    for (let i = 0; i < this.#items.length; i++) {
      const item = this.#items[i];
      if (item !== undefined) yield item;
    }
  }
}
