/** Token buckets in the kernel (bpf/meter.h): of meters, and of what ports may receive. */
import { type BpfMap, progTestRun } from '@heddle/linux/bpf/index';
import { SystemError } from '@heddle/runtime';
import {
  type Bucket,
  bucketsOf,
  type DpMeters,
  MAX_BANDS,
  type MeterConfig,
  type MeterStats,
} from '../meter.ts';
import { nowMs } from './engine.ts';
import { BAND, BAND_BITS, BAND_OWES, METER } from './layout.ts';
import type { Programs } from './programs.ts';

/** Keys of ports' buckets; those of meters are below. */
const POLICER = 0x8000_0000;
/** Offsets of struct __sk_buff. */
const SKB_BYTES = 192;
const SKB_MARK = 8;
const SKB_PRIORITY = 32;

/** Entries of the map in bpf/meter.h. */
const CAPACITY = 65_536;

export class MeterTable implements DpMeters {
  readonly capacity = CAPACITY;
  readonly #map: BpfMap;
  readonly #program: number;
  readonly #mine = new Set<number>();
  readonly #ctx = Buffer.alloc(SKB_BYTES);

  constructor({ maps, programs }: Programs) {
    this.#map = maps['meters']!;
    this.#program = programs['run_meter']!;
  }

  set(id: number, config: MeterConfig): void {
    this.#put(id, bucketsOf(config));
    this.#mine.add(id);
  }

  delete(id: number): void {
    this.#mine.delete(id);
    this.#map.delete(id);
  }

  stats(id: number): MeterStats | undefined {
    const value = this.#map.lookup(id);
    if (!value) return undefined;
    const count = (at: number): number => Number(value.readBigUInt64LE(at));
    const bands = Array.from({ length: value.readUInt32LE(METER.bands) }, (_, i) => {
      const at = METER.band + i * BAND.size;
      return { packets: count(at + BAND.packets), bytes: count(at + BAND.bytes) };
    });
    return { packets: count(METER.packets), bytes: count(METER.bytes), bands };
  }

  admits(id: number, bytes: number): boolean {
    this.#ctx.writeUInt32LE(id, SKB_MARK);
    this.#ctx.writeUInt32LE(bytes, SKB_PRIORITY);
    return progTestRun(this.#program, FRAME, { ctx: this.#ctx }).result !== 0;
  }

  /** Buckets of a port's slot; returns their key, 0 for none. */
  setPolicer(slot: number, buckets: readonly Bucket[] | undefined): number {
    const key = (POLICER | slot) >>> 0;
    if (!buckets) {
      this.#map.delete(key);
      return 0;
    }
    this.#put(key, buckets);
    return key;
  }

  /** Those that an earlier daemon has made. */
  dropOthers(): void {
    for (const key of [...this.#map.keys()]) {
      const id = key.readUInt32LE(0);
      if (id < POLICER && !this.#mine.has(id)) this.#map.delete(id);
    }
  }

  #put(key: number, buckets: readonly Bucket[]): void {
    if (buckets.length > MAX_BANDS) throw new SystemError('EINVAL', 'too many bands');
    const value = Buffer.alloc(METER.size);
    value.writeUInt32LE(buckets.length, METER.bands);
    value.writeBigUInt64LE(BigInt(nowMs()), METER.ms);
    for (const [i, { countsBits, rate, limit, owes }] of buckets.entries()) {
      const at = METER.band + i * BAND.size;
      value.writeBigInt64LE(BigInt(limit), at + BAND.tokens);
      value.writeBigInt64LE(BigInt(limit), at + BAND.limit);
      value.writeBigUInt64LE(BigInt(rate), at + BAND.rate);
      const flags = (countsBits ? BAND_BITS : 0) | (owes ? BAND_OWES : 0);
      value.writeUInt32LE(flags, at + BAND.flags);
    }
    try {
      this.#map.update(key, value);
    } catch (error) {
      // The kernel says E2BIG when the table is full.
      if (error instanceof SystemError && error.code === 'E2BIG')
        throw new SystemError('ENOSPC', 'meters');
      throw error;
    }
  }
}

/** What a test run is given; the program does not look at it. */
const FRAME = new Uint8Array(60);
