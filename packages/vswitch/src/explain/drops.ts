/** What a bridge has dropped of late: counters by reason and flow, and a few of the packets. */
import { formatMatch } from '@heddle/openflow';
import type { Flow } from '@heddle/packet';
import type { DropEffect } from '../xlate-observe.ts';

export interface DropCounter {
  readonly reason: string;
  readonly table: number;
  /** The flow that dropped them, as it was called. */
  readonly flow: string | undefined;
  packets: number;
  bytes: number;
  lastMs: number;
}

export interface DropSample {
  readonly reason: string;
  readonly timeMs: number;
  /** As the datapath had it. */
  readonly flow: Flow;
  /** The packet's first bytes, and how many there were. */
  readonly head: Uint8Array;
  readonly length: number;
}

const MAX_COUNTERS = 256;
const MAX_SAMPLES = 32;
const HEAD_BYTES = 128;

export class DropLog {
  /** The least recently used first. */
  readonly #counters = new Map<string, DropCounter>();
  readonly #samples: DropSample[] = [];
  readonly #ruleIds = new WeakMap<object, number>();
  #nextRuleId = 1;

  count(drop: DropEffect, packets: number, bytes: number, nowMs: number): void {
    const key = `${drop.reason}/${drop.tableId}/${this.#ruleId(drop.rule)}`;
    const known = this.#counters.get(key);
    const counter = known ?? newCounter(drop);
    counter.packets += packets;
    counter.bytes += bytes;
    counter.lastMs = nowMs;
    this.#counters.delete(key);
    this.#counters.set(key, counter);
    if (this.#counters.size <= MAX_COUNTERS) return;
    for (const oldest of this.#counters.keys()) {
      this.#counters.delete(oldest);
      break;
    }
  }

  sample(reason: string, flow: Flow, frame: Uint8Array, timeMs: number): void {
    const head = frame.slice(0, HEAD_BYTES);
    this.#samples.push({ reason, timeMs, flow: flow.clone(), head, length: frame.length });
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
  }

  /** Most packets first. */
  counters(): DropCounter[] {
    return [...this.#counters.values()].sort((a, b) => b.packets - a.packets);
  }

  /** The last one first. */
  samples(): DropSample[] {
    return [...this.#samples].reverse();
  }

  #ruleId(rule: object | undefined): number {
    if (!rule) return 0;
    let id = this.#ruleIds.get(rule);
    if (id === undefined) {
      id = this.#nextRuleId++;
      this.#ruleIds.set(rule, id);
    }
    return id;
  }
}

function newCounter({ reason, tableId: table, rule }: DropEffect): DropCounter {
  const isKnown = rule !== undefined && rule.slot >= 0;
  const flow = isKnown ? `priority=${rule.priority},${formatMatch(rule.match)}` : undefined;
  return { reason, table, flow: flow?.replace(/,$/, ''), packets: 0, bytes: 0, lastMs: 0 };
}
