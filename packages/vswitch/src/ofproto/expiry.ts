/**
 * Rules with timeouts by when they are due: a heap, so that nobody looks at all rules every second.
 * Packets put an end off without a word; so what comes up is asked again when it really ends.
 */
import type { Rule } from './rule.ts';

const MIN_SIZE = 64;

export class ExpiryQueue {
  readonly #isLive: (rule: Rule) => boolean;
  #rules: Rule[] = [];
  #dues: number[] = [];
  /** Rules that are gone are swept out when the queue has grown to this. */
  #sweepAt = MIN_SIZE;

  constructor(isLive: (rule: Rule) => boolean) {
    this.#isLive = isLive;
  }

  get size(): number {
    return this.#rules.length;
  }

  /** Of a rule that is new or ends sooner than it did; without timeouts nothing happens. */
  add(rule: Rule): void {
    const due = rule.expiryMs;
    if (due === Infinity) return;
    if (this.#rules.length >= this.#sweepAt) this.#sweep();
    this.#push(rule, due);
  }

  /** Takes out the rules that have ended by `nowMs`. Whoever keeps one adds it again. */
  takeDue(nowMs: number): Rule[] {
    const out: Rule[] = [];
    while (this.#dues.length > 0 && this.#dues[0]! <= nowMs) {
      const rule = this.#pop();
      if (!this.#isLive(rule)) continue;
      const due = rule.expiryMs;
      if (due <= nowMs) out.push(rule);
      else if (due !== Infinity) this.#push(rule, due);
    }
    return out;
  }

  #push(rule: Rule, due: number): void {
    const [rules, dues] = [this.#rules, this.#dues];
    let at = rules.length;
    rules.push(rule);
    dues.push(due);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (dues[parent]! <= due) break;
      rules[at] = rules[parent]!;
      dues[at] = dues[parent]!;
      at = parent;
    }
    rules[at] = rule;
    dues[at] = due;
  }

  #pop(): Rule {
    const [rules, dues] = [this.#rules, this.#dues];
    const top = rules[0]!;
    const rule = rules.pop()!;
    const due = dues.pop()!;
    const n = rules.length;
    if (n === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= n) break;
      if (child + 1 < n && dues[child + 1]! < dues[child]!) child++;
      if (dues[child]! >= due) break;
      rules[at] = rules[child]!;
      dues[at] = dues[child]!;
      at = child;
    }
    rules[at] = rule;
    dues[at] = due;
    return top;
  }

  #sweep(): void {
    const rules = this.#rules.filter(this.#isLive);
    this.#rules = [];
    this.#dues = [];
    for (const rule of rules) this.#push(rule, rule.expiryMs);
    this.#sweepAt = Math.max(MIN_SIZE, rules.length * 2);
  }
}
