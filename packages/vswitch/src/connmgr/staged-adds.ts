/**
 * What the messages of a bundle came to when they were checked, so that none that adds a flow is decoded
 * again. Keys are kept by the words in which their masks have bits: as matches they would take ten times the
 * memory.
 */
import { type FlowMod, Match, type OfpVersion } from '@heddle/openflow';
import { Flow, flowEquals } from '@heddle/packet';
import { type AddedRule, addedState } from '../ofproto/flow-mod.ts';
import type { RuleState } from '../ofproto/rule.ts';

interface Shape {
  readonly mask: Flow;
  /** Indices of the words that are not 0. */
  readonly words: Uint8Array;
}

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
    const end = this.#used + words.length;
    if (end > this.#keys.length) {
      const keys = new Uint32Array(Math.max(2 * this.#keys.length, end));
      keys.set(this.#keys);
      this.#keys = keys;
    }
    for (let i = 0; i < words.length; i++) this.#keys[this.#used + i] = key.u32[words[i]!]!;
    this.#used = end;
    this.#states.push(addedState(mod, version));
    this.#places.push((mod.tableId << 16) | mod.priority);
    this.#shapes.push(shape);
  }

  /** One after the other; undefined for messages that are to be decoded. Each is good until the next. */
  *[Symbol.iterator](): IterableIterator<AddedRule | undefined> {
    const key = new Flow();
    let at = 0;
    for (let i = 0; i < this.#states.length; i++) {
      const state = this.#states[i];
      if (state === undefined) {
        yield undefined;
        continue;
      }
      const { mask, words } = this.#shapes[i]!;
      key.clear();
      for (let n = 0; n < words.length; n++) key.u32[words[n]!] = this.#keys[at++]!;
      const place = this.#places[i]!;
      const match = new Match(key, mask, [], true);
      yield { tableId: place >>> 16, priority: place & 0xffff, match, state };
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
