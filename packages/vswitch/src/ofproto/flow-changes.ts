/**
 * What a flow mod, or a bundle of them, does to the tables: every step can be taken back, and
 * what others are to hear of it is told when all of it stands.
 */

import type { Match } from '@heddle/openflow';
import { Flow } from '@heddle/packet';
import type { Classifier } from '../classifier/classifier.ts';
import type { Ofproto } from '../ofproto.ts';
import type { FlowTable } from './flow-table.ts';
import type { Group } from './group.ts';
import { ORIGIN_SWITCH } from './origins.ts';
import type { Rule, RuleState } from './rule.ts';

/** OFPRR_* */
export const OFPRR_IDLE_TIMEOUT = 0;
export const OFPRR_HARD_TIMEOUT = 1;
export const OFPRR_DELETE = 2;
export const OFPRR_GROUP_DELETE = 3;
export const OFPRR_METER_DELETE = 4;
export const OFPRR_EVICTION = 5;

export type FlowChange =
  | {
      readonly type: 'add';
      readonly rule: Rule;
      readonly replaced: Rule | undefined;
      /** It takes the place of a rule that was to be modified. */
      readonly isModified?: boolean;
    }
  | {
      readonly type: 'modify';
      readonly rule: Rule;
      readonly before: RuleState;
      readonly modifiedMs: number;
      readonly origin: number;
      readonly counters: { readonly packets: number; readonly bytes: number } | undefined;
    }
  | { readonly type: 'delete'; readonly rule: Rule; readonly reason: number }
  /** All rules of a table at once, but those that stay. */
  | {
      readonly type: 'clear';
      readonly table: FlowTable;
      readonly rules: Classifier<Rule>;
      readonly reason: number;
    }
  | { readonly type: 'group'; readonly id: number; readonly before: Group | undefined };

const scratch = new Flow();

export class FlowChanges {
  readonly ofproto: Ofproto;
  readonly list: FlowChange[] = [];
  /** Whose changes these are (`originOf`). */
  readonly #origin: number;

  constructor(ofproto: Ofproto, origin: number = ORIGIN_SWITCH) {
    this.ofproto = ofproto;
    this.#origin = origin;
  }

  /** Puts a rule into its table, in the place of `replaced`, which has its match and priority. */
  add(rule: Rule, { key, mask }: Match, replaced: Rule | undefined, isModified = false): void {
    const table = this.#tableOf(rule);
    rule.origin = this.#origin;
    if (replaced) table.replace(replaced, rule);
    else table.insert(rule, key, mask);
    this.list.push({ type: 'add', rule, replaced, ...(isModified && { isModified }) });
  }

  modify(rule: Rule, state: RuleState, nowMs: number, resetCounts: boolean): void {
    const { state: before, modifiedMs, origin, packets, bytes } = rule;
    const counters = resetCounts ? { packets, bytes } : undefined;
    this.list.push({ type: 'modify', rule, before, modifiedMs, origin, counters });
    rule.state = state;
    rule.origin = this.#origin;
    rule.modifiedMs = nowMs;
    if (!resetCounts) return;
    rule.packets = 0;
    rule.bytes = 0;
  }

  delete(rule: Rule, reason: number): void {
    this.#tableOf(rule).remove(rule);
    this.list.push({ type: 'delete', rule, reason });
  }

  /** All rules of a table; hidden ones stay where it is said. */
  clear(table: FlowTable, reason: number, keepsHidden = false): void {
    this.list.push({ type: 'clear', table, rules: table.takeAll(keepsHidden), reason });
  }

  setGroup(id: number, group: Group | undefined): void {
    const { groups } = this.ofproto;
    this.list.push({ type: 'group', id, before: groups.get(id) });
    if (group) groups.set(id, group);
    else groups.delete(id);
  }

  /** Takes back everything since the list had `length` steps. */
  revert(length = 0): void {
    while (this.list.length > length) this.#undo(this.list.pop()!);
  }

  /** Everything stands: what removed rules have kept for their return is given back. */
  release(): void {
    for (const change of this.list) {
      if (change.type === 'delete') change.rule.subtable?.release(change.rule);
    }
  }

  #undo(change: FlowChange): void {
    switch (change.type) {
      case 'add': {
        const { rule, replaced } = change;
        const table = this.#tableOf(rule);
        if (replaced) {
          replaced.putBack();
          table.replace(rule, replaced);
          return;
        }
        table.remove(rule);
        rule.subtable?.release(rule);
        return;
      }
      case 'modify': {
        const { rule, before, modifiedMs, origin, counters } = change;
        rule.state = before;
        rule.origin = origin;
        rule.modifiedMs = modifiedMs;
        if (counters) Object.assign(rule, counters);
        this.#tableOf(rule).hasten(rule);
        return;
      }
      case 'delete':
        this.#putBack(change.rule);
        return;
      case 'clear':
        change.table.putBackAll(change.rules);
        return;
      case 'group':
        if (change.before) this.ofproto.groups.set(change.id, change.before);
        else this.ofproto.groups.delete(change.id);
    }
  }

  #putBack(rule: Rule): void {
    const { key, mask } = rule.matchInto(scratch);
    rule.subtable?.release(rule);
    this.#tableOf(rule).insert(rule, key, mask);
  }

  #tableOf(rule: Rule): FlowTable {
    return this.ofproto.tables.at(rule.tableId);
  }
}
