/**
 * The flows map. A flow lies at the hash of its masked key; flows with one hash form a chain, each
 * but the last flagged so that programs go on to `chainNext`. Counters live in a map of their own:
 * replacing a flow's actions loses none, and reading them takes no system call.
 */
import { randomBytes } from 'node:crypto';
import type { BpfMap } from '@heddle/linux/bpf/index';
import { Flow, flowAnd } from '@heddle/packet';
import { SystemError } from '@heddle/runtime';
import type { FlowStats } from '../dpif.ts';
import type { OdpAction } from '../odp-actions.ts';
import { type ActionNames, decodeActions, encodeActions } from './action-codec.ts';
import type { ChunkTable } from './chunks.ts';
import { chainNext, flowHash, h64 } from './flow-hash.ts';
import * as L from './layout.ts';
import type { MaskSlot, MaskTable } from './mask-table.ts';
import { SlotAllocator } from './slots.ts';

export interface Entry {
  readonly ufid: string;
  readonly key: Flow;
  readonly slot: MaskSlot;
  readonly id: number;
  /** The map key. */
  hi: number;
  lo: number;
  chained: boolean;
  acts: readonly Buffer[];
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

function hashText(hi: number, lo: number): string {
  return `${hi},${lo}`;
}

export class FlowTable {
  readonly #map: BpfMap;
  readonly #stats: Uint32Array;
  readonly #counts: BigUint64Array;
  readonly #ids: SlotAllocator;
  readonly #masks: MaskTable;
  readonly #chunks: ChunkTable;
  readonly #names: ActionNames;
  readonly #ufidOf: (key: Flow, mask: Flow) => string;
  readonly #hashMaskHi: number;
  readonly #hashMaskLo: number;
  readonly #byUfid = new Map<string, Entry>();
  readonly #byHash = new Map<string, Entry | Gap>();
  readonly #before = new Map<string, string>();
  readonly #genHigh = randomBytes(4);
  #gen = 0;

  constructor(options: {
    maps: Readonly<Record<string, BpfMap>>;
    masks: MaskTable;
    chunks: ChunkTable;
    names: ActionNames;
    now: () => number;
    hashMask: readonly [hi: number, lo: number];
    ufidOf: (key: Flow, mask: Flow) => string;
  }) {
    this.#map = options.maps['flows']!;
    const stats = options.maps['flow_stats']!;
    this.#stats = new Uint32Array(stats.memory());
    this.#counts = new BigUint64Array(stats.memory());
    this.#ids = new SlotAllocator(stats.info.maxEntries, options.now);
    this.#masks = options.masks;
    this.#chunks = options.chunks;
    this.#names = options.names;
    this.#ufidOf = options.ufidOf;
    [this.#hashMaskHi, this.#hashMaskLo] = options.hashMask;
  }

  get size(): number {
    return this.#byUfid.size;
  }

  get(ufid: string): Entry | undefined {
    return this.#byUfid.get(ufid);
  }

  entries(): Iterable<Entry> {
    return this.#byUfid.values();
  }

  add(ufid: string, key: Flow, slot: MaskSlot, actions: readonly OdpAction[]): Entry {
    const masked = flowAnd(key, slot.mask);
    const acts = encodeActions(actions, key, this.#names);
    const place = this.#findPlace(masked, slot);
    const id = this.#ids.take();
    if (id === undefined) throw new SystemError('ENOSPC', 'flow table');
    const next = this.#storeRest(acts, id);
    const entry: Entry = { ufid, key: masked, slot, id, ...place, acts, next, actions };
    this.#stats.fill(0, id * 8, id * 8 + 8);
    this.#write(entry);
    this.#byUfid.set(ufid, entry);
    this.#byHash.set(hashText(entry.hi, entry.lo), entry);
    this.#masks.reference(slot);
    if (place.after !== undefined) this.#link(place.after, entry);
    return entry;
  }

  #storeRest(acts: readonly Buffer[], id: number): number {
    try {
      return this.#chunks.store(acts.slice(L.INLINE_ACTS));
    } catch (e) {
      this.#ids.release(id);
      throw e;
    }
  }

  modify(entry: Entry, actions: readonly OdpAction[], key: Flow): void {
    const acts = encodeActions(actions, key, this.#names);
    const old = entry.next;
    entry.next = this.#chunks.store(acts.slice(L.INLINE_ACTS));
    entry.acts = acts;
    entry.actions = actions;
    this.#write(entry);
    this.#chunks.free(old);
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
    const s = this.#stats;
    const at = entry.id * 8;
    const usedNs = s[at + 4]! + s[at + 5]! * U32;
    return {
      packets: s[at]! + s[at + 1]! * U32,
      bytes: s[at + 2]! + s[at + 3]! * U32,
      usedMs: usedNs === 0 ? undefined : Math.floor(usedNs / 1e6),
      tcpFlags: s[at + 6]!,
    };
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
    for (const key of [...this.#map.keys()]) {
      const value = this.#map.lookup(key);
      if (value === undefined) continue;
      const entry = this.#decode(key, Buffer.from(value));
      const text = hashText(entry.hi, entry.lo);
      this.#byHash.set(text, entry);
      if ('gap' in entry || entry.chained) this.#noteChain(entry.hi, entry.lo);
      if ('gap' in entry) continue;
      this.#byUfid.set(entry.ufid, entry);
      this.#masks.reference(entry.slot);
      used.add(entry.id);
    }
    this.#ids.adopt(used);
    this.#chunks.adopt([...this.#byUfid.values()].map((e) => e.next));
  }

  #decode(key: Buffer, value: Buffer): Entry | Gap {
    const lo = key.readUInt32LE(0);
    const hi = key.readUInt32LE(4);
    const slot = this.#masks.at(value.readUInt16LE(L.FLOW.mask));
    if (slot === undefined) return { gap: true, hi, lo };
    const flow = new Flow();
    slot.idx.forEach((w, i) => {
      flow.u32[2 * w] = value.readUInt32LE(L.FLOW.w + 8 * i);
      flow.u32[2 * w + 1] = value.readUInt32LE(L.FLOW.w + 8 * i + 4);
    });
    const acts: Buffer[] = [];
    for (let i = 0; i < value.readUInt16LE(L.FLOW.nact); i++) {
      const at = L.FLOW.acts + i * L.ACT_BYTES;
      acts.push(value.subarray(at, at + L.ACT_BYTES));
    }
    const next = value.readUInt32LE(L.FLOW.next);
    acts.push(...this.#chunks.load(next));
    const chained = (value[L.FLOW.flags]! & L.FLOW_CHAINED) !== 0;
    const id = value.readUInt32LE(L.FLOW.id);
    const actions = decodeActions(acts, this.#names);
    const ufid = this.#ufidOf(flow, slot.mask);
    return { ufid, key: flow, slot, id, hi, lo, chained, acts, next, actions };
  }

  /** Where a flow can go: its hash, or the first gap or end of the chain that begins there. */
  #findPlace(key: Flow, slot: MaskSlot) {
    flowHash(key.u32, slot, this.#hashMaskHi, this.#hashMaskLo);
    let hi = h64.hi;
    let lo = h64.lo;
    let after: Entry | Gap | undefined;
    for (let i = 0; i < L.MAX_CHAIN; i++) {
      const there = this.#byHash.get(hashText(hi, lo));
      if (there === undefined) return { hi, lo, chained: false, after };
      if ('gap' in there) return { hi, lo, chained: true, after: undefined };
      after = there;
      chainNext(hi, lo);
      hi = h64.hi;
      lo = h64.lo;
    }
    throw new SystemError('ENOSPC', 'too many flows with one hash');
  }

  /** Lets the chain go on from `before`; programs see the new flow from then on. */
  #link(before: Entry | Gap, _entry: Entry): void {
    if ('gap' in before || before.chained) return;
    before.chained = true;
    this.#write(before);
    this.#noteChain(before.hi, before.lo);
  }

  #noteChain(hi: number, lo: number): void {
    chainNext(hi, lo);
    this.#before.set(hashText(h64.hi, h64.lo), hashText(hi, lo));
  }

  #makeGap(entry: Entry): void {
    const value = Buffer.alloc(L.FLOW.bytes);
    value.writeUInt16LE(L.FLOW_GAP_MASK, L.FLOW.mask);
    value[L.FLOW.flags] = L.FLOW_CHAINED;
    this.#map.update(mapKey(entry.hi, entry.lo), value);
    this.#byHash.set(hashText(entry.hi, entry.lo), { gap: true, hi: entry.hi, lo: entry.lo });
  }

  /** Removes the end of a chain, and gaps that end it then. */
  #erase(hi: number, lo: number): void {
    const text = hashText(hi, lo);
    this.#map.delete(mapKey(hi, lo));
    this.#byHash.delete(text);
    const before = this.#before.get(text);
    if (before === undefined) return;
    this.#before.delete(text);
    const previous = this.#byHash.get(before);
    if (previous === undefined) return;
    if ('gap' in previous) {
      this.#erase(previous.hi, previous.lo);
    } else {
      previous.chained = false;
      this.#write(previous);
    }
  }

  #write(entry: Entry): void {
    const value = Buffer.alloc(L.FLOW.bytes);
    const inline = entry.acts.slice(0, L.INLINE_ACTS);
    this.#genHigh.copy(value, L.FLOW.gen + 4);
    value.writeUInt32LE(++this.#gen >>> 0, L.FLOW.gen);
    value.writeUInt16LE(entry.slot.index, L.FLOW.mask);
    value.writeUInt16LE(inline.length, L.FLOW.nact);
    value[L.FLOW.flags] = entry.chained ? L.FLOW_CHAINED : 0;
    value.writeUInt32LE(entry.id, L.FLOW.id);
    value.writeUInt32LE(entry.next, L.FLOW.next);
    entry.slot.idx.forEach((w, i) => {
      value.writeUInt32LE(entry.key.u32[2 * w]!, L.FLOW.w + 8 * i);
      value.writeUInt32LE(entry.key.u32[2 * w + 1]!, L.FLOW.w + 8 * i + 4);
    });
    inline.forEach((a, i) => {
      value.set(a, L.FLOW.acts + i * L.ACT_BYTES);
    });
    this.#map.update(mapKey(entry.hi, entry.lo), value);
  }
}

const keyBuffer = Buffer.alloc(8);

function mapKey(hi: number, lo: number): Buffer {
  keyBuffer.writeUInt32LE(lo, 0);
  keyBuffer.writeUInt32LE(hi, 4);
  return keyBuffer;
}
