/** The OpenFlow tables of a bridge (ovs-vswitchd.conf.db(5), "Flow_Table"). */

import type { Subfield, TableMiss } from '@heddle/openflow';
import type { Flow } from '@heddle/packet';
import { Classifier } from '../classifier/classifier.ts';
import { ExpiryQueue } from './expiry.ts';
import type { Rule } from './rule.ts';

export const N_TABLES = 255;
/** Holds what happens to packets that no flow matches; not for controllers. */
export const TBL_INTERNAL = 254;

export class FlowTable {
  readonly id: number;
  #classifier = new Classifier<Rule>();
  readonly expiry = new ExpiryQueue((rule) => this.#classifier.has(rule));
  name = '';
  miss: TableMiss = 'default';
  /** Flow limit; undefined: none. */
  maxFlows: number | undefined;
  /** Evict when full (Flow_Table's overflow_policy, or OpenFlow's TABLE_MOD). */
  evictByConfig = false;
  evictByOpenFlow = false;
  /** Flows that differ in these are of different groups, of which the largest lose flows first. */
  evictionGroups: readonly Subfield[] = [];
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

  get classifier(): Classifier<Rule> {
    return this.#classifier;
  }

  /** Leaves it empty; they stay as they are, to be looked at or put back. */
  takeAll(): Classifier<Rule> {
    const all = this.#classifier;
    this.#classifier = new Classifier<Rule>();
    this.#classifier.tracked = all.tracked;
    return all;
  }

  putBackAll(all: Classifier<Rule>): void {
    this.#classifier = all;
    for (const rule of all.rules()) this.expiry.add(rule);
  }

  get evicts(): boolean {
    return this.evictByConfig || this.evictByOpenFlow;
  }

  get isReadOnly(): boolean {
    return this.id >= TBL_INTERNAL;
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
