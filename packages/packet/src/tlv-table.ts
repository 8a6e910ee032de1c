/**
 * Which Geneve option is which `tun_metadata` field, and where in a flow its value lies
 * (ovs-fields(7), "Geneve Fields"). A table never changes: a bridge that maps options anew gets
 * another one, in which the fields that stay keep their places.
 */
import type { Flow } from './flow.ts';
import { KEY_SLOTS } from './key-layout.ts';

/** `{class=0xffff,type=0,len=4}->tun_metadata0`; `optionLen` is in bytes, a multiple of 4. */
export interface TlvMapping {
  readonly optionClass: number;
  readonly optionType: number;
  readonly optionLen: number;
  readonly index: number;
}

/** Bytes that the values of all options may take together. */
export const TLV_SPACE = 256;
export const TLV_FIELDS = 64;

const PRESENT = KEY_SLOTS.get('tunMetadataPresent')!.offset;
const VALUES = KEY_SLOTS.get('tunMetadata')!.offset;
/** Class, type, length in words: RFC 8926, 3.5. */
const OPTION_HEADER = 4;

interface Entry {
  readonly mapping: TlvMapping;
  /** Offsets in a flow of the value's words, first bytes first. */
  readonly words: readonly number[];
}

export class TlvTable {
  readonly #entries: ReadonlyMap<number, Entry>;
  readonly #byOption = new Map<number, Entry>();

  private constructor(entries: ReadonlyMap<number, Entry>) {
    this.#entries = entries;
    for (const e of entries.values()) {
      this.#byOption.set((e.mapping.optionClass << 8) | e.mapping.optionType, e);
    }
  }

  static readonly EMPTY = new TlvTable(new Map());

  /** In the order of the fields. */
  get mappings(): TlvMapping[] {
    const indices = [...this.#entries.keys()].sort((a, b) => a - b);
    return indices.map((i) => this.#entries.get(i)!.mapping);
  }

  /** Bytes that are taken. */
  get used(): number {
    let n = 0;
    for (const { mapping } of this.#entries.values()) n += mapping.optionLen;
    return n;
  }

  has(index: number): boolean {
    return this.#entries.has(index);
  }

  hasOption(optionClass: number, optionType: number): boolean {
    return this.#byOption.has((optionClass << 8) | optionType);
  }

  /** Bytes of a field, 0 when it stands for no option. */
  lengthOf(index: number): number {
    return this.#entries.get(index)?.mapping.optionLen ?? 0;
  }

  /** With one more; undefined when there is no room for it. */
  with(mapping: TlvMapping): TlvTable | undefined {
    const taken = new Set<number>();
    for (const { words } of this.#entries.values()) for (const w of words) taken.add(w);
    const words: number[] = [];
    for (let o = VALUES; o < VALUES + TLV_SPACE && words.length * 4 < mapping.optionLen; o += 4) {
      if (!taken.has(o)) words.push(o);
    }
    if (words.length * 4 < mapping.optionLen) return undefined;
    return new TlvTable(new Map(this.#entries).set(mapping.index, { mapping, words }));
  }

  without(index: number): TlvTable {
    const entries = new Map(this.#entries);
    entries.delete(index);
    return new TlvTable(entries);
  }

  isPresent(flow: Flow, index: number): boolean {
    return (flow.u8[PRESENT + (index >> 3)]! & (1 << (index & 7))) !== 0;
  }

  /** The value as one number, 0 when the field stands for no option. */
  get(flow: Flow, index: number): bigint {
    let value = 0n;
    for (const o of this.#entries.get(index)?.words ?? []) {
      const word = (flow.u8[o]! << 24) | (flow.u8[o + 1]! << 16);
      value = (value << 32n) | BigInt((word | (flow.u8[o + 2]! << 8) | flow.u8[o + 3]!) >>> 0);
    }
    return value;
  }

  /** In a key the option is present from then on; in a mask its presence is looked at. */
  set(flow: Flow, index: number, value: bigint): void {
    const entry = this.#entries.get(index);
    if (!entry) return;
    flow.u8[PRESENT + (index >> 3)]! |= 1 << (index & 7);
    let rest = value;
    for (const o of entry.words.toReversed()) {
      for (let i = 3; i >= 0; i--, rest >>= 8n) flow.u8[o + i] = Number(rest & 0xffn);
    }
  }

  /** As if the option had not been there. */
  remove(flow: Flow, index: number): void {
    const entry = this.#entries.get(index);
    if (!entry) return;
    this.set(flow, index, 0n);
    flow.u8[PRESENT + (index >> 3)]! &= ~(1 << (index & 7));
  }

  /** Fills in what is mapped of a packet's options; false when they are malformed. */
  readOptions(options: Uint8Array, flow: Flow): boolean {
    let at = 0;
    while (at + OPTION_HEADER <= options.length) {
      const length = (options[at + 3]! & 0x1f) * 4;
      const next = at + OPTION_HEADER + length;
      if (next > options.length) return false;
      const cls = (options[at]! << 8) | options[at + 1]!;
      const found = this.#byOption.get((cls << 8) | options[at + 2]!);
      if (found && found.mapping.optionLen === length) {
        const { index } = found.mapping;
        flow.u8[PRESENT + (index >> 3)]! |= 1 << (index & 7);
        for (const [i, o] of found.words.entries()) {
          flow.u8.set(
            options.subarray(at + OPTION_HEADER + 4 * i, at + OPTION_HEADER + 4 * i + 4),
            o,
          );
        }
      }
      at = next;
    }
    return at === options.length;
  }

  /** The options that a packet with this key carries, field by field. */
  writeOptions(flow: Flow): Uint8Array {
    const out: number[] = [];
    for (const { optionClass, optionType, optionLen, index } of this.mappings) {
      if (!this.isPresent(flow, index)) continue;
      out.push(optionClass >> 8, optionClass & 0xff, optionType, optionLen / 4);
      for (const o of this.#entries.get(index)!.words) out.push(...flow.u8.subarray(o, o + 4));
    }
    return Uint8Array.from(out);
  }
}
