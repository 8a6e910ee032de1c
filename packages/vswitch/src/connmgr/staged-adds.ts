/**
 * What the messages of a bundle came to when they were checked, so that none that adds a flow is decoded
 * again. Keys are kept by the words in which their masks have bits: as matches they would take ten times the
 * memory.
 */
import { type AddLayout, type FlowMod, Match, type OfpVersion } from '@heddle/openflow';
import { Flow, flowEquals } from '@heddle/packet';
import { type AddedRule, addedState } from '../ofproto/flow-mod.ts';
import { NO_FLAGS, type RuleState } from '../ofproto/rule.ts';

interface Shape {
  readonly mask: Flow;
  /** Indices of the words that are not 0. */
  readonly words: Uint8Array;
}

/** One at a time. */
const stagedKey = new Flow();

const MOST_RECENT = 4;
const FEW_WORDS = 256;

export class StagedAdds {
  /** By message. */
  readonly #states: (RuleState | undefined)[] = [];
  /** Priority and table. */
  readonly #places: number[] = [];
  readonly #shapes: (Shape | undefined)[] = [];
  #keys = new Uint32Array(FEW_WORDS);
  #used = 0;
  readonly #recent: Shape[] = [];

  /** A message that is to be decoded again. */
  pushOther(): void {
    this.#states.push(undefined);
    this.#places.push(0);
    this.#shapes.push(undefined);
  }

  /** One that adds a flow whose match has no `tun_metadata`. The match is copied. */
  push(mod: FlowMod, version: OfpVersion): void {
    const { key, mask } = mod.match;
    const shape = this.#shapeOf(mask);
    const { words } = shape;
    this.#reserve(words.length);
    for (let i = 0; i < words.length; i++) this.#keys[this.#used + i] = key.u32[words[i]!]!;
    this.#put(shape, mod.tableId, mod.priority, addedState(mod, version));
  }

  /** One at `at` that has this layout; false when its values are none for the mask. */
  pushKnown(
    layout: AddLayout<unknown>,
    dv: DataView,
    at: number,
    priority: number,
    state: RuleState,
  ): boolean {
    this.#reserve(layout.words.length);
    if (!layout.readKey(dv, at, this.#keys, this.#used)) return false;
    this.#put(layout, layout.tableId, priority, state);
    return true;
  }

  #reserve(words: number): void {
    const end = this.#used + words;
    if (end <= this.#keys.length) return;
    const keys = new Uint32Array(Math.max(2 * this.#keys.length, end));
    keys.set(this.#keys);
    this.#keys = keys;
  }

  #put(shape: Shape, tableId: number, priority: number, state: RuleState): void {
    this.#used += shape.words.length;
    this.#states.push(state);
    this.#places.push((tableId << 16) | priority);
    this.#shapes.push(shape);
  }

  /** One after the other; undefined for messages that are to be decoded. Each is good until the next. */
  *[Symbol.iterator](): IterableIterator<AddedRule | undefined> {
    const key = stagedKey;
    const { u32 } = key;
    key.clear();
    const matches = new Map<Shape, Match>();
    const added = { tableId: 0, priority: 0, match: new Match(key), state: NO_STATE };
    let last: Shape | undefined;
    let at = 0;
    for (let i = 0; i < this.#states.length; i++) {
      const state = this.#states[i];
      if (state === undefined) {
        yield undefined;
        continue;
      }
      const shape = this.#shapes[i]!;
      if (shape !== last) {
        if (last) for (let n = 0; n < last.words.length; n++) u32[last.words[n]!] = 0;
        last = shape;
        added.match = matches.get(shape) ?? remembered(matches, shape, key);
      }
      const { words } = shape;
      for (let n = 0; n < words.length; n++) u32[words[n]!] = this.#keys[at++]!;
      const place = this.#places[i]!;
      added.tableId = place >>> 16;
      added.priority = place & 0xffff;
      added.state = state;
      yield added;
    }
  }

  #shapeOf(mask: Flow): Shape {
    for (const shape of this.#recent) if (flowEquals(shape.mask, mask)) return shape;
    const { u32 } = mask;
    const words = Uint8Array.from([...u32.keys()].filter((i) => u32[i] !== 0));
    const shape = { mask: mask.clone(), words };
    if (this.#recent.length === MOST_RECENT) this.#recent.pop();
    this.#recent.unshift(shape);
    return shape;
  }
}

function remembered(matches: Map<Shape, Match>, shape: Shape, key: Flow): Match {
  const match = new Match(key, shape.mask, NO_TUN_METADATA, true);
  matches.set(shape, match);
  return match;
}

const NO_TUN_METADATA: Match['tunMetadata'] = [];
const NO_STATE: RuleState = {
  cookie: 0n,
  actions: [],
  idleTimeout: 0,
  hardTimeout: 0,
  importance: 0,
  flags: NO_FLAGS,
};
