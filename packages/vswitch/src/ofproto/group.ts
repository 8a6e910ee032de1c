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

  constructor(desc: GroupDesc, createdMs: number) {
    this.id = desc.groupId;
    this.type = desc.groupType;
    this.buckets = desc.buckets;
    this.props = desc.props;
    this.createdMs = createdMs;
    this.bucketStats = desc.buckets.map(() => ({ packets: 0, bytes: 0 }));
  }

  get desc(): GroupDesc {
    return { groupId: this.id, groupType: this.type, buckets: this.buckets, props: this.props };
  }
}
