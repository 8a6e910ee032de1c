/** Groups (OpenFlow 1.5, 5.10; ovs-ofctl(8), "Group Syntax"). */
import type { Bucket, GroupDesc, GroupProps, GroupType } from '@heddle/openflow';

export interface BucketStats {
  packets: number;
  bytes: number;
}

export class Group {
  readonly id: number;
  readonly type: GroupType;
  readonly buckets: readonly Bucket[];
  readonly props: GroupProps;
  readonly createdMs: number;
  readonly stats: BucketStats = { packets: 0, bytes: 0 };
  readonly bucketStats: readonly BucketStats[];
  /** null: there can be none. */
  #slots: readonly number[] | null | undefined;

  /** Buckets that it has in common with `before`, the very same ones, count on. */
  constructor(desc: GroupDesc, createdMs: number, before?: Group) {
    this.id = desc.groupId;
    this.type = desc.groupType;
    this.buckets = desc.buckets;
    this.props = desc.props;
    this.createdMs = createdMs;
    this.bucketStats = desc.buckets.map((bucket) => {
      const index = before ? before.buckets.indexOf(bucket) : -1;
      return before?.bucketStats[index] ?? { packets: 0, bytes: 0 };
    });
  }

  /**
   * Indices of buckets by hash value, as often as their weights ask for: a power of two, at least
   * 16. Undefined where 256 are too few to tell the weights apart, or there is none.
   */
  get hashSlots(): readonly number[] | undefined {
    if (this.#slots === undefined) this.#slots = hashSlots(this.buckets.map((b) => b.weight));
    return this.#slots ?? undefined;
  }

  get desc(): GroupDesc {
    return { groupId: this.id, groupType: this.type, buckets: this.buckets, props: this.props };
  }
}

const MIN_SLOTS = 16;
const MAX_SLOTS = 256;

/** Seats by Webster's method. */
function hashSlots(weights: readonly number[]): readonly number[] | null {
  const positive = weights.filter((w) => w > 0);
  if (positive.length === 0) return null;
  const least = Math.min(...positive);
  const total = positive.reduce((sum, w) => sum + w, 0);
  let size = MIN_SLOTS;
  while (size < Math.ceil(total / least)) size *= 2;
  if (size > MAX_SLOTS) return null;
  const divisors = weights.map(() => 1);
  return Array.from({ length: size }, () => {
    let best = -1;
    for (const [i, w] of weights.entries()) {
      if (w > 0 && (best < 0 || w / divisors[i]! > weights[best]! / divisors[best]!)) best = i;
    }
    divisors[best]! += 2;
    return best;
  });
}
