/**
 * Which megaflows a change of flow tables may concern. A lookup hangs on the flows that match the packet:
 * one that differs from a megaflow in a bit which both look at matches none of its packets, so whether it
 * comes, changes or goes, the megaflow decides as before.
 */
import { Flow } from '@heddle/packet';
import type { FlowChanges } from './ofproto/flow-changes.ts';
import type { FlowTable } from './ofproto/flow-table.ts';
import type { Rule } from './ofproto/rule.ts';
import type { Ukey } from './ukey.ts';
import { NO_EFFECTS } from './xlate/effects.ts';
import { listOf } from './xlate/effects-draft.ts';

/** The datapath's part of a flow; behind it lies what the pipeline makes on its way. */
const KEY_WORDS = 64;
/** OpenFlow has other numbers for ports than datapaths. */
const IN_PORT_WORD = 1;
/** More at a time are as good as all: each would be held against every megaflow. */
const MAX_CHANGES = 64;

interface TableChange {
  readonly table: FlowTable;
  /** What the flow matches on in the datapath's key: words, their masks and values. */
  readonly words: readonly number[];
  readonly masks: readonly number[];
  readonly values: readonly number[];
}

export class TableChanges {
  readonly #list: TableChange[] = listOf();
  readonly #rule = new Flow();

  get size(): number {
    return this.#list.length;
  }

  /** Whether that was possible: some changes concern all megaflows. */
  add({ list, ofproto }: FlowChanges): boolean {
    if (this.#list.length + list.length > MAX_CHANGES) return false;
    for (const change of list) {
      if (change.type === 'group') return false;
      if (change.type === 'clear') this.#list.push(ofTable(change.table));
      else this.#list.push(this.#ofRule(change.rule, ofproto.tables.at(change.rule.tableId)));
    }
    return true;
  }

  #ofRule(rule: Rule, table: FlowTable): TableChange {
    const { key, mask } = rule.matchInto(this.#rule);
    const words: number[] = [];
    for (let i = 0; i < KEY_WORDS; i++) {
      if (i !== IN_PORT_WORD && mask.u32[i] !== 0) words.push(i);
    }
    const masks = words.map((i) => mask.u32[i]!);
    const values = words.map((i) => key.u32[i]!);
    return { table, words, masks, values };
  }

  /** Whether the megaflow may decide otherwise now. `keyOf` is asked for its key when that tells. */
  concern(ukey: Ukey, keyOf: () => Flow | undefined): boolean {
    // What it came from is not known.
    if (ukey.effects === NO_EFFECTS) return true;
    let key: Flow | undefined;
    for (const change of this.#list) {
      if (countsFlowsOf(ukey, change.table)) return true;
      if (!looksInto(ukey, change.table)) continue;
      if (!ukey.isDirect || change.words.length === 0) return true;
      key ??= keyOf();
      if (!key || overlaps(change, key, ukey.mask)) return true;
    }
    return false;
  }
}

function ofTable(table: FlowTable): TableChange {
  return { table, words: [], masks: [], values: [] };
}

function looksInto({ effects: { tables } }: Ukey, table: FlowTable): boolean {
  for (let i = 0; i < tables.length; i++) if (tables[i]!.table === table) return true;
  return false;
}

/** A `learn` with a limit tells the packet whether there is room for its flow. */
function countsFlowsOf({ effects: { flows } }: Ukey, table: FlowTable): boolean {
  for (let i = 0; i < flows.length; i++) {
    const { bridge, flowMod, limit } = flows[i]!;
    if (limit !== 0 && bridge.tables.at(flowMod.tableId) === table) return true;
  }
  return false;
}

/** Whether some packet may match both. */
function overlaps({ words, masks, values }: TableChange, key: Flow, mask: Flow): boolean {
  for (let n = 0; n < words.length; n++) {
    const i = words[n]!;
    if (((key.u32[i]! ^ values[n]!) & masks[n]! & mask.u32[i]!) !== 0) return false;
  }
  return true;
}

/** Whether a lookup of `flow` is one of the packet as it came: nothing of its key differs. */
export function isAsItCame(flow: Flow, key: Flow): boolean {
  const [a, b] = [flow.u32, key.u32];
  for (let i = 0; i < KEY_WORDS; i++) if (a[i] !== b[i] && i !== IN_PORT_WORD) return false;
  return true;
}
