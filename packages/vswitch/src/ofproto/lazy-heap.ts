/**
 * Items by two numbers, the least first, of which nobody says when they grow: what comes up is asked again
 * how much it is by then. Who knows that one has become less pushes it once more.
 */

const MIN_SIZE = 64;

export interface LazyOrder<T> {
  /** What does not belong any more is dropped when it comes up. */
  isLive(item: T): boolean;
  first(item: T): number;
  /** Decides where the first ones are equal. */
  second(item: T): number;
}

export class LazyHeap<T> {
  readonly #order: LazyOrder<T>;
  #items: T[] = [];
  #firsts: number[] = [];
  #seconds: number[] = [];
  /** What is gone or here twice is swept out when the heap has grown to this. */
  #sweepAt = MIN_SIZE;

  constructor(order: LazyOrder<T>) {
    this.#order = order;
  }

  get size(): number {
    return this.#items.length;
  }

  push(item: T): void {
    if (this.#items.length >= this.#sweepAt) this.#sweep();
    this.#place(item, this.#order.first(item), this.#order.second(item));
  }

  /** The least, which stays. */
  peek(): T | undefined {
    const order = this.#order;
    while (this.#items.length > 0) {
      const item = this.#items[0]!;
      if (order.isLive(item)) {
        const first = order.first(item);
        const second = order.second(item);
        if (!isLess(this.#firsts[0]!, this.#seconds[0]!, first, second)) return item;
        this.pop();
        this.#place(item, first, second);
      } else this.pop();
    }
    return undefined;
  }

  /** Takes out what `peek` has just told. */
  pop(): void {
    const [items, firsts, seconds] = [this.#items, this.#firsts, this.#seconds];
    const item = items.pop()!;
    const first = firsts.pop()!;
    const second = seconds.pop()!;
    const n = items.length;
    if (n === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= n) break;
      const right = child + 1;
      if (right < n && isLess(firsts[right]!, seconds[right]!, firsts[child]!, seconds[child]!)) {
        child = right;
      }
      if (!isLess(firsts[child]!, seconds[child]!, first, second)) break;
      items[at] = items[child]!;
      firsts[at] = firsts[child]!;
      seconds[at] = seconds[child]!;
      at = child;
    }
    items[at] = item;
    firsts[at] = first;
    seconds[at] = second;
  }

  #place(item: T, first: number, second: number): void {
    const [items, firsts, seconds] = [this.#items, this.#firsts, this.#seconds];
    let at = items.length;
    items.push(item);
    firsts.push(first);
    seconds.push(second);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isLess(first, second, firsts[parent]!, seconds[parent]!)) break;
      items[at] = items[parent]!;
      firsts[at] = firsts[parent]!;
      seconds[at] = seconds[parent]!;
      at = parent;
    }
    items[at] = item;
    firsts[at] = first;
    seconds[at] = second;
  }

  #sweep(): void {
    const order = this.#order;
    const items = new Set(this.#items.filter((item) => order.isLive(item)));
    this.#items = [];
    this.#firsts = [];
    this.#seconds = [];
    for (const item of items) this.#place(item, order.first(item), order.second(item));
    this.#sweepAt = Math.max(MIN_SIZE, items.size * 2);
  }
}

function isLess(first: number, second: number, otherFirst: number, otherSecond: number): boolean {
  return first === otherFirst ? second < otherSecond : first < otherFirst;
}
