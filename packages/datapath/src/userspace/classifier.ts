/**
 * Tuple space search: one table per mask, a packet is looked up in each until one has it. Masks
 * with the most hits come first. Lookups allocate nothing: hashes are numbers, colliding flows
 * are chained, and keys compare word by word.
 */
import {
  type Flow,
  flowAnd,
  flowEquals,
  flowHashWords,
  flowMatchesWords,
  maskWords,
} from '@heddle/packet';

export interface ClassifierEntry {
  /** Bits outside of the mask do not matter. */
  readonly key: Flow;
  readonly mask: Flow;
}

interface Node<E> {
  readonly entry: E;
  readonly key: Flow;
  next: Node<E> | undefined;
}

class Subtable<E extends ClassifierEntry> {
  readonly mask: Flow;
  readonly #words: Uint8Array;
  readonly buckets = new Map<number, Node<E>>();
  hits = 0;
  size = 0;

  constructor(mask: Flow) {
    this.mask = mask.clone();
    this.#words = maskWords(mask);
  }

  lookup(flow: Flow): E | undefined {
    let node = this.buckets.get(flowHashWords(flow, this.mask, this.#words));
    while (node !== undefined && !flowMatchesWords(flow, node.key, this.mask, this.#words))
      node = node.next;
    return node?.entry;
  }

  insert(entry: E): void {
    const hash = flowHashWords(entry.key, this.mask, this.#words);
    const next = this.buckets.get(hash);
    this.buckets.set(hash, { entry, key: flowAnd(entry.key, this.mask), next });
    this.size++;
  }

  remove(entry: E): boolean {
    const hash = flowHashWords(entry.key, this.mask, this.#words);
    const first = this.buckets.get(hash);
    for (let node = first, before: Node<E> | undefined; node; before = node, node = node.next) {
      if (node.entry !== entry) continue;
      if (before !== undefined) before.next = node.next;
      else if (node.next !== undefined) this.buckets.set(hash, node.next);
      else this.buckets.delete(hash);
      this.size--;
      return true;
    }
    return false;
  }
}

const SORT_EVERY = 1024;

export class Classifier<E extends ClassifierEntry> {
  #subtables: Subtable<E>[] = [];
  #lookups = 0;
  /** Tables that lookups have searched, in total. */
  maskHits = 0;
  /** Of them, those of lookups that found something. */
  masksOfHits = 0;

  get masks(): number {
    return this.#subtables.length;
  }

  lookup(flow: Flow): E | undefined {
    if (++this.#lookups % SORT_EVERY === 0) this.#sort();
    for (let i = 0; i < this.#subtables.length; i++) {
      const table = this.#subtables[i]!;
      this.maskHits++;
      const entry = table.lookup(flow);
      if (entry !== undefined) {
        table.hits++;
        this.masksOfHits += i + 1;
        return entry;
      }
    }
    return undefined;
  }

  insert(entry: E): void {
    let table = this.#subtables.find((t) => flowEquals(t.mask, entry.mask));
    if (table === undefined) {
      table = new Subtable<E>(entry.mask);
      this.#subtables.push(table);
    }
    table.insert(entry);
  }

  remove(entry: E): boolean {
    const table = this.#subtables.find((t) => flowEquals(t.mask, entry.mask));
    if (!table?.remove(entry)) return false;
    if (table.size === 0) this.#subtables = this.#subtables.filter((t) => t !== table);
    return true;
  }

  clear(): void {
    this.#subtables = [];
  }

  #sort(): void {
    this.#subtables.sort((a, b) => b.hits - a.hits);
    for (const table of this.#subtables) table.hits = table.hits >>> 1;
  }
}
