/** Meters of a bridge (OpenFlow 1.3.5, section 5.7); a datapath does the metering. */
import type { MeterConfig as DpMeterConfig, DpMeters, MeterStats } from '@heddle/datapath';
import type { MeterConfig } from '@heddle/openflow';

const OFPMF_KBPS = 1;
const OFPMF_BURST = 4;

/** Numbers in datapath actions, which bridges share. */
class MeterIds {
  readonly #free: number[] = [];
  #next = 0;

  take(): number {
    // Megaflows that are about to go may still name a number: it rests for a while.
    return this.#free.length > KEEP_FREE ? this.#free.shift()! : this.#next++;
  }

  release(id: number): void {
    this.#free.push(id);
  }
}

const KEEP_FREE = 256;
const ids = new MeterIds();

export class Meter {
  readonly config: MeterConfig;
  readonly createdMs: number;
  /** As in `meter(N)` of the datapath. */
  readonly dpId: number;
  readonly #meters: DpMeters | undefined;

  /** `earlier`: the one that this replaces, whose age it keeps. Without `meters` all passes. */
  constructor(config: MeterConfig, nowMs: number, meters?: DpMeters, earlier?: Meter) {
    this.config = config;
    this.createdMs = earlier?.createdMs ?? nowMs;
    this.#meters = meters;
    this.dpId = earlier?.dpId ?? ids.take();
    try {
      meters?.set(this.dpId, dpConfig(config));
    } catch (error) {
      if (!earlier) ids.release(this.dpId);
      throw error;
    }
  }

  get stats(): MeterStats {
    return this.#meters?.stats(this.dpId) ?? this.#nothing();
  }

  remove(): void {
    this.#meters?.delete(this.dpId);
    ids.release(this.dpId);
  }

  #nothing(): MeterStats {
    const bands = this.config.bands.map(() => ({ packets: 0, bytes: 0 }));
    return { packets: 0, bytes: 0, bands };
  }
}

function dpConfig({ flags, bands }: MeterConfig): DpMeterConfig {
  return {
    unit: (flags & OFPMF_KBPS) === 0 ? 'packets' : 'kilobits',
    bands: bands.map(({ rate, burstSize }) => ({
      rate,
      burst: (flags & OFPMF_BURST) !== 0 && burstSize > 0 ? burstSize : rate,
    })),
  };
}
