import {
  type Bucket,
  bucketsOf,
  type DpMeters,
  type MeterConfig,
  type MeterStats,
} from '../meter.ts';

const MAX_ELAPSED_MS = 2 ** 30;

interface Band {
  readonly bucket: Bucket;
  tokens: number;
  packets: number;
  bytes: number;
}

/** Token buckets of one meter, or of what a port may receive. */
export class TokenBuckets {
  readonly #bands: readonly Band[];
  #ms: number;
  #packets = 0;
  #bytes = 0;

  constructor(buckets: readonly Bucket[], nowMs: number) {
    this.#ms = nowMs;
    this.#bands = buckets.map((bucket) => ({
      bucket,
      tokens: bucket.limit,
      packets: 0,
      bytes: 0,
    }));
  }

  /** Whether a packet passes: of the bands that it exceeds, the one of the highest rate drops it. */
  admits(bytes: number, nowMs: number, isSuperPacket = false): boolean {
    const elapsed = Math.min(Math.max(nowMs - this.#ms, 0), MAX_ELAPSED_MS);
    this.#ms = Math.max(nowMs, this.#ms);
    this.#packets++;
    this.#bytes += bytes;
    let worst: Band | undefined;
    for (const band of this.#bands) {
      const { countsBits, rate, limit, owes } = band.bucket;
      const cost = countsBits ? bytes * 8 : 1000;
      band.tokens = Math.min(band.tokens + elapsed * rate, limit);
      const isPaid = band.tokens >= cost || (isSuperPacket && owes && band.tokens === limit);
      if (isPaid) band.tokens -= cost;
      else if (!worst || rate > worst.bucket.rate) worst = band;
    }
    if (!worst) return true;
    worst.packets++;
    worst.bytes += bytes;
    return false;
  }

  get stats(): MeterStats {
    const bands = this.#bands.map(({ packets, bytes }) => ({ packets, bytes }));
    return { packets: this.#packets, bytes: this.#bytes, bands };
  }
}

/** As many as Open vSwitch's userspace datapath says that it has. */
const CAPACITY = 262_144;

export class Meters implements DpMeters {
  readonly capacity = CAPACITY;
  readonly #byId = new Map<number, TokenBuckets>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  set(id: number, config: MeterConfig): void {
    this.#byId.set(id, new TokenBuckets(bucketsOf(config), this.#nowMs()));
  }

  delete(id: number): void {
    this.#byId.delete(id);
  }

  stats(id: number): MeterStats | undefined {
    return this.#byId.get(id)?.stats;
  }

  admits(id: number, bytes: number): boolean {
    return this.#byId.get(id)?.admits(bytes, this.#nowMs()) ?? true;
  }
}
