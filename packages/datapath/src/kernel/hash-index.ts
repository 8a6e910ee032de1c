/** Things by a 64-bit hash, given as two 32-bit halves, signed or not. */
import { HashSlots, Places } from '../hash-slots.ts';

export interface Hashed {
  readonly hi: number;
  readonly lo: number;
}

export class HashIndex<T extends Hashed> {
  readonly #slots = new HashSlots();
  readonly #places = new Places<T>();

  get(hi: number, lo: number): T | undefined {
    const slot = this.#find(hi | 0, lo | 0);
    return slot < 0 ? undefined : this.#places.at(this.#slots.placeAt(slot));
  }

  /** Takes the place of what has the same hash. */
  set(item: T): void {
    const slot = this.#find(item.hi | 0, item.lo | 0);
    if (slot < 0) this.#slots.add(item.lo | 0, this.#places.add(item));
    else this.#places.replace(this.#slots.placeAt(slot), item);
  }

  delete(hi: number, lo: number): void {
    const slot = this.#find(hi | 0, lo | 0);
    if (slot < 0) return;
    this.#places.remove(this.#slots.placeAt(slot));
    this.#slots.remove(slot);
  }

  /** Of signed halves. */
  #find(hi: number, lo: number): number {
    const slots = this.#slots;
    let slot = slots.first(lo);
    while (slot >= 0 && (this.#places.at(slots.placeAt(slot)).hi | 0) !== hi) {
      slot = slots.after(slot, lo);
    }
    return slot;
  }
}
