/**
 * The flows map. A flow lies at the hash of its masked key; flows with one hash form a chain, each
 * but the last flagged so that programs go on to `chainNext`. Counters live in a map of their own:
 * replacing a flow's actions loses none, and reading them takes no system call. Elements are
 * written many at a time where the caller wants that (`hold`), in order in any case.
 */
import { randomBytes } from 'node:crypto';
import type { BpfMap, MapBatch } from '@heddle/linux/bpf/index';
import { Flow, flowAnd, isSubset } from '@heddle/packet';
import { SystemError } from '@heddle/runtime';
import type { FlowStats } from '../dpif.ts';
import type { OdpAction } from '../odp-actions.ts';
import { type Ufid, UfidTable } from '../odp-ufid.ts';
import { type ActionNames, decodeActions, encodeActions } from './action-codec.ts';
import type { ChunkTable } from './chunks.ts';
import { chainNext, flowHash, h64 } from './flow-hash.ts';
import { HashIndex } from './hash-index.ts';
import * as L from './layout.ts';
import type { MaskSlot, MaskTable } from './mask-table.ts';
import { SlotAllocator } from './slots.ts';
import { programKey, readProgramKey } from './tunnel-addresses.ts';

export interface Entry {
  readonly ufid: Ufid;
  /**
   * The words of its key that the mask looks at, two for each of `slot.idx`, signed: a typed array for
   * each would be larger, and V8 keeps small integers without boxes.
   */
  readonly words: readonly number[];
  readonly slot: MaskSlot;
  readonly id: number;
  /** The map key, signed. */
  readonly hi: number;
  readonly lo: number;
  chained: boolean;
  acts: Buffer;
  next: number;
  actions: readonly OdpAction[];
}

/** A deleted flow in the middle of a chain. */
interface Gap {
  readonly gap: true;
  readonly hi: number;
  readonly lo: number;
}

const U32 = 2 ** 32;

/** What lies in a chain after another: the hash of that one. */
interface Follower {
  readonly hi: number;
  readonly lo: number;
  readonly beforeHi: number;
  readonly beforeLo: number;
}

const BATCH = 256;
const FLOW_WORDS = L.FLOW.bytes / 4;
const ACT_WORDS_AT = L.FLOW.acts / 4;
const INLINE_BYTES = L.INLINE_ACTS * L.ACT_BYTES;

export class FlowTable {
  readonly #map: BpfMap;
  readonly #stats: Uint32Array;
  readonly #counts: BigUint64Array;
  readonly #ids: SlotAllocator;
  readonly #masks: MaskTable;
  readonly #chunks: ChunkTable;
  readonly #names: ActionNames;
  readonly #ufidOf: (key: Flow, mask: Flow) => Ufid;
  readonly #hashMaskHi: number;
  readonly #hashMaskLo: number;
  readonly #byUfid = new UfidTable<Entry>();
  readonly #byHash = new HashIndex<Entry | Gap>();
  readonly #before = new HashIndex<Follower>();
  /** 31 bits: a small integer for V8, whatever comes. */
  readonly #genHigh = randomBytes(4).readUInt32LE() >>> 1;
  #gen = 0;
  readonly #batch: MapBatch;
  /** What waits in the batch: the first so many. */
  readonly #waiting: (Entry | Gap | undefined)[] = new Array(BATCH).fill(undefined);
  #waitingCount = 0;
  #held = false;
  /** Why the kernel did not take a flow of a batch. */
  #refused: string | undefined;

  constructor(options: {
    maps: Readonly<Record<string, BpfMap>>;
    masks: MaskTable;
    chunks: ChunkTable;
    names: ActionNames;
    now: () => number;
    hashMask: readonly [hi: number, lo: number];
    ufidOf: (key: Flow, mask: Flow) => Ufid;
    restMs?: number | undefined;
  }) {
    this.#map = options.maps['flows']!;
    this.#batch = this.#map.batch(BATCH);
    const stats = options.maps['flow_stats']!;
    this.#stats = new Uint32Array(stats.memory());
    this.#counts = new BigUint64Array(stats.memory());
    this.#ids = new SlotAllocator(stats.info.maxEntries, options.now, options.restMs);
    this.#masks = options.masks;
    this.#chunks = options.chunks;
    this.#names = options.names;
    this.#ufidOf = options.ufidOf;
    [this.#hashMaskHi, this.#hashMaskLo] = options.hashMask;
  }

  get size(): number {
    return this.#byUfid.size;
  }

  get(ufid: Ufid): Entry | undefined {
    return this.#byUfid.get(ufid);
  }

  entries(): Iterable<Entry> {
    return this.#byUfid.values();
  }

  /** Lets writes wait for `release`, so that many go with one system call. */
  hold(): void {
    this.#held = true;
  }

  /** Writes what waits. Flows that the kernel does not take are removed; the error tells of one. */
  release(): void {
    this.#held = false;
    this.#report();
  }

  /** Writes what waits now; packets may be sent through it. */
  flush(): void {
    this.#writeAll();
  }

  add(ufid: Ufid, key: Flow, slot: MaskSlot, actions: readonly OdpAction[]): Entry {
    const acts = encodeActions(actions, key, this.#names);
    const masked = programKey(isSubset(key, slot.mask) ? key : flowAnd(key, slot.mask));
    const place = this.#findPlace(masked, slot);
    const id = this.#ids.take();
    if (id === undefined) throw new SystemError('ENOSPC', 'flow table');
    const next = this.#storeRest(acts, id);
    const { hi, lo, chained, after } = place;
    const words = wordsOf(masked, slot);
    const entry: Entry = { ufid, words, slot, id, hi, lo, chained, acts, next, actions };
    for (let i = id * 8; i < id * 8 + 8; i++) this.#stats[i] = 0;
    this.#byUfid.set(entry);
    this.#byHash.set(entry);
    this.#masks.reference(slot);
    this.#write(entry);
    if (after !== undefined) this.#link(after);
    this.#report();
    return entry;
  }

  #storeRest(acts: Buffer, id: number): number {
    if (acts.length <= INLINE_BYTES) return 0;
    try {
      return this.#chunks.store(acts.subarray(INLINE_BYTES));
    } catch (e) {
      this.#ids.release(id);
      throw e;
    }
  }

  modify(entry: Entry, actions: readonly OdpAction[], key: Flow): void {
    const acts = encodeActions(actions, key, this.#names);
    const old = entry.next;
    entry.next = this.#chunks.store(acts.subarray(INLINE_BYTES));
    entry.acts = acts;
    entry.actions = actions;
    this.#write(entry);
    this.#chunks.free(old);
    this.#report();
  }

  remove(entry: Entry): FlowStats {
    this.#byUfid.delete(entry.ufid);
    if (entry.chained) this.#makeGap(entry);
    else this.#erase(entry.hi, entry.lo);
    const stats = this.statsOf(entry);
    this.#chunks.free(entry.next);
    this.#ids.release(entry.id);
    this.#masks.release(entry.slot);
    return stats;
  }

  statsOf(entry: Entry): FlowStats {
    return this.#readStats(entry, { packets: 0, bytes: 0, usedMs: undefined, tcpFlags: 0 });
  }

  /** What `visit` gets is good until it returns. */
  eachStats(visit: (ufid: Ufid, stats: Readonly<FlowStats>) => void): void {
    const stats: FlowStats = { packets: 0, bytes: 0, usedMs: undefined, tcpFlags: 0 };
    this.#byUfid.each((entry) => visit(entry.ufid, this.#readStats(entry, stats)));
  }

  #readStats({ id }: Entry, into: FlowStats): FlowStats {
    const s = this.#stats;
    const at = id * 8;
    const usedNs = s[at + 4]! + s[at + 5]! * U32;
    into.packets = countOf(s[at]!, s[at + 1]!);
    into.bytes = countOf(s[at + 2]!, s[at + 3]!);
    into.usedMs = usedNs === 0 ? undefined : Math.floor(usedNs / 1e6);
    into.tcpFlags = s[at + 6]!;
    return into;
  }

  /** A flow's counts as they are in the map. */
  rawStats(entry: Entry): BigUint64Array {
    return this.#counts.slice(entry.id * 4, entry.id * 4 + 4);
  }

  /** Adds what an earlier generation of maps counted, while programs count on. */
  addStats(entry: Entry, [packets, bytes, used, tcpFlags]: BigUint64Array): void {
    const at = entry.id * 4;
    Atomics.add(this.#counts, at, packets!);
    Atomics.add(this.#counts, at + 1, bytes!);
    if (used! > this.#counts[at + 2]!) this.#counts[at + 2] = used!;
    Atomics.or(this.#counts, at + 3, tcpFlags!);
  }

  /** Rebuilds everything from the maps of an earlier daemon. */
  adopt(): void {
    const used = new Set<number>();
    for (const { key, value } of this.#map.entries()) {
      const entry = this.#decode(key, value);
      this.#byHash.set(entry);
      if ('gap' in entry || entry.chained) this.#noteChain(entry.hi, entry.lo);
      if ('gap' in entry) continue;
      this.#byUfid.set(entry);
      this.#masks.reference(entry.slot);
      used.add(entry.id);
    }
    this.#ids.adopt(used);
    this.#chunks.adopt([...this.#byUfid.values()].map((e) => e.next));
  }

  #decode(key: Buffer, value: Buffer): Entry | Gap {
    const lo = key.readInt32LE(0);
    const hi = key.readInt32LE(4);
    const slot = this.#masks.at(value.readUInt16LE(L.FLOW.mask));
    if (slot === undefined) return { gap: true, hi, lo };
    const words = new Array<number>(2 * slot.idx.length);
    for (let i = 0; i < words.length; i++) words[i] = value.readInt32LE(L.FLOW.w + 4 * i);
    const next = value.readUInt32LE(L.FLOW.next);
    const inline = value.readUInt16LE(L.FLOW.nact) * L.ACT_BYTES;
    const first = value.subarray(L.FLOW.acts, L.FLOW.acts + inline);
    const acts = Buffer.concat([first, ...this.#chunks.load(next)]);
    const chained = (value[L.FLOW.flags]! & L.FLOW_CHAINED) !== 0;
    const id = value.readUInt32LE(L.FLOW.id);
    const flow = keyOf({ words, slot });
    const actions = decodeActions(acts, flow, this.#names);
    const ufid = this.#ufidOf(flow, slot.mask);
    return { ufid, words, slot, id, hi, lo, chained, acts, next, actions };
  }

  /** Where a flow can go: its hash, or the first gap or end of the chain that begins there. */
  #findPlace(key: Flow, slot: MaskSlot) {
    flowHash(key.u32, slot, this.#hashMaskHi, this.#hashMaskLo);
    let hi = h64.hi | 0;
    let lo = h64.lo | 0;
    let after: Entry | undefined;
    for (let i = 0; i < L.MAX_CHAIN; i++) {
      const there = this.#byHash.get(hi, lo);
      if (there === undefined) return { hi, lo, chained: false, after };
      if ('gap' in there) return { hi, lo, chained: true, after: undefined };
      after = there;
      chainNext(hi, lo);
      hi = h64.hi | 0;
      lo = h64.lo | 0;
    }
    throw new SystemError('ENOSPC', 'too many flows with one hash');
  }

  /** Lets the chain go on from `before`; programs see what follows from then on. */
  #link(before: Entry): void {
    if (before.chained) return;
    before.chained = true;
    this.#write(before);
    this.#noteChain(before.hi, before.lo);
  }

  #noteChain(hi: number, lo: number): void {
    chainNext(hi, lo);
    this.#before.set({ hi: h64.hi | 0, lo: h64.lo | 0, beforeHi: hi, beforeLo: lo });
  }

  #makeGap({ hi, lo }: Entry): void {
    const gap: Gap = { gap: true, hi, lo };
    this.#byHash.set(gap);
    this.#write(gap);
    if (!this.#held) this.#writeAll();
  }

  /** Removes the end of a chain, and gaps that end it then. */
  #erase(hi: number, lo: number): void {
    this.#writeAll();
    this.#map.delete(mapKey(hi, lo));
    this.#byHash.delete(hi, lo);
    const note = this.#before.get(hi, lo);
    if (note === undefined) return;
    this.#before.delete(hi, lo);
    const previous = this.#byHash.get(note.beforeHi, note.beforeLo);
    if (previous === undefined) return;
    if ('gap' in previous) {
      this.#erase(previous.hi, previous.lo);
    } else {
      previous.chained = false;
      this.#write(previous);
      if (!this.#held) this.#writeAll();
    }
  }

  /** Into the batch: struct flow and its key. */
  #write(item: Entry | Gap): void {
    if (this.#waitingCount === BATCH) this.#writeAll();
    const { keys, values } = this.#batch;
    const n = this.#waitingCount++;
    this.#waiting[n] = item;
    keys[2 * n] = item.lo;
    keys[2 * n + 1] = item.hi;
    const at = n * FLOW_WORDS;
    for (let i = at; i < at + FLOW_WORDS; i++) values[i] = 0;
    if ('gap' in item) {
      values[at + L.FLOW.mask / 4] = L.FLOW_GAP_MASK;
      values[at + L.FLOW.flags / 4] = L.FLOW_CHAINED;
      return;
    }
    const inline = Math.min(item.acts.length, INLINE_BYTES);
    values[at + L.FLOW.gen / 4] = ++this.#gen;
    values[at + L.FLOW.gen / 4 + 1] = this.#genHigh;
    values[at + L.FLOW.mask / 4] = item.slot.index | ((inline / L.ACT_BYTES) << 16);
    values[at + L.FLOW.flags / 4] = item.chained ? L.FLOW_CHAINED : 0;
    values[at + L.FLOW.id / 4] = item.id;
    values[at + L.FLOW.next / 4] = item.next;
    const { words } = item;
    for (let i = 0, w = at + L.FLOW.w / 4; i < words.length; i++, w++) values[w] = words[i]!;
    const { acts } = item;
    for (let o = 0, w = at + ACT_WORDS_AT; o < inline; o += 4, w++) {
      values[w] = acts.readInt32LE(o);
    }
  }

  /** Unless held: writes what waits and throws what became of it. */
  #report(): void {
    if (this.#held) return;
    this.#writeAll();
    const refused = this.#refused;
    this.#refused = undefined;
    if (refused !== undefined) throw new SystemError(refused, 'flow table');
  }

  #writeAll(): void {
    const count = this.#waitingCount;
    if (count === 0) return;
    // What is written on account of a refusal lies before what is not yet written.
    this.#waitingCount = 0;
    for (let at = 0; at < count; ) {
      const { done, code } = this.#batch.update(at, count);
      at += done;
      if (code === undefined) break;
      this.#refused = code;
      const item = this.#waiting[at++];
      if (item !== undefined && !('gap' in item)) this.#forget(item);
    }
  }

  /** A flow that the kernel did not take. */
  #forget(entry: Entry): void {
    if (this.#byUfid.get(entry.ufid) === entry) this.remove(entry);
  }
}

/** V8 keeps small integers without boxes, but not what floating point has come by. */
function countOf(low: number, high: number): number {
  return high === 0 ? low : low + high * U32;
}

/** The key of a flow, masked; in `flow` when given, whatever it held. */
export function keyOf({ words, slot }: Pick<Entry, 'words' | 'slot'>, into?: Flow): Flow {
  const { idx, mask } = slot;
  const flow = into ?? new Flow();
  into?.clear();
  for (let i = 0; i < idx.length; i++) {
    flow.u32[2 * idx[i]!] = words[2 * i]!;
    flow.u32[2 * idx[i]! + 1] = words[2 * i + 1]!;
  }
  readProgramKey(flow, mask);
  return flow;
}

function wordsOf({ u32 }: Flow, { idx }: MaskSlot): number[] {
  const words = new Array<number>(2 * idx.length);
  for (let i = 0; i < idx.length; i++) {
    words[2 * i] = u32[2 * idx[i]!]! | 0;
    words[2 * i + 1] = u32[2 * idx[i]! + 1]! | 0;
  }
  return words;
}

const keyBuffer = Buffer.alloc(8);

/** Of signed halves. */
function mapKey(hi: number, lo: number): Buffer {
  keyBuffer.writeInt32LE(lo, 0);
  keyBuffer.writeInt32LE(hi, 4);
  return keyBuffer;
}
