/** Meters: token buckets that packets must pass (OpenFlow 1.3, 5.7). */
import type { MeterConfig } from '@heddle/openflow';

const OFPMF_KBPS = 1;
const OFPMF_BURST = 4;

interface BandState {
  /** In thousandths of a kilobit or packet. */
  tokens: number;
  packets: number;
  bytes: number;
}

export class Meter {
  readonly config: MeterConfig;
  readonly createdMs: number;
  packets = 0;
  bytes = 0;
  readonly bands: readonly BandState[];
  #lastMs: number;

  constructor(config: MeterConfig, nowMs: number) {
    this.config = config;
    this.createdMs = nowMs;
    this.#lastMs = nowMs;
    this.bands = config.bands.map((band) => ({
      tokens: this.#burst(band) * 1000,
      packets: 0,
      bytes: 0,
    }));
  }

  #burst({ rate, burstSize }: { readonly rate: number; readonly burstSize: number }): number {
    return (this.config.flags & OFPMF_BURST) !== 0 && burstSize > 0 ? burstSize : rate;
  }

  /** Whether a packet passes: the band of the highest rate that it exceeds drops it. */
  admits(bytes: number, nowMs: number): boolean {
    const { config } = this;
    const elapsed = Math.max(nowMs - this.#lastMs, 0);
    this.#lastMs = nowMs;
    this.packets++;
    this.bytes += bytes;
    // rate is per second, and tokens are thousandths: a millisecond brings `rate` of them.
    const cost = (config.flags & OFPMF_KBPS) !== 0 ? bytes * 8 : 1000;
    let exceeded: { rate: number; state: BandState } | undefined;
    for (const [i, band] of config.bands.entries()) {
      const state = this.bands[i]!;
      const limit = this.#burst(band) * 1000;
      state.tokens = Math.min(state.tokens + elapsed * band.rate, limit);
      if (state.tokens >= cost) state.tokens -= cost;
      else if (!exceeded || band.rate > exceeded.rate) exceeded = { rate: band.rate, state };
    }
    if (!exceeded) return true;
    exceeded.state.packets++;
    exceeded.state.bytes += bytes;
    return false;
  }
}
