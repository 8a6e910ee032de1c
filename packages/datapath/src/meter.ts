/**
 * Meters and policing: token buckets that packets must pay (OpenFlow 1.3.5, section 5.7). The eBPF
 * programs have the same in bpf/meter.h.
 */

/** A bucket: it fills at `rate` each second up to `burst`; kilobits or packets. */
export interface MeterBand {
  readonly rate: number;
  readonly burst: number;
}

export interface MeterConfig {
  readonly unit: 'kilobits' | 'packets';
  /** A packet that exceeds one of them is dropped; up to `MAX_BANDS`. */
  readonly bands: readonly MeterBand[];
}

export interface MeterStats {
  /** What came to the meter, and of it what each band has dropped. */
  readonly packets: number;
  readonly bytes: number;
  readonly bands: readonly { readonly packets: number; readonly bytes: number }[];
}

/** The meters of a datapath, by the number that `meter(N)` has. */
export interface DpMeters {
  /** How many it can hold. */
  readonly capacity: number;
  /** Makes a meter, or one with full buckets and without counts in its place. Throws ENOSPC. */
  set(id: number, config: MeterConfig): void;
  delete(id: number): void;
  stats(id: number): MeterStats | undefined;
  /** Whether a packet passes that the engine does not treat by itself. */
  admits(id: number, bytes: number): boolean;
}

/** What a port may receive (ovs-vswitchd.conf.db(5), Interface, "Ingress Policing"); rate 0: all. */
export interface Policing {
  /** Kilobits, per second and at once. */
  readonly bits: MeterBand;
  /** Thousands of packets. */
  readonly kpkts: MeterBand;
}

export const MAX_BANDS = 8;

/** In bits or thousandths of packets, of which a millisecond brings `rate`. */
export interface Bucket {
  readonly countsBits: boolean;
  readonly rate: number;
  readonly limit: number;
  /** A super-packet that no full bucket could pay for passes and is paid for later. */
  readonly owes: boolean;
}

const MAX_RATE = 0xffff_ffff;

function bucket(countsBits: boolean, { rate, burst }: MeterBand, owes: boolean): Bucket {
  const most = Math.min(burst, MAX_RATE);
  return { countsBits, rate: Math.min(rate, MAX_RATE), limit: most * 1000, owes };
}

export function bucketsOf({ unit, bands }: MeterConfig): Bucket[] {
  return bands.slice(0, MAX_BANDS).map((band) => bucket(unit === 'kilobits', band, false));
}

/** Undefined: no limit. */
export function policingBuckets({ bits, kpkts }: Policing): Bucket[] | undefined {
  const packets = { rate: kpkts.rate * 1000, burst: kpkts.burst * 1000 };
  const buckets = [
    ...(bits.rate > 0 ? [bucket(true, bits, true)] : []),
    ...(kpkts.rate > 0 ? [bucket(false, packets, false)] : []),
  ];
  return buckets.length > 0 ? buckets : undefined;
}
