/** What statistics say of a rule. */
import type { FlowModFlags, FlowStats, Match, OfpAct } from '@heddle/openflow';
import { Flow } from '@heddle/packet';
import type { Rule } from '../ofproto/rule.ts';

/** One key serves all: a dump of many flows would make two large objects for each. */
const key = new Flow();

export class RuleStats implements FlowStats {
  readonly #rule: Rule;
  readonly #nowMs: number;

  constructor(rule: Rule, nowMs: number) {
    this.#rule = rule;
    this.#nowMs = nowMs;
  }

  /** Good until the next rule's is asked for. */
  get match(): Match {
    return this.#rule.matchInto(key);
  }

  get tableId(): number {
    return this.#rule.tableId;
  }

  get priority(): number {
    return this.#rule.priority;
  }

  get cookie(): bigint {
    return this.#rule.state.cookie;
  }

  get durationSec(): number {
    return Math.floor(this.#ageMs / 1000);
  }

  get durationNsec(): number {
    return Math.floor(this.#ageMs % 1000) * 1_000_000;
  }

  get #ageMs(): number {
    return Math.max(this.#nowMs - this.#rule.createdMs, 0);
  }

  get idleTimeout(): number {
    return this.#rule.state.idleTimeout;
  }

  get hardTimeout(): number {
    return this.#rule.state.hardTimeout;
  }

  get idleAge(): number {
    return Math.floor((this.#nowMs - this.#rule.usedMs) / 1000);
  }

  get hardAge(): number {
    return Math.floor((this.#nowMs - this.#rule.modifiedMs) / 1000);
  }

  get packetCount(): bigint {
    return BigInt(this.#rule.packets);
  }

  get byteCount(): bigint {
    return BigInt(this.#rule.bytes);
  }

  get flags(): FlowModFlags {
    return this.#rule.state.flags;
  }

  get importance(): number {
    return this.#rule.state.importance;
  }

  get actions(): readonly OfpAct[] {
    return this.#rule.state.actions;
  }
}
