/** The masks map and the order in which programs try them. */
import { randomBytes } from 'node:crypto';
import type { BpfMap } from '@heddle/linux/bpf/index';
import { Flow } from '@heddle/packet';
import { SystemError } from '@heddle/runtime';
import type { HashMask } from './flow-hash.ts';
import { MASK, MASK_ORDER, MASK_WORDS, MAX_MASKS, STATE } from './layout.ts';

export interface MaskSlot extends HashMask {
  readonly index: number;
  readonly mask: Flow;
  flows: number;
}

export class MaskTable {
  readonly #map: BpfMap;
  readonly #orders: BpfMap;
  readonly #state: Uint32Array;
  readonly #byText = new Map<string, MaskSlot>();
  readonly #byIndex: (MaskSlot | undefined)[] = [];
  readonly #order: number[] = [];

  constructor(maps: Readonly<Record<string, BpfMap>>) {
    this.#map = maps['masks']!;
    this.#orders = maps['mask_orders']!;
    this.#state = new Uint32Array(maps['state']!.memory());
  }

  get size(): number {
    return this.#order.length;
  }

  at(index: number): MaskSlot | undefined {
    return this.#byIndex[index];
  }

  find(mask: Flow): MaskSlot | undefined {
    return this.#byText.get(maskText(mask));
  }

  /** Undefined when there are `limit` masks already. Without a flow it is to be discarded. */
  add(mask: Flow, limit = MAX_MASKS): MaskSlot | undefined {
    const known = this.find(mask);
    if (known !== undefined) return known;
    if (this.#order.length >= limit) return undefined;
    const index = this.#freeIndex();
    if (index === undefined) return undefined;
    const seed = randomBytes(8);
    const slot = makeSlot(index, mask.clone(), seed.readUInt32LE(0), seed.readUInt32LE(4));
    this.#map.update(index, encodeMask(slot));
    this.#enter(slot);
    this.#writeOrder();
    return slot;
  }

  reference(slot: MaskSlot): void {
    slot.flows++;
  }

  /** The last flow of a mask takes the mask with it. */
  release(slot: MaskSlot): void {
    if (--slot.flows === 0) this.discard(slot);
  }

  discard(slot: MaskSlot): void {
    this.#byText.delete(maskText(slot.mask));
    this.#byIndex[slot.index] = undefined;
    this.#order.splice(this.#order.indexOf(slot.index), 1);
    this.#writeOrder();
    this.#map.update(slot.index, Buffer.alloc(MASK.bytes));
  }

  /** Tries the masks with most hits first. */
  sortBy(hits: (slot: MaskSlot) => number): void {
    const score = new Map(this.#order.map((i) => [i, hits(this.#byIndex[i]!)]));
    const before = this.#order.join();
    this.#order.sort((a, b) => score.get(b)! - score.get(a)!);
    if (this.#order.join() !== before) this.#writeOrder();
  }

  /** Reads what an earlier daemon left. */
  adopt(): void {
    for (let index = 0; index < MAX_MASKS; index++) {
      const value = this.#map.lookup(index)!;
      if (value.readUInt32LE(MASK.valid) !== 0) this.#enter(decodeMask(index, value));
    }
    this.#writeOrder();
  }

  /** Drops masks that no adopted flow uses. */
  prune(): void {
    for (const slot of [...this.#byText.values()]) {
      if (slot.flows === 0) this.discard(slot);
    }
  }

  #enter(slot: MaskSlot): void {
    this.#byText.set(maskText(slot.mask), slot);
    this.#byIndex[slot.index] = slot;
    this.#order.push(slot.index);
  }

  #freeIndex(): number | undefined {
    for (let i = 0; i < MAX_MASKS; i++) if (this.#byIndex[i] === undefined) return i;
    return undefined;
  }

  /** Into the order that is not in force, then switches: a program never sees half a list. */
  #writeOrder(): void {
    const value = Buffer.alloc(MASK_ORDER.bytes);
    value.writeUInt32LE(this.#order.length, MASK_ORDER.n);
    this.#order.forEach((index, i) => {
      value.writeUInt16LE(index, MASK_ORDER.idx + 2 * i);
    });
    const next = 1 - (this.#state[STATE.order]! & 1);
    this.#orders.update(next, value);
    this.#state[STATE.order] = next;
  }
}

function maskText(mask: Flow): string {
  return Buffer.from(mask.u8.buffer, mask.u8.byteOffset, 208).toString('latin1');
}

function makeSlot(index: number, mask: Flow, seedLo: number, seedHi: number): MaskSlot {
  const idx: number[] = [];
  for (let w = 0; w < 31; w++) if ((mask.u32[2 * w]! | mask.u32[2 * w + 1]!) !== 0) idx.push(w);
  if (idx.length > MASK_WORDS) throw new SystemError('EINVAL', 'mask of more than 24 words');
  return { index, mask, seedLo, seedHi, idx, flows: 0 };
}

function encodeMask(slot: MaskSlot): Buffer {
  const value = Buffer.alloc(MASK.bytes);
  value.writeUInt32LE(1, MASK.valid);
  value.writeUInt32LE(slot.idx.length, MASK.n);
  value.writeUInt32LE(slot.seedLo, MASK.seed);
  value.writeUInt32LE(slot.seedHi, MASK.seed + 4);
  value.fill(31, MASK.idx, MASK.idx + MASK_WORDS);
  slot.idx.forEach((w, i) => {
    value[MASK.idx + i] = w;
    value.writeUInt32LE(slot.mask.u32[2 * w]!, MASK.m + 8 * i);
    value.writeUInt32LE(slot.mask.u32[2 * w + 1]!, MASK.m + 8 * i + 4);
  });
  return value;
}

function decodeMask(index: number, value: Buffer): MaskSlot {
  const mask = new Flow();
  const n = value.readUInt32LE(MASK.n);
  for (let i = 0; i < n; i++) {
    const w = value[MASK.idx + i]!;
    mask.u32[2 * w] = value.readUInt32LE(MASK.m + 8 * i);
    mask.u32[2 * w + 1] = value.readUInt32LE(MASK.m + 8 * i + 4);
  }
  return makeSlot(index, mask, value.readUInt32LE(MASK.seed), value.readUInt32LE(MASK.seed + 4));
}
