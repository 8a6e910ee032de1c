/** The masks map and the order in which programs try them. */
import { randomBytes } from 'node:crypto';
import type { BpfMap } from '@heddle/linux/bpf/index';
import { Flow, flowEquals, flowHash } from '@heddle/packet';
import { SystemError } from '@heddle/runtime';
import type { HashMask } from './flow-hash.ts';
import { MASK, MASK_ORDER, MASK_WORDS, MAX_MASKS, STATE } from './layout.ts';
import { programMask, readProgramMask } from './tunnel-addresses.ts';

/** `mask` is a `Flow`'s, `idx` what programs look at. */
export interface MaskSlot extends HashMask {
  readonly index: number;
  readonly mask: Flow;
  flows: number;
  /** Programs try it. */
  isActive: boolean;
}

export class MaskTable {
  readonly #map: BpfMap;
  readonly #orders: BpfMap;
  readonly #state: Uint32Array;
  readonly #byHash = new Map<number, MaskSlot[]>();
  readonly #byIndex: (MaskSlot | undefined)[] = new Array(MAX_MASKS).fill(undefined);
  /** Those asked for: who puts many flows asks with one object for all equal masks. */
  readonly #byObject = new Map<Flow, MaskSlot>();
  /** Of the masks with flows, or with one to come. */
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

  /** Undefined when there are `limit` masks already. Without a flow it is to be discarded. */
  add(mask: Flow, limit = MAX_MASKS): MaskSlot | undefined {
    const known = this.#find(mask);
    if (known?.isActive) return known;
    if (this.#order.length >= limit) return undefined;
    const slot = known ?? this.#make(mask);
    if (slot === undefined) return undefined;
    slot.isActive = true;
    this.#order.push(slot.index);
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

  /** Programs try it no more. It stays known: masks tend to come back. */
  discard(slot: MaskSlot): void {
    if (!slot.isActive) return;
    slot.isActive = false;
    this.#order.splice(this.#order.indexOf(slot.index), 1);
    this.#writeOrder();
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
      if (value.readUInt32LE(MASK.valid) === 0) continue;
      const slot = decodeMask(index, value);
      this.#enter(slot);
      slot.isActive = true;
      this.#order.push(index);
    }
    this.#writeOrder();
  }

  /** Drops masks that no adopted flow uses. */
  prune(): void {
    for (const slot of this.#byIndex) if (slot?.flows === 0) this.discard(slot);
  }

  #find(mask: Flow): MaskSlot | undefined {
    const last = this.#byObject.get(mask);
    if (last !== undefined && this.#byIndex[last.index] === last) return last;
    const alike = this.#byHash.get(flowHash(mask));
    const slot = alike?.find((known) => flowEquals(known.mask, mask));
    if (slot === undefined) return undefined;
    if (this.#byObject.size >= MAX_MASKS) this.#byObject.clear();
    this.#byObject.set(mask, slot);
    return slot;
  }

  #make(mask: Flow): MaskSlot | undefined {
    const index = this.#freeIndex();
    if (index === undefined) return undefined;
    const seed = randomBytes(8);
    const slot = makeSlot(index, mask.clone(), seed.readUInt32LE(0), seed.readUInt32LE(4));
    this.#map.update(index, encodeMask(slot));
    this.#enter(slot);
    return slot;
  }

  #enter(slot: MaskSlot): void {
    const hash = flowHash(slot.mask);
    this.#byHash.set(hash, [...(this.#byHash.get(hash) ?? []), slot]);
    this.#byIndex[slot.index] = slot;
  }

  /** One that was never used, else that of a mask that nothing uses. */
  #freeIndex(): number | undefined {
    const unused = this.#byIndex.indexOf(undefined);
    if (unused >= 0) return unused;
    const idle = this.#byIndex.find((slot) => slot?.isActive === false);
    if (idle === undefined) return undefined;
    this.#map.update(idle.index, Buffer.alloc(MASK.bytes));
    const hash = flowHash(idle.mask);
    const others = this.#byHash.get(hash)!.filter((slot) => slot !== idle);
    if (others.length > 0) this.#byHash.set(hash, others);
    else this.#byHash.delete(hash);
    return idle.index;
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

function makeSlot(index: number, mask: Flow, seedLo: number, seedHi: number): MaskSlot {
  const idx: number[] = [];
  const { u32 } = programMask(mask);
  for (let w = 0; w < 31; w++) if ((u32[2 * w]! | u32[2 * w + 1]!) !== 0) idx.push(w);
  if (idx.length > MASK_WORDS) throw new SystemError('EINVAL', 'mask of more than 24 words');
  return { index, mask, seedLo, seedHi, idx, flows: 0, isActive: false };
}

function encodeMask(slot: MaskSlot): Buffer {
  const value = Buffer.alloc(MASK.bytes);
  const { u32 } = programMask(slot.mask);
  value.writeUInt32LE(1, MASK.valid);
  value.writeUInt32LE(slot.idx.length, MASK.n);
  value.writeUInt32LE(slot.seedLo, MASK.seed);
  value.writeUInt32LE(slot.seedHi, MASK.seed + 4);
  value.fill(31, MASK.idx, MASK.idx + MASK_WORDS);
  slot.idx.forEach((w, i) => {
    value[MASK.idx + i] = w;
    value.writeUInt32LE(u32[2 * w]!, MASK.m + 8 * i);
    value.writeUInt32LE(u32[2 * w + 1]!, MASK.m + 8 * i + 4);
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
  readProgramMask(mask);
  return makeSlot(index, mask, value.readUInt32LE(MASK.seed), value.readUInt32LE(MASK.seed + 4));
}
