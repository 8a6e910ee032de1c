/** Things by a 64-bit hash, given as two 32-bit halves. */
export interface Hashed {
  readonly hi: number;
  readonly lo: number;
}

/**
 * A map by small integers is several times as fast as one by text or bigints. Halves may be signed or
 * not: V8 keeps signed ones without boxes.
 */
export class HashIndex<T extends Hashed> {
  /** By the low half; nearly always there is one of each. */
  readonly #byLow = new Map<number, T | T[]>();
  /** Of the last one that was asked for and not there: what is asked for is often entered next. */
  #absent: number | undefined;

  get(hi: number, lo: number): T | undefined {
    const there = this.#byLow.get(lo | 0);
    if (there === undefined) {
      this.#absent = lo | 0;
      return undefined;
    }
    if (Array.isArray(there)) return there.find((t) => isEqual(t.hi, hi));
    return isEqual(there.hi, hi) ? there : undefined;
  }

  /** Takes the place of what has the same hash. */
  set(item: T): void {
    const key = item.lo | 0;
    const there = key === this.#absent ? undefined : this.#byLow.get(key);
    this.#absent = undefined;
    if (there === undefined || (!Array.isArray(there) && isEqual(there.hi, item.hi))) {
      this.#byLow.set(key, item);
    } else {
      const others = (Array.isArray(there) ? there : [there]).filter(
        (t) => !isEqual(t.hi, item.hi),
      );
      this.#byLow.set(key, [...others, item]);
    }
  }

  delete(hi: number, lo: number): void {
    const key = lo | 0;
    const there = this.#byLow.get(key);
    if (Array.isArray(there)) {
      const others = there.filter((t) => !isEqual(t.hi, hi));
      if (others.length > 0) this.#byLow.set(key, others);
      else this.#byLow.delete(key);
    } else if (there !== undefined && isEqual(there.hi, hi)) {
      this.#byLow.delete(key);
    }
  }
}

function isEqual(a: number, b: number): boolean {
  return (a | 0) === (b | 0);
}
