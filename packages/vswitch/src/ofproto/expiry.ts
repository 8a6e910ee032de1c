/**
 * Rules with timeouts by when they are due, so that nobody looks at all rules every second. Packets put an
 * end off without a word.
 */
import { LazyHeap } from './lazy-heap.ts';
import type { Rule } from './rule.ts';

export class ExpiryQueue {
  readonly #rules: LazyHeap<Rule>;

  constructor(isLive: (rule: Rule) => boolean) {
    this.#rules = new LazyHeap({ isLive, first: (rule) => rule.expiryMs, second: () => 0 });
  }

  get size(): number {
    return this.#rules.size;
  }

  /** Of a rule that is new or ends sooner than it did; without timeouts nothing happens. */
  add(rule: Rule): void {
    if (rule.expiryMs !== Infinity) this.#rules.push(rule);
  }

  /** Takes out the rules that have ended by `nowMs`. Whoever keeps one adds it again. */
  takeDue(nowMs: number): Rule[] {
    const due = new Set<Rule>();
    for (;;) {
      const rule = this.#rules.peek();
      if (!rule || rule.expiryMs > nowMs) return [...due];
      this.#rules.pop();
      due.add(rule);
    }
  }
}
