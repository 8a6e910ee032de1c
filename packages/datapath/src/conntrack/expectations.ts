/** Connections that are to come, of those that announced them: they are expected as long as those live. */

import type { OdpNat } from '../odp-actions.ts';
import { type Tuple, tupleKey } from './tuple.ts';

export interface Expectation<P> {
  /** Of its first packet; the source port may be any. */
  readonly tuple: Tuple;
  readonly zone: number;
  /** How it is translated, if it is. */
  readonly nat: OdpNat;
  /** Of the parent, when it announced it. */
  readonly mark: number;
  readonly label: bigint;
  readonly parent: P;
}

/** More than these, and the oldest go: of all connections, and of one. */
export const MAX_EXPECTATIONS = 16_384;
const MAX_OF_PARENT = 32;

export class Expectations<P> {
  readonly #byTuple = new Map<string, Expectation<P>>();
  /** Keys, the oldest first. */
  readonly #byParent = new Map<P, Set<string>>();
  readonly #onRemove: (e: Expectation<P>) => void;

  constructor(onRemove: (e: Expectation<P>) => void = () => {}) {
    this.#onRemove = onRemove;
  }

  get size(): number {
    return this.#byTuple.size;
  }

  parents(): Iterable<P> {
    return [...this.#byParent.keys()];
  }

  find(tuple: Tuple, zone: number): Expectation<P> | undefined {
    return this.#byTuple.size === 0 ? undefined : this.#byTuple.get(keyOf(tuple, zone));
  }

  /** Takes the place of one for the same tuple. */
  add(e: Expectation<P>): void {
    const key = keyOf(e.tuple, e.zone);
    this.#remove(key);
    const own = this.#byParent.get(e.parent) ?? new Set();
    if (own.size >= MAX_OF_PARENT) this.#remove(first(own));
    if (this.#byTuple.size >= MAX_EXPECTATIONS) this.#remove(first(this.#byTuple.keys()));
    this.#byTuple.set(key, e);
    this.#byParent.set(e.parent, own.add(key));
  }

  forgetParent(parent: P): void {
    for (const key of this.#byParent.get(parent) ?? []) this.#remove(key);
  }

  #remove(key: string): void {
    const e = this.#byTuple.get(key);
    if (!e) return;
    this.#byTuple.delete(key);
    const own = this.#byParent.get(e.parent)!;
    own.delete(key);
    if (own.size === 0) this.#byParent.delete(e.parent);
    this.#onRemove(e);
  }
}

function first(keys: Iterable<string>): string {
  const [key] = keys;
  return key!;
}

function keyOf(t: Tuple, zone: number): string {
  return tupleKey({ ...t, srcPort: 0, icmpType: 0, icmpCode: 0 }, zone);
}
