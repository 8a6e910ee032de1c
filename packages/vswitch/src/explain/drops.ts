/** What a bridge has dropped of late: counters by reason and flow, and a few of the packets. */
import { formatMatch } from '@heddle/openflow';
import { Flow } from '@heddle/packet';
import { listOf } from '../xlate/effects-draft.ts';
import type { DropEffect } from '../xlate/observe.ts';

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

interface Sample {
  reason: string;
  timeMs: number;
  readonly flow: Flow;
  readonly memory: Uint8Array;
  length: number;
}

export class DropLog {
  /** The least recently used first. */
  readonly #counters = new Map<string, DropCounter>();
  /** A ring: the oldest one's memory is used again. */
  readonly #samples: Sample[] = listOf();
  #nextSample = 0;
  /** The most recently used counter, and what for. */
  #last: { readonly drop: DropEffect; readonly counter: DropCounter } | undefined;
  readonly #ruleIds = new WeakMap<object, number>();
  #nextRuleId = 1;

  count(drop: DropEffect, packets: number, bytes: number, nowMs: number): void {
    const last = this.#last;
    const counter = last && isSame(last.drop, drop) ? last.counter : this.#counterOf(drop);
    counter.packets += packets;
    counter.bytes += bytes;
    counter.lastMs = nowMs;
  }

  #counterOf(drop: DropEffect): DropCounter {
    const key = `${drop.reason}/${drop.tableId}/${this.#ruleId(drop.rule)}`;
    const known = this.#counters.get(key);
    const counter = known ?? newCounter(drop);
    this.#last = { drop, counter };
    this.#counters.delete(key);
    this.#counters.set(key, counter);
    if (this.#counters.size <= MAX_COUNTERS) return counter;
    for (const oldest of this.#counters.keys()) {
      this.#counters.delete(oldest);
      break;
    }
    return counter;
  }

  sample(reason: string, flow: Flow, frame: Uint8Array, timeMs: number): void {
    const at = this.#nextSample;
    this.#nextSample = (at + 1) % MAX_SAMPLES;
    let sample = this.#samples[at];
    if (sample === undefined) {
      sample = { reason, timeMs, flow: new Flow(), memory: new Uint8Array(HEAD_BYTES), length: 0 };
      this.#samples.push(sample);
    }
    sample.reason = reason;
    sample.timeMs = timeMs;
    sample.flow.copyFrom(flow);
    sample.memory.set(frame.length > HEAD_BYTES ? frame.subarray(0, HEAD_BYTES) : frame);
    sample.length = frame.length;
  }

  /** Most packets first. */
  counters(): DropCounter[] {
    return [...this.#counters.values()].sort((a, b) => b.packets - a.packets);
  }

  /** The last one first. */
  samples(): DropSample[] {
    const { length } = this.#samples;
    return this.#samples.map((_, i) => {
      const { memory, flow, ...rest } =
        this.#samples[(this.#nextSample - 1 - i + length) % length]!;
      return { ...rest, flow: flow.clone(), head: memory.slice(0, rest.length) };
    });
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

function isSame(a: DropEffect, b: DropEffect): boolean {
  return a.rule === b.rule && a.reason === b.reason && a.tableId === b.tableId;
}

function newCounter({ reason, tableId: table, rule }: DropEffect): DropCounter {
  const isKnown = rule !== undefined && rule.slot >= 0;
  const flow = isKnown ? `priority=${rule.priority},${formatMatch(rule.match)}` : undefined;
  return { reason, table, flow: flow?.replace(/,$/, ''), packets: 0, bytes: 0, lastMs: 0 };
}
