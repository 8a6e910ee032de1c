/** Buckets of a balanced bond: hashes of flows, each at a member. */

export const N_BUCKETS = 256;

/** What one member has above the others, in parts of what both have, before anything moves. */
const IMBALANCE = 0.03;

export interface Move<M> {
  readonly bucket: number;
  readonly from: M;
  readonly to: M;
}

export class Buckets<M> {
  readonly #members: (M | undefined)[] = new Array(N_BUCKETS);
  readonly #bytes = new Float64Array(N_BUCKETS);

  /** The member of a bucket: where it was moved to as long as that is enabled, else by its number. */
  choose(bucket: number, enabled: readonly M[]): M | undefined {
    const at = this.#members[bucket];
    return at !== undefined && enabled.includes(at) ? at : enabled[bucket % enabled.length];
  }

  assign(bucket: number, member: M): void {
    this.#members[bucket] = member;
  }

  count(bucket: number, bytes: number): void {
    this.#bytes[bucket]! += bytes;
  }

  /** Bytes lately of each bucket that is at `member`. */
  load(member: M, enabled: readonly M[]): { readonly bucket: number; readonly bytes: number }[] {
    const out: { bucket: number; bytes: number }[] = [];
    this.#bytes.forEach((bytes, bucket) => {
      if (this.choose(bucket, enabled) === member) out.push({ bucket, bytes });
    });
    return out;
  }

  /** Moves buckets from the busiest to the idlest members; then what was counted weighs half. */
  rebalance(enabled: readonly M[]): Move<M>[] {
    const moves: Move<M>[] = [];
    const loads = enabled.map((member) => {
      const buckets = this.load(member, enabled).filter((b) => b.bytes > 0);
      return { member, buckets, bytes: buckets.reduce((sum, b) => sum + b.bytes, 0) };
    });
    for (let n = 0; loads.length > 1 && n < N_BUCKETS; n++) {
      loads.sort((a, b) => b.bytes - a.bytes);
      const [most, least] = [loads[0]!, loads.at(-1)!];
      const excess = most.bytes - least.bytes;
      if (excess <= (most.bytes + least.bytes) * IMBALANCE) break;
      // The bucket that brings the two closest to each other, if any brings them closer.
      const best = most.buckets
        .filter((b) => b.bytes < excess)
        .sort((a, b) => Math.abs(a.bytes - excess / 2) - Math.abs(b.bytes - excess / 2))[0];
      if (!best) break;
      moves.push({ bucket: best.bucket, from: most.member, to: least.member });
      this.#members[best.bucket] = least.member;
      most.buckets.splice(most.buckets.indexOf(best), 1);
      least.buckets.push(best);
      most.bytes -= best.bytes;
      least.bytes += best.bytes;
    }
    for (let i = 0; i < N_BUCKETS; i++) this.#bytes[i]! /= 2;
    return moves;
  }
}
