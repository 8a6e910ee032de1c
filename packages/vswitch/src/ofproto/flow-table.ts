/** The OpenFlow tables of a bridge (ovs-vswitchd.conf.db(5), "Flow_Table"). */

import type { Subfield, TableMiss } from '@heddle/openflow';
import { Flow } from '@heddle/packet';
import { Classifier } from '../classifier/classifier.ts';
import { EvictionQueue } from './eviction.ts';
import { ExpiryQueue } from './expiry.ts';
import type { Rule } from './rule.ts';

export const N_TABLES = 255;
/** Holds what happens to packets that no flow matches; not for controllers. */
export const TBL_INTERNAL = 254;

export class FlowTable {
  readonly id: number;
  #classifier = new Classifier<Rule>();
  readonly expiry = new ExpiryQueue((rule) => this.#classifier.has(rule));
  /** By the Flow_Table row, which holds, or else by OpenFlow. */
  nameByConfig = '';
  nameByOpenFlow = '';
  miss: TableMiss = 'default';
  /** Flow limit; undefined: none. */
  maxFlows: number | undefined;
  /** Evict when full: Flow_Table's overflow_policy. */
  evictByConfig = false;
  /** Evict when full, as OpenFlow's TABLE_MOD has it. */
  evictByOpenFlow = false;
  #evictionGroups: readonly Subfield[] = [];
  /** Kept from the first eviction on. */
  #evictions: EvictionQueue | undefined;
  /** What Flow_Table's `prefixes` comes to; empty: the default. */
  prefixes = '';
  /** Percent of free space that tell a controller of a full or emptying table. */
  vacancy: { readonly up: number; readonly down: number } | undefined;
  isVacancyDown = false;
  lookups = 0;
  matches = 0;
  /** What a lookup in it came to. */
  readonly matched = { table: this, matched: true };
  readonly missed = { table: this, matched: false };

  constructor(id: number) {
    this.id = id;
  }

  get name(): string {
    return this.nameByConfig || this.nameByOpenFlow;
  }

  get classifier(): Classifier<Rule> {
    return this.#classifier;
  }

  /** `key` is masked by `mask`. There must be no rule of the same match and priority. */
  insert(rule: Rule, key: Flow, mask: Flow): void {
    this.#classifier.insert(rule, key, mask);
    this.expiry.add(rule);
    this.#evictions?.add(rule);
  }

  /** Puts a rule in the place of another one of the same match and priority. */
  replace(old: Rule, rule: Rule): void {
    this.#classifier.replace(old, rule);
    this.expiry.add(rule);
    this.#evictions?.remove(old);
    this.#evictions?.add(rule);
  }

  /** The rule keeps its key, and the key its place, until `rule.subtable.release(rule)`. */
  remove(rule: Rule): void {
    this.#classifier.remove(rule);
    this.#evictions?.remove(rule);
  }

  /** Of a rule that ends sooner than it did. */
  hasten(rule: Rule): void {
    this.expiry.add(rule);
    this.#evictions?.hasten(rule);
  }

  /** Leaves it empty but for hidden rules, if those stay; the others are as they were, to be looked at or put back. */
  takeAll(keepsHidden: boolean): Classifier<Rule> {
    const all = this.#classifier;
    this.#classifier = new Classifier<Rule>();
    this.#classifier.tracked = all.tracked;
    this.#evictions = undefined;
    if (keepsHidden) moveHidden(all, this.#classifier);
    return all;
  }

  /** Only hidden rules have been left or have come since. */
  putBackAll(all: Classifier<Rule>): void {
    moveHidden(this.#classifier, all);
    this.#classifier = all;
    this.#evictions = undefined;
    for (const rule of all.rules()) this.expiry.add(rule);
  }

  get evicts(): boolean {
    return this.evictByConfig || this.evictByOpenFlow;
  }

  /** Flows that differ in these are of different groups, of which the largest lose flows first. */
  set evictionGroups(groups: readonly Subfield[]) {
    this.#evictionGroups = groups;
    this.#evictions = undefined;
  }

  /** The flow that makes room for another one. */
  get victim(): Rule | undefined {
    this.#evictions ??= new EvictionQueue(this.#evictionGroups, this.#classifier.rules());
    return this.#evictions.next();
  }

  get isReadOnly(): boolean {
    return this.id >= TBL_INTERNAL;
  }
}

const MAX_VISIBLE_PRIORITY = 0xffff;
const scratch = new Flow();

function moveHidden(from: Classifier<Rule>, to: Classifier<Rule>): void {
  for (const rule of [...from.rulesAbove(MAX_VISIBLE_PRIORITY)]) {
    const { key, mask } = rule.matchInto(scratch);
    from.remove(rule);
    rule.subtable?.release(rule);
    to.insert(rule, key, mask);
  }
}

/** Tables by number; those that were never used take no room. */
export class FlowTables {
  readonly #tables: (FlowTable | undefined)[] = [];
  /** Some table has been told to tell of its vacancy. */
  tellsVacancy = false;

  at(id: number): FlowTable {
    let table = this.#tables[id];
    if (!table) {
      table = new FlowTable(id);
      this.#tables[id] = table;
    }
    return table;
  }

  lookup(id: number, flow: Flow, wildcards?: Flow): Rule | undefined {
    return this.#tables[id]?.classifier.lookup(flow, wildcards);
  }

  /** Those with flows or settings, by number. */
  *used(): IterableIterator<FlowTable> {
    for (const table of this.#tables) if (table) yield table;
  }

  *rules(): IterableIterator<Rule> {
    for (const table of this.used()) yield* table.classifier.rules();
  }

  /** How many flows there are, the internal ones aside. */
  get size(): number {
    let n = 0;
    for (const { id, classifier } of this.used()) if (id < TBL_INTERNAL) n += classifier.size;
    return n;
  }
}
