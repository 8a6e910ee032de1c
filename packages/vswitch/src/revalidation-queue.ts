/** Megaflows that are to be translated anew, and changes of tables that have yet to be held against megaflows. */
import type { Dpif } from '@heddle/datapath';
import { Flow } from '@heddle/packet';
import type { FlowChanges } from './ofproto/flow-changes.ts';
import { TableChanges } from './table-changes.ts';
import type { Ukey, UkeyTable } from './ukey.ts';

const REVALIDATE_SLICE = 500;
/** Megaflows held against changes of tables at a time. */
const SIFT_SLICE = 5000;

export class RevalidationQueue {
  readonly #ukeys: UkeyTable;
  readonly #dpif: Dpif;
  readonly #dirty = new Set<Ukey>();
  #allDirty = false;
  /** Not yet held against megaflows. */
  #changes = new TableChanges();
  #sift: { readonly changes: TableChanges; readonly rest: Iterator<Ukey> } | undefined;
  /** Of the one that changes are held against. */
  readonly #siftKey = new Flow();

  constructor(ukeys: UkeyTable, dpif: Dpif) {
    this.#ukeys = ukeys;
    this.#dpif = dpif;
  }

  get isEmpty(): boolean {
    return this.#dirty.size === 0 && !this.#allDirty && !this.#isSifting;
  }

  get #isSifting(): boolean {
    return this.#sift !== undefined || this.#changes.size > 0;
  }

  add(ukey: Ukey): void {
    this.#dirty.add(ukey);
  }

  /** All that there are when the next slice begins: changes come in bursts. */
  addAll(): void {
    this.#allDirty = true;
  }

  /**
   * Those that the changes may concern, one among them that is on its way: what a packet teaches is learned
   * before its megaflow, which does not know of it yet, is there, be it the first of all.
   */
  addConcerned(changes: FlowChanges): void {
    if (this.#allDirty) return;
    if (!this.#changes.add(changes)) this.#allDirty = true;
  }

  delete(ukey: Ukey): void {
    this.#dirty.delete(ukey);
  }

  /** Takes some out, each for `revalidate` to translate; upcalls can be served between slices. */
  runSlice(revalidate: (ukey: Ukey) => void): void {
    if (this.#allDirty) {
      this.#allDirty = false;
      this.#sift = undefined;
      this.#changes = new TableChanges();
      for (const ukey of this.#ukeys.values()) this.#dirty.add(ukey);
    }
    if (this.#isSifting) this.#siftSlice();
    let n = 0;
    for (const ukey of this.#dirty) {
      this.#dirty.delete(ukey);
      revalidate(ukey);
      if (++n >= REVALIDATE_SLICE) break;
    }
  }

  /** Finds some of the megaflows that changes of tables concern. */
  #siftSlice(): void {
    if (this.#sift === undefined) {
      this.#sift = { changes: this.#changes, rest: this.#ukeys.values() };
      this.#changes = new TableChanges();
    }
    const { changes, rest } = this.#sift;
    for (let n = 0; n < SIFT_SLICE; n++) {
      const { value: ukey, done } = rest.next();
      if (done) {
        this.#sift = undefined;
        return;
      }
      const keyOf = () => this.#dpif.flowKey(ukey.ufid, this.#siftKey);
      if (changes.concern(ukey, keyOf)) this.#dirty.add(ukey);
    }
  }
}
