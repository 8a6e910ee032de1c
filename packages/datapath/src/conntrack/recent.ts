/** Connections that were entered last: where room is found in a table that is full. */

/** As many as the eBPF tracker remembers, and looks at for one new connection. */
const SIZE = 65_536;
const TRIES = 4;

export class Recent {
  readonly #keys: string[] = [];
  #head = 0;
  #tail = 0;

  add(key: string): void {
    this.#keys[this.#head++ % SIZE] = key;
  }

  /** The oldest few, each given out once. */
  *oldest(): Generator<string> {
    for (let i = 0; i < TRIES; i++) {
      this.#tail = Math.max(this.#tail, this.#head - SIZE);
      if (this.#tail === this.#head) return;
      yield this.#keys[this.#tail++ % SIZE]!;
    }
  }
}
