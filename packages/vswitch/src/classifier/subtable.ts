/** The rules of one mask: a hash table over the masked words of their keys. */
import { Flow } from '@heddle/packet';
import type { ClsRule } from './cls-rule.ts';
import { PrefixTrie } from './prefix-trie.ts';

/** Fields in the order in which a lookup looks: what tells most packets apart comes first. */
const STAGES = 4;
const STAGE_METADATA = 0;
const STAGE_L2 = 1;
const STAGE_L3 = 2;
const STAGE_L4 = 3;
/** Word of the last bytes of eth_src and of tcp_flags. */
const TCP_FLAGS_WORD = 19;
const ETH_SRC_TAIL = 0x0000_ffff;

function stageOf(word: number, bits: number): number {
  if (word === TCP_FLAGS_WORD) return (bits & ETH_SRC_TAIL) !== 0 ? STAGE_L2 : STAGE_L4;
  if (word < 16 || (word >= 32 && word < 38) || (word >= 46 && word < 94)) return STAGE_METADATA;
  if (word < 22) return STAGE_L2;
  if (word < 31 || word >= 42) return STAGE_L3;
  return STAGE_L4;
}

/** `0` when a word ends no prefix: the mask's bits of an address as a prefix length, or -1. */
function prefixLength(mask: Flow, first: number): number {
  let length = 0;
  for (let i = 0; i < 4; i++) {
    const word = byteSwap(mask.u32[first + i]!);
    const ones = Math.clz32(~word);
    if (ones < 32 && word << ones !== 0) return -1;
    if (length < i * 32 && ones > 0) return -1;
    length += ones;
  }
  return length;
}

export function byteSwap(x: number): number {
  return ((x << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | (x >>> 24)) >>> 0;
}

export const NW_SRC_WORD = 22;
export const NW_DST_WORD = 26;

/** Source and destination port, in wire order. */
const PORTS_WORD = 31;

const MIN_BUCKETS = 8;
/** Places of a stage's filter for each bucket while there are few: a packet that falls on a rule's by chance is looked at further. */
const FILTER_SPREAD = 16;
const MAX_SPREAD_BUCKETS = 4096;
/** A slot's row: the hash of its key, the next slot of its chain, and the key. */
const HASH = 0;
const NEXT = 1;
const KEY = 2;
const addressWords = new Uint32Array(4);
const portWords = new Uint32Array(4);

function filterSize(buckets: number): number {
  return buckets <= MAX_SPREAD_BUCKETS ? buckets * FILTER_SPREAD : buckets;
}

export class Subtable<R extends ClsRule> {
  readonly mask: Flow;
  /** Another one that is the same, and stays so. */
  knownMask: Flow | undefined;
  /** The classifier that it belongs to. */
  readonly owner: object;
  /** Indices of the words in which the mask has bits, by stage. */
  readonly words: Uint8Array;
  readonly maskWords: Uint32Array;
  /** Where each stage but the last ends in `words`; stages without words are left out. */
  readonly stageEnds: readonly number[];
  /** Lengths of the mask's prefixes of the two addresses; 0 and -1: none. */
  readonly srcPrefix: number;
  readonly dstPrefix: number;
  /** Stages ahead of a prefix: they are looked at first. */
  readonly #earlyStages: number;
  /** Where the ports are in `words`, or -1. */
  readonly #portsAt: number;
  /** Bits up to the last one of the ports that the mask looks at. */
  readonly #portsLength: number;
  /** Ports of the rules: those of a packet that has none of theirs tell so by their first bits. */
  readonly #ports: PrefixTrie | undefined;
  maxPriority = -1;
  size = 0;
  readonly #priorities = new Map<number, number>();
  #heads = new Int32Array(MIN_BUCKETS).fill(-1);
  /** By stage: how many rules fall on each partial hash. What is 0 cannot match. */
  #filters: Uint32Array[];
  /** What is looked at together lies together: of many rules few are in a processor's cache. */
  #rows: Int32Array;
  readonly #width: number;
  #rules: (R | undefined)[] = [];
  #free: number[] = [];

  constructor(mask: Flow, owner: object) {
    this.mask = mask.clone();
    this.owner = owner;
    const used = [...mask.u32.keys()].filter((i) => mask.u32[i] !== 0);
    used.sort((a, b) => stageOf(a, mask.u32[a]!) - stageOf(b, mask.u32[b]!) || a - b);
    this.words = Uint8Array.from(used);
    this.maskWords = Uint32Array.from(used, (i) => mask.u32[i]!);
    const ends: number[] = [];
    let early = 0;
    for (let stage = 0; stage < STAGES - 1; stage++) {
      const end = used.filter((i) => stageOf(i, mask.u32[i]!) <= stage).length;
      if (end > (ends.at(-1) ?? 0) && end < used.length) ends.push(end);
      if (stage < STAGE_L3) early = ends.length;
    }
    this.stageEnds = ends;
    this.#filters = ends.map(() => new Uint32Array(filterSize(MIN_BUCKETS)));
    this.#width = KEY + used.length;
    this.#rows = new Int32Array(MIN_BUCKETS * this.#width);
    this.srcPrefix = prefixLength(mask, NW_SRC_WORD);
    this.dstPrefix = prefixLength(mask, NW_DST_WORD);
    this.#earlyStages = this.srcPrefix > 0 || this.dstPrefix > 0 ? early : 0;
    this.#portsAt = used.indexOf(PORTS_WORD);
    const ports = byteSwap(mask.u32[PORTS_WORD]!);
    this.#portsLength = ports === 0 ? 0 : 1 + Math.clz32(ports & -ports);
    this.#ports = ports === 0 ? undefined : new PrefixTrie();
  }

  /** `key` must be masked. */
  insert(rule: R, key: Flow): void {
    const slot = this.#free.pop() ?? this.#rules.length;
    if (slot === this.#heads.length) this.#grow();
    const row = slot * this.#width;
    const n = this.words.length;
    for (let i = 0; i < n; i++) this.#rows[row + KEY + i] = key.u32[this.words[i]!]!;
    this.#rules[slot] = rule;
    rule.slot = slot;
    this.#rows[row + HASH] = this.#hashRow(row);
    this.size++;
    this.#link(slot);
    this.#ports?.insert(this.#portsOf(slot), this.#portsLength);
    const count = this.#priorities.get(rule.priority) ?? 0;
    this.#priorities.set(rule.priority, count + 1);
    if (rule.priority > this.maxPriority) this.maxPriority = rule.priority;
  }

  /** `rule` takes the place of `old`, whose key and priority it has. */
  replace(old: R, rule: R): void {
    rule.slot = old.slot;
    this.#rules[old.slot] = rule;
  }

  /** No lookup finds it any more; its key stays readable until `release`. */
  remove(rule: R): void {
    const { slot } = rule;
    this.#unlink(slot);
    this.#ports?.remove(this.#portsOf(slot), this.#portsLength);
    this.#rules[slot] = undefined;
    this.size--;
    const count = this.#priorities.get(rule.priority)! - 1;
    if (count > 0) this.#priorities.set(rule.priority, count);
    else {
      this.#priorities.delete(rule.priority);
      if (rule.priority === this.maxPriority) {
        this.maxPriority = -1;
        for (const p of this.#priorities.keys()) if (p > this.maxPriority) this.maxPriority = p;
      }
    }
  }

  at(slot: number): R | undefined {
    return this.#rules[slot];
  }

  /** Gives back the place of a removed rule's key. */
  release(rule: R): void {
    this.#free.push(rule.slot);
    rule.slot = -1;
  }

  *rules(): IterableIterator<R> {
    for (const rule of this.#rules) if (rule) yield rule;
  }

  /** Those whose keys have the bits of `key` under `mask`, which this table's mask covers. */
  collect(key: Flow, mask: Flow, out: R[]): void {
    const rules = this.#rules;
    const isOpen = this.words.every((word) => mask.u32[word] === 0);
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i];
      if (rule && (isOpen || this.keyMatches(rule, key, mask))) out.push(rule);
    }
  }

  /** The key of a rule of this table. */
  keyOf(rule: R, out: Flow = new Flow()): Flow {
    if (rule.slot < 0) throw new Error('the rule is in no table');
    const at = rule.slot * this.#width + KEY;
    for (let i = 0; i < this.words.length; i++) out.u32[this.words[i]!] = this.#rows[at + i]!;
    return out;
  }

  /** An address of its key, as prefix tries want it; good until the next. */
  address(rule: R, first: number): Uint32Array {
    addressWords.fill(0);
    const key = rule.slot * this.#width + KEY;
    for (let i = 0; i < this.words.length; i++) {
      const at = this.words[i]! - first;
      if (at >= 0 && at < 4) addressWords[at] = byteSwap(this.#rows[key + i]!);
    }
    return addressWords;
  }

  /** Whether the key of `rule` has the bits of `key` under `mask`, which this table's mask covers. */
  keyMatches(rule: R, key: Flow, mask: Flow): boolean {
    const at = rule.slot * this.#width + KEY;
    for (let i = 0; i < this.words.length; i++) {
      const word = this.words[i]!;
      const m = mask.u32[word]!;
      if (m !== 0 && ((this.#rows[at + i]! ^ key.u32[word]!) & m) !== 0) return false;
    }
    return true;
  }

  /** The rule of exactly this key and priority. */
  find(key: Flow, priority: number): R | undefined {
    for (let slot = this.#first(key); slot >= 0; slot = this.#after(slot)) {
      if (this.#rules[slot]!.priority === priority && this.#equals(slot, key)) {
        return this.#rules[slot];
      }
    }
    return undefined;
  }

  /**
   * The rule of the highest priority for a packet. Adds to `wildcards`, when given, what had to be
   * looked at; a miss looks only at the stages up to the one that tells.
   */
  lookup(flow: Flow, wildcards: Flow | undefined): R | undefined {
    const slot = this.#lookupSlot(flow, wildcards);
    return slot < 0 ? undefined : this.#rules[slot];
  }

  /** Whether what is looked at ahead of an address rules the packet out; adds it to `wildcards` if so. */
  missesEarly({ u32 }: Flow, wildcards: Flow | undefined): boolean {
    const { words, maskWords, stageEnds } = this;
    let h = 0;
    let i = 0;
    for (let stage = 0; stage < this.#earlyStages; stage++) {
      const end = stageEnds[stage]!;
      const filter = this.#filters[stage]!;
      for (; i < end; i++) h = mix(h, u32[words[i]!]! & maskWords[i]!);
      if (filter[finish(h) & (filter.length - 1)] !== 0) continue;
      if (wildcards) this.#addWords(wildcards, end);
      return true;
    }
    return false;
  }

  /** All rules that match, the highest priority first. */
  *lookupAll(flow: Flow): IterableIterator<R> {
    for (let slot = this.#lookupSlot(flow, undefined); slot >= 0; slot = this.#after(slot)) {
      if (this.#matches(slot, flow)) yield this.#rules[slot]!;
    }
  }

  addWildcards(wildcards: Flow): void {
    this.#addWords(wildcards, this.words.length);
  }

  #lookupSlot(flow: Flow, wildcards: Flow | undefined): number {
    const { words, maskWords, stageEnds } = this;
    const { u32 } = flow;
    const buckets = this.#heads.length - 1;
    let h = 0;
    let i = 0;
    for (let stage = 0; stage < stageEnds.length; stage++) {
      const end = stageEnds[stage]!;
      const filter = this.#filters[stage]!;
      for (; i < end; i++) h = mix(h, u32[words[i]!]! & maskWords[i]!);
      if (filter[finish(h) & (filter.length - 1)] === 0) {
        if (wildcards) this.#addWords(wildcards, end);
        return -1;
      }
    }
    for (; i < words.length; i++) h = mix(h, u32[words[i]!]! & maskWords[i]!);
    const hash = finish(h);
    for (let slot = this.#heads[hash & buckets]!; slot >= 0; slot = this.#after(slot)) {
      if (this.#hashAt(slot) !== hash || !this.#matches(slot, flow)) continue;
      if (wildcards) this.#addWords(wildcards, words.length);
      return slot;
    }
    if (wildcards) this.#addMiss(wildcards, flow);
    return -1;
  }

  /** What rules out the last stage: where no rule has the packet's ports, as many of their bits as tell so. */
  #addMiss(wildcards: Flow, flow: Flow): void {
    const { words, maskWords } = this;
    const at = this.#portsAt;
    if (this.#ports === undefined) {
      this.#addWords(wildcards, words.length);
      return;
    }
    portWords[0] = byteSwap(flow.u32[PORTS_WORD]! & maskWords[at]!);
    const { checked } = this.#ports.lookup(portWords);
    const bits = Math.min(checked, this.#portsLength);
    const told = bits === 0 ? 0 : byteSwap((0xffff_ffff << (32 - bits)) >>> 0);
    for (let i = 0; i < words.length; i++) {
      wildcards.u32[words[i]!]! |= i === at ? maskWords[i]! & told : maskWords[i]!;
    }
  }

  /** The ports of a rule's key, as the trie wants them; good until the next. */
  #portsOf(slot: number): Uint32Array {
    portWords[0] = byteSwap(this.#rows[slot * this.#width + KEY + this.#portsAt]!);
    return portWords;
  }

  #after(slot: number): number {
    return this.#rows[slot * this.#width + NEXT]!;
  }

  #hashAt(slot: number): number {
    return this.#rows[slot * this.#width + HASH]!;
  }

  #addWords(wildcards: Flow, end: number): void {
    const { words, maskWords } = this;
    const { u32 } = wildcards;
    for (let i = 0; i < end; i++) u32[words[i]!]! |= maskWords[i]!;
  }

  #matches(slot: number, flow: Flow): boolean {
    const { words, maskWords } = this;
    const at = slot * this.#width + KEY;
    for (let i = 0; i < words.length; i++) {
      if (((flow.u32[words[i]!]! & maskWords[i]!) ^ this.#rows[at + i]!) !== 0) return false;
    }
    return true;
  }

  #equals(slot: number, key: Flow): boolean {
    const at = slot * this.#width + KEY;
    for (let i = 0; i < this.words.length; i++) {
      if (this.#rows[at + i] !== (key.u32[this.words[i]!]! | 0)) return false;
    }
    return true;
  }

  #first(key: Flow): number {
    let h = 0;
    const { words } = this;
    const { u32 } = key;
    for (let i = 0; i < words.length; i++) h = mix(h, u32[words[i]!]!);
    return this.#heads[finish(h) & (this.#heads.length - 1)]!;
  }

  #hashRow(row: number): number {
    let h = 0;
    for (let at = row + KEY; at < row + this.#width; at++) h = mix(h, this.#rows[at]!);
    return finish(h);
  }

  /** Into its chain behind what has a priority as high or higher; counts its partial hashes. */
  #link(slot: number): void {
    const { priority } = this.#rules[slot]!;
    const bucket = this.#hashAt(slot) & (this.#heads.length - 1);
    let before = -1;
    let at = this.#heads[bucket]!;
    while (at >= 0 && this.#rules[at]!.priority >= priority) {
      before = at;
      at = this.#after(at);
    }
    this.#chain(slot, at);
    if (before < 0) this.#heads[bucket] = slot;
    else this.#chain(before, slot);
    this.#count(slot, 1);
  }

  #unlink(slot: number): void {
    const bucket = this.#hashAt(slot) & (this.#heads.length - 1);
    if (this.#heads[bucket] === slot) this.#heads[bucket] = this.#after(slot);
    else {
      let at = this.#heads[bucket]!;
      while (this.#after(at) !== slot) at = this.#after(at);
      this.#chain(at, this.#after(slot));
    }
    this.#count(slot, -1);
  }

  #chain(slot: number, next: number): void {
    this.#rows[slot * this.#width + NEXT] = next;
  }

  #count(slot: number, by: number): void {
    const key = slot * this.#width + KEY;
    let h = 0;
    let i = 0;
    for (let stage = 0; stage < this.stageEnds.length; stage++) {
      const filter = this.#filters[stage]!;
      for (; i < this.stageEnds[stage]!; i++) h = mix(h, this.#rows[key + i]!);
      filter[finish(h) & (filter.length - 1)]! += by;
    }
  }

  #grow(): void {
    const capacity = this.#heads.length * 2;
    const rows = new Int32Array(capacity * this.#width);
    rows.set(this.#rows);
    this.#rows = rows;
    this.#heads = new Int32Array(capacity).fill(-1);
    this.#filters = this.stageEnds.map(() => new Uint32Array(filterSize(capacity)));
    for (let slot = 0; slot < this.#rules.length; slot++) if (this.#rules[slot]) this.#link(slot);
  }
}

function mix(hash: number, data: number): number {
  let d = Math.imul(data, 0xcc9e2d51);
  d = Math.imul((d << 15) | (d >>> 17), 0x1b873593);
  const h = hash ^ d;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/** A signed 32-bit number, as Int32Array keeps it. */
function finish(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
