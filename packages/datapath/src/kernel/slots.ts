/**
 * Indices into an array map. A freed one rests for a while before it is given out again: packets
 * in flight may still count or read there.
 */
const QUARANTINE_MS = 1000;

export class SlotAllocator {
  readonly #free: number[] = [];
  readonly #resting: { slot: number; until: number }[] = [];
  readonly #size: number;
  readonly #now: () => number;
  readonly #restMs: number;
  #next: number;
  #head = 0;

  constructor(size: number, now: () => number, restMs = QUARANTINE_MS, first = 0) {
    this.#size = size;
    this.#now = now;
    this.#restMs = restMs;
    this.#next = first;
  }

  /** Undefined when all are taken. */
  take(): number | undefined {
    this.#wake();
    const slot = this.#free.pop();
    if (slot !== undefined) return slot;
    return this.#next < this.#size ? this.#next++ : this.#hurry();
  }

  release(slot: number): void {
    this.#resting.push({ slot, until: this.#now() + this.#restMs });
  }

  /** Declares which slots are in use; all others become free. */
  adopt(used: ReadonlySet<number>): void {
    let top = this.#next;
    for (const slot of used) top = Math.max(top, slot + 1);
    for (let i = this.#next; i < top; i++) if (!used.has(i)) this.#free.push(i);
    this.#next = top;
  }

  #wake(): void {
    if (this.#head === this.#resting.length) return;
    const now = this.#now();
    for (; this.#head < this.#resting.length; this.#head++) {
      const r = this.#resting[this.#head]!;
      if (r.until > now) break;
      this.#free.push(r.slot);
    }
    if (this.#head <= 1024) return;
    this.#resting.splice(0, this.#head);
    this.#head = 0;
  }

  /** Better a slot that rested too short than none. */
  #hurry(): number | undefined {
    if (this.#head >= this.#resting.length) return undefined;
    return this.#resting[this.#head++]!.slot;
  }
}
