/**
 * Finds the rule of the highest priority for a packet by tuple space search, and which bits of
 * the packet the answer hangs on: the fewest that it can tell cheaply, since they become a
 * megaflow's mask. Tables of one mask are searched by descending priority, each in stages
 * (metadata, L2, L3, L4) that stop at the first that rules a match out; prefix tries rule out
 * whole tables by a few bits of an address, behind what is ahead of addresses, or of the ports.
 */
import { ETH_P_IPV6, type Flow, flowEquals } from '@heddle/packet';
import type { ClsRule } from './cls-rule.ts';
import { type PrefixLookup, PrefixTrie } from './prefix-trie.ts';
import { byteSwap, NW_DST_WORD, NW_SRC_WORD, Subtable } from './subtable.ts';

const MOST_RECENT = 4;

/** Addresses whose prefixes may rule out tables. Packets fare the same, megaflows may be narrower. */
export interface TrackedPrefixes {
  readonly src4: boolean;
  readonly dst4: boolean;
  readonly src6: boolean;
  readonly dst6: boolean;
}

export const ALL_PREFIXES: TrackedPrefixes = { src4: true, dst4: true, src6: true, dst6: true };

export class Classifier<R extends ClsRule> {
  /** By a hash of the mask. */
  readonly #byMask = new Map<number, Subtable<R>[]>();
  /** Those last asked for: who changes flows asks several times in a row, and for few masks. */
  readonly #recent: Subtable<R>[] = [];
  /** By descending priority of their best rule. */
  #subtables: Subtable<R>[] = [];
  #sorted = true;
  readonly #src = new PrefixTrie();
  readonly #dst = new PrefixTrie();
  #size = 0;
  #conjunctive = 0;
  /** Megaflows that were made by others are to be looked at again. */
  tracked: TrackedPrefixes = ALL_PREFIXES;

  get size(): number {
    return this.#size;
  }

  get subtables(): number {
    return this.#subtables.length;
  }

  /** `key` is masked by `mask`. There must be no rule of the same match and priority. */
  insert(rule: R, key: Flow, mask: Flow): void {
    const subtable = this.#subtable(mask) ?? this.#addSubtable(mask);
    if (rule.priority > subtable.maxPriority) this.#sorted = false;
    subtable.insert(rule, key);
    rule.subtable = subtable as unknown as Subtable<ClsRule>;
    const { srcPrefix, dstPrefix } = subtable;
    if (srcPrefix > 0) this.#src.insert(address(key, NW_SRC_WORD), srcPrefix);
    if (dstPrefix > 0) this.#dst.insert(address(key, NW_DST_WORD), dstPrefix);
    this.#size++;
    if (rule.conjunctions.length > 0) this.#conjunctive++;
  }

  /** Puts a rule in the place of another one of the same match and priority. */
  replace(old: R, rule: R): void {
    const subtable = old.subtable as unknown as Subtable<R>;
    subtable.replace(old, rule);
    rule.subtable = old.subtable;
    if (old.conjunctions.length > 0) this.#conjunctive--;
    if (rule.conjunctions.length > 0) this.#conjunctive++;
  }

  /** The rule keeps its key, and the key its place, until `rule.subtable.release(rule)`. */
  remove(rule: R): void {
    const subtable = rule.subtable as unknown as Subtable<R>;
    const before = subtable.maxPriority;
    subtable.remove(rule);
    if (subtable.maxPriority !== before) this.#sorted = false;
    const { srcPrefix, dstPrefix } = subtable;
    if (srcPrefix > 0) this.#src.remove(subtable.address(rule, NW_SRC_WORD), srcPrefix);
    if (dstPrefix > 0) this.#dst.remove(subtable.address(rule, NW_DST_WORD), dstPrefix);
    this.#size--;
    if (rule.conjunctions.length > 0) this.#conjunctive--;
    if (subtable.size === 0) this.#dropSubtable(subtable);
  }

  /** The rule of exactly this match and priority. Nobody writes to a mask that is fixed. */
  find(key: Flow, mask: Flow, priority: number, isMaskFixed = false): R | undefined {
    const subtable = this.#subtable(mask);
    if (isMaskFixed && subtable) subtable.knownMask = mask;
    return subtable?.find(key, priority);
  }

  #subtable(mask: Flow): Subtable<R> | undefined {
    for (const subtable of this.#recent) if (subtable.knownMask === mask) return subtable;
    for (const subtable of this.#recent) if (flowEquals(subtable.mask, mask)) return subtable;
    const found = this.#byMask.get(maskHash(mask))?.find((s) => flowEquals(s.mask, mask));
    if (found) this.#remember(found);
    return found;
  }

  #remember(subtable: Subtable<R>): void {
    if (this.#recent.length === MOST_RECENT) this.#recent.pop();
    this.#recent.unshift(subtable);
  }

  #addSubtable(mask: Flow): Subtable<R> {
    const subtable = new Subtable<R>(mask, this);
    const hash = maskHash(mask);
    const same = this.#byMask.get(hash);
    if (same) same.push(subtable);
    else this.#byMask.set(hash, [subtable]);
    this.#subtables.push(subtable);
    this.#sorted = false;
    this.#remember(subtable);
    return subtable;
  }

  #dropSubtable(subtable: Subtable<R>): void {
    const hash = maskHash(subtable.mask);
    const same = this.#byMask.get(hash)!;
    if (same.length > 1) same.splice(same.indexOf(subtable), 1);
    else this.#byMask.delete(hash);
    this.#subtables.splice(this.#subtables.indexOf(subtable), 1);
    const recent = this.#recent.indexOf(subtable);
    if (recent >= 0) this.#recent.splice(recent, 1);
  }

  /** Whether the rule is here. */
  has(rule: R): boolean {
    const subtable = rule.subtable as unknown as Subtable<R> | undefined;
    return subtable?.owner === this && subtable.at(rule.slot) === rule;
  }

  /** Those of masks that are used by higher priorities come first, as upstream. */
  *rules(): IterableIterator<R> {
    if (!this.#sorted) this.#sort();
    for (const subtable of this.#subtables) yield* subtable.rules();
  }

  /** Rules of higher priority than that; tables that have none are not looked through. */
  *rulesAbove(priority: number): IterableIterator<R> {
    for (const subtable of this.#subtables) {
      if (subtable.maxPriority <= priority) continue;
      for (const rule of subtable.rules()) if (rule.priority > priority) yield rule;
    }
  }

  /** Rules whose match is the given one or narrower, in the order of `rules`. */
  within(key: Flow, mask: Flow): R[] {
    if (!this.#sorted) this.#sort();
    const rules: R[] = [];
    for (const subtable of this.#subtables) {
      if (covers(subtable.mask, mask)) subtable.collect(key, mask, rules);
    }
    return rules;
  }

  /** Whether a rule of the same priority could match the same packet. */
  overlaps(key: Flow, mask: Flow, priority: number): boolean {
    for (const subtable of this.#subtables) {
      const common = subtable.mask.clone();
      for (let i = 0; i < common.u32.length; i++) common.u32[i]! &= mask.u32[i]!;
      for (const rule of subtable.rules()) {
        if (rule.priority === priority && subtable.keyMatches(rule, key, common)) return true;
      }
    }
    return false;
  }

  lookup(flow: Flow, wildcards?: Flow): R | undefined {
    if (!this.#sorted) this.#sort();
    if (this.#conjunctive > 0) return this.#lookupConjunctive(flow, wildcards, true);
    const prefixes = new Prefixes(this.#src, this.#dst, flow, this.tracked);
    let best: R | undefined;
    for (const subtable of this.#subtables) {
      if (best && subtable.maxPriority <= best.priority) break;
      // A rule that matches has a prefix that is in use: the walk to it among many takes longer than a hash.
      let rule = prefixes.areOpen(subtable) ? subtable.lookup(flow, undefined) : undefined;
      if (rule) {
        if (wildcards) subtable.addWildcards(wildcards);
      } else {
        if (subtable.missesEarly(flow, wildcards)) continue;
        if (prefixes.ruleOut(subtable, wildcards)) continue;
        rule = subtable.lookup(flow, wildcards);
      }
      if (rule && (!best || rule.priority > best.priority)) best = rule;
    }
    return best;
  }

  /**
   * As `lookup`, but a rule with conjunctions counts only with rules for every other clause of
   * one of them; then `conj_id` is looked up.
   */
  #lookupConjunctive(flow: Flow, wildcards: Flow | undefined, allow: boolean): R | undefined {
    const prefixes = new Prefixes(this.#src, this.#dst, flow, this.tracked);
    let hard: R | undefined;
    const soft: R[] = [];
    for (const subtable of this.#subtables) {
      if (hard && subtable.maxPriority <= hard.priority) break;
      if (subtable.missesEarly(flow, wildcards)) continue;
      if (prefixes.ruleOut(subtable, wildcards)) continue;
      if (!subtable.lookup(flow, wildcards)) continue;
      for (const rule of subtable.lookupAll(flow)) {
        if (hard && rule.priority <= hard.priority) break;
        if (rule.conjunctions.length > 0) {
          if (allow) soft.push(rule);
          continue;
        }
        hard = rule;
        break;
      }
    }
    const floor = hard?.priority ?? -1;
    const priorities = [...new Set(soft.map((r) => r.priority))].sort((a, b) => b - a);
    for (const priority of priorities) {
      if (priority <= floor) break;
      for (const id of satisfied(soft.filter((r) => r.priority === priority))) {
        const saved = flow.conjId;
        flow.conjId = id;
        const rule = this.#lookupConjunctive(flow, wildcards, false);
        flow.conjId = saved;
        if (rule && rule.priority > floor) return rule;
      }
    }
    return hard;
  }

  #sort(): void {
    this.#subtables.sort((a, b) => b.maxPriority - a.maxPriority);
    this.#sorted = true;
  }
}

/** Conjunctions that have a rule for every clause, by ascending id. */
function satisfied(rules: readonly ClsRule[]): number[] {
  const clauses = new Map<string, { id: number; have: Set<number>; want: number }>();
  for (const rule of rules) {
    for (const { id, clause, nClauses } of rule.conjunctions) {
      const key = `${id}/${nClauses}`;
      let entry = clauses.get(key);
      if (!entry) {
        entry = { id, have: new Set(), want: nClauses };
        clauses.set(key, entry);
      }
      entry.have.add(clause);
    }
  }
  const complete = [...clauses.values()].filter((c) => c.have.size === c.want);
  return complete.map((c) => c.id).sort((a, b) => a - b);
}

/** Which tables the addresses of one packet rule out; the tries are asked when it matters. */
class Prefixes {
  readonly #srcTrie: PrefixTrie;
  readonly #dstTrie: PrefixTrie;
  readonly #flow: Flow;
  /** Lengths beyond are another protocol's, which the packet's type rules out. */
  readonly #maxSrc: number;
  readonly #maxDst: number;
  #src: PrefixLookup | undefined;
  #dst: PrefixLookup | undefined;

  constructor(src: PrefixTrie, dst: PrefixTrie, flow: Flow, tracked: TrackedPrefixes) {
    this.#srcTrie = src;
    this.#dstTrie = dst;
    this.#flow = flow;
    const isIpv6 = flow.dlType === ETH_P_IPV6;
    const length = isIpv6 ? 128 : 32;
    this.#maxSrc = (isIpv6 ? tracked.src6 : tracked.src4) ? length : 0;
    this.#maxDst = (isIpv6 ? tracked.dst6 : tracked.dst4) ? length : 0;
  }

  /** Whether a table would be the first to be asked for. */
  areOpen({ srcPrefix, dstPrefix }: Pick<Subtable<ClsRule>, 'srcPrefix' | 'dstPrefix'>): boolean {
    if (this.#dst || this.#src) return false;
    return dstPrefix > 0 || srcPrefix > 0;
  }

  ruleOut(
    subtable: Pick<Subtable<ClsRule>, 'srcPrefix' | 'dstPrefix'>,
    wildcards: Flow | undefined,
  ): boolean {
    if (subtable.dstPrefix > 0 && subtable.dstPrefix <= this.#maxDst) {
      this.#dst ??= this.#dstTrie.lookup(address(this.#flow, NW_DST_WORD));
      if (!this.#dst.has(subtable.dstPrefix)) {
        // Whether there is a prefix of so many bits hangs on no more of them.
        const bits = Math.min(this.#dst.checked, subtable.dstPrefix);
        if (wildcards) addPrefix(wildcards, NW_DST_WORD, bits);
        return true;
      }
    }
    if (subtable.srcPrefix > 0 && subtable.srcPrefix <= this.#maxSrc) {
      this.#src ??= this.#srcTrie.lookup(address(this.#flow, NW_SRC_WORD));
      if (!this.#src.has(subtable.srcPrefix)) {
        const bits = Math.min(this.#src.checked, subtable.srcPrefix);
        if (wildcards) addPrefix(wildcards, NW_SRC_WORD, bits);
        return true;
      }
    }
    return false;
  }
}

function addPrefix(wildcards: Flow, first: number, bits: number): void {
  for (let i = 0; i * 32 < bits; i++) {
    const n = Math.min(bits - i * 32, 32);
    const mask = n === 32 ? 0xffff_ffff : (0xffff_ffff << (32 - n)) >>> 0;
    wildcards.u32[first + i]! |= byteSwap(mask);
  }
}

const addressWords = new Uint32Array(4);

/** An address in words of which the first bit of the wire is the highest; good until the next. */
function address(flow: Flow, first: number): Uint32Array {
  for (let i = 0; i < 4; i++) addressWords[i] = byteSwap(flow.u32[first + i]!);
  return addressWords;
}

/** Whether `mask` has every bit of `part`. */
function covers(mask: Flow, part: Flow): boolean {
  for (let i = 0; i < part.u32.length; i++) if ((part.u32[i]! & ~mask.u32[i]!) !== 0) return false;
  return true;
}

function maskHash({ u32 }: Flow): number {
  let h = 0;
  for (let i = 0; i < u32.length; i++) {
    const word = u32[i]!;
    if (word !== 0) h = Math.imul((h ^ word) + i, 0x9e37_79b1) ^ (h >>> 15);
  }
  return h | 0;
}
