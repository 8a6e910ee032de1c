/** Parts of action lists that do not fit where the list starts: chains in the chunks map. */
import type { BpfMap } from '@heddle/linux/bpf/index';
import { SystemError } from '@heddle/runtime';
import { ACT_BYTES, CHUNK, CHUNK_ACTS, MAX_CHUNKS } from './layout.ts';
import { SlotAllocator } from './slots.ts';

export class ChunkTable {
  readonly #memory: Buffer;
  readonly #slots: SlotAllocator;

  constructor(map: BpfMap, now: () => number) {
    this.#memory = Buffer.from(map.memory());
    this.#slots = new SlotAllocator(map.info.maxEntries, now);
  }

  /** Stores actions; returns the `next` that leads to them (0 for none). */
  store(acts: readonly Buffer[]): number {
    const count = Math.ceil(acts.length / CHUNK_ACTS);
    if (count > MAX_CHUNKS) throw new SystemError('E2BIG', `${acts.length} actions`);
    let next = 0;
    for (let i = count - 1; i >= 0; i--) {
      const slot = this.#slots.take();
      if (slot === undefined) {
        this.free(next);
        throw new SystemError('ENOSPC', 'long action lists');
      }
      this.#write(slot, acts.slice(i * CHUNK_ACTS, (i + 1) * CHUNK_ACTS), next);
      next = slot + 1;
    }
    return next;
  }

  #write(slot: number, acts: readonly Buffer[], next: number): void {
    const at = slot * CHUNK.bytes;
    this.#memory.writeUInt32LE(acts.length, at + CHUNK.nact);
    this.#memory.writeUInt32LE(next, at + CHUNK.next);
    acts.forEach((a, i) => {
      this.#memory.set(a, at + CHUNK.acts + i * ACT_BYTES);
    });
  }

  free(next: number): void {
    for (const slot of this.#chain(next)) this.#slots.release(slot);
  }

  load(next: number): Buffer[] {
    const acts: Buffer[] = [];
    for (const slot of this.#chain(next)) {
      const at = slot * CHUNK.bytes;
      const n = this.#memory.readUInt32LE(at + CHUNK.nact);
      for (let i = 0; i < n; i++) {
        const from = at + CHUNK.acts + i * ACT_BYTES;
        acts.push(Buffer.from(this.#memory.subarray(from, from + ACT_BYTES)));
      }
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
