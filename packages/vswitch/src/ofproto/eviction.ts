/** Which flow goes when a table is full (ovs-vswitchd.conf.db(5), "Eviction Policy"). */
import type { Subfield } from '@heddle/openflow';
import { Flow } from '@heddle/packet';
import { subfieldGet } from '../xlate/subfield.ts';
import { LazyHeap } from './lazy-heap.ts';
import type { Rule } from './rule.ts';

/** Flows that are alike in what the table's groups are made by. */
interface Group {
  readonly id: string;
  size: number;
  /** By importance and end. */
  readonly rules: LazyHeap<Rule>;
}

/** Groups of one size. */
interface Rank {
  groups: number;
  /** By the first flow of each to go. */
  readonly order: LazyHeap<Group>;
}

/** The flows of a table that can be evicted: those that expire. Finding the next, adding and removing take logarithmic time. */
export class EvictionQueue {
  readonly #fields: readonly Subfield[];
  readonly #groupOf = new Map<Rule, Group>();
  readonly #groups = new Map<string, Group>();
  readonly #ranks = new Map<number, Rank>();
  #largest = 0;

  constructor(fields: readonly Subfield[], rules: Iterable<Rule>) {
    this.#fields = fields;
    for (const rule of rules) this.add(rule);
  }

  /** The flow that a full table misses least: of a large group, of low importance, soon to expire. */
  next(): Rule | undefined {
    return this.#ranks.get(this.#largest)?.order.peek()?.rules.peek();
  }

  /** Of a rule that is in the table, with its match. */
  add(rule: Rule): void {
    if (rule.isHidden || !isTimed(rule)) return;
    const id = this.#idOf(rule);
    const group = this.#groups.get(id) ?? this.#addGroup(id);
    this.#groupOf.set(rule, group);
    group.rules.push(rule);
    this.#resize(group, 1);
  }

  remove(rule: Rule): void {
    const group = this.#groupOf.get(rule);
    if (!group) return;
    this.#groupOf.delete(rule);
    this.#resize(group, -1);
  }

  /** Of a rule that ends sooner than it did. */
  hasten(rule: Rule): void {
    const group = this.#groupOf.get(rule);
    if (!group) {
      this.add(rule);
      return;
    }
    group.rules.push(rule);
    this.#ranks.get(group.size)!.order.push(group);
  }

  /** What a match does not tell counts as 0. */
  #idOf(rule: Rule): string {
    if (this.#fields.length === 0) return '';
    const { key } = rule.matchInto(scratch);
    return this.#fields.map((field) => subfieldGet(key, field)).join();
  }

  #addGroup(id: string): Group {
    const group: Group = {
      id,
      size: 0,
      rules: new LazyHeap({
        isLive: (rule) => this.#groupOf.get(rule) === group,
        first: (rule) => rule.state.importance,
        second: (rule) => rule.expiryMs,
      }),
    };
    this.#groups.set(id, group);
    return group;
  }

  #resize(group: Group, by: 1 | -1): void {
    const before = this.#ranks.get(group.size);
    if (before && --before.groups === 0) this.#ranks.delete(group.size);
    group.size += by;
    if (group.size === 0) this.#groups.delete(group.id);
    else {
      const rank = this.#ranks.get(group.size) ?? this.#addRank(group.size);
      rank.groups++;
      rank.order.push(group);
    }
    // Sizes change by one.
    if (group.size > this.#largest) this.#largest = group.size;
    else if (!this.#ranks.has(this.#largest)) this.#largest--;
  }

  #addRank(size: number): Rank {
    const rank: Rank = {
      groups: 0,
      order: new LazyHeap<Group>({
        isLive: (group) => group.size === size,
        first: (group) => group.rules.peek()!.state.importance,
        second: (group) => group.rules.peek()!.expiryMs,
      }),
    };
    this.#ranks.set(size, rank);
    return rank;
  }
}

const scratch = new Flow();

function isTimed({ state }: Rule): boolean {
  return state.idleTimeout !== 0 || state.hardTimeout !== 0;
}
