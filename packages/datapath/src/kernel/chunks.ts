/** Parts of action lists that do not fit where the list starts: chains in the chunks map. */
import type { BpfMap } from '@heddle/linux/bpf/index';
import { SystemError } from '@heddle/runtime';
import { ACT_BYTES, CHUNK, CHUNK_ACTS, MAX_CHUNKS } from './layout.ts';
import { SlotAllocator } from './slots.ts';

const CHUNK_BYTES = CHUNK_ACTS * ACT_BYTES;

export class ChunkTable {
  readonly #memory: Buffer;
  readonly #slots: SlotAllocator;

  constructor(map: BpfMap, now: () => number, restMs?: number) {
    this.#memory = Buffer.from(map.memory());
    this.#slots = new SlotAllocator(map.info.maxEntries, now, restMs);
  }

  /** Stores actions; returns the `next` that leads to them (0 for none). */
  store(acts: Buffer): number {
    const count = Math.ceil(acts.length / CHUNK_BYTES);
    if (count > MAX_CHUNKS) throw new SystemError('E2BIG', 'too many actions');
    let next = 0;
    for (let i = count - 1; i >= 0; i--) {
      const slot = this.#slots.take();
      if (slot === undefined) {
        this.free(next);
        throw new SystemError('ENOSPC', 'long action lists');
      }
      this.#write(slot, acts.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES), next);
      next = slot + 1;
    }
    return next;
  }

  #write(slot: number, acts: Buffer, next: number): void {
    const at = slot * CHUNK.bytes;
    this.#memory.writeUInt32LE(acts.length / ACT_BYTES, at + CHUNK.nact);
    this.#memory.writeUInt32LE(next, at + CHUNK.next);
    this.#memory.set(acts, at + CHUNK.acts);
  }

  free(next: number): void {
    for (const slot of this.#chain(next)) this.#slots.release(slot);
  }

  /** What a chain holds, in parts, as it is in the map now. */
  load(next: number): Buffer[] {
    const acts: Buffer[] = [];
    for (const slot of this.#chain(next)) {
      const at = slot * CHUNK.bytes;
      const bytes = this.#memory.readUInt32LE(at + CHUNK.nact) * ACT_BYTES;
      acts.push(this.#memory.subarray(at + CHUNK.acts, at + CHUNK.acts + bytes));
    }
    return acts;
  }

  adopt(lists: Iterable<number>): void {
    const used = new Set<number>();
    for (const next of lists) for (const slot of this.#chain(next)) used.add(slot);
    this.#slots.adopt(used);
  }

  #chain(next: number): number[] {
    const slots: number[] = [];
    for (let n = next; n !== 0 && slots.length < MAX_CHUNKS; ) {
      slots.push(n - 1);
      n = this.#memory.readUInt32LE((n - 1) * CHUNK.bytes + CHUNK.next);
    }
    return slots;
  }
}
