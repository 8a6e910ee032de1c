/** What messages say of groups and meters. */
import type { Field } from '@heddle/packet';
import type { Match } from './match.ts';
import type { OfpAct } from './ofp-actions.ts';

export type GroupType = 'all' | 'select' | 'indirect' | 'ff';

export type GroupCommand =
  | 'add'
  | 'modify'
  | 'add_or_mod'
  | 'delete'
  | 'insert_bucket'
  | 'remove_bucket';

export interface Bucket {
  readonly bucketId: number;
  readonly weight: number;
  /** OFPP_NONE: none. */
  readonly watchPort: number;
  /** OFPG_ANY: none. */
  readonly watchGroup: number;
  readonly actions: readonly OfpAct[];
}

export interface GroupProps {
  readonly selectionMethod: string;
  readonly selectionMethodParam: bigint;
  readonly fields: Match | undefined;
  /** The same by name, which the wire needs: bits of each field that are hashed. */
  readonly fieldArray?: readonly { readonly field: Field; readonly mask: bigint }[];
}

export interface GroupMod {
  readonly command: GroupCommand;
  readonly groupType: GroupType;
  readonly groupId: number;
  /** OFPG15_BUCKET_*; undefined: none. */
  readonly commandBucketId?: number;
  readonly buckets: readonly Bucket[];
  readonly props: GroupProps;
}

export interface GroupStats {
  readonly groupId: number;
  readonly refCount: number;
  readonly packetCount: bigint;
  readonly byteCount: bigint;
  readonly durationSec?: number;
  readonly durationNsec?: number;
  readonly buckets: readonly { readonly packetCount: bigint; readonly byteCount: bigint }[];
}

export interface GroupDesc {
  readonly groupType: GroupType;
  /** A type that has no name; `groupType` is then 'all'. */
  readonly unknownType?: number;
  readonly groupId: number;
  readonly buckets: readonly Bucket[];
  readonly props: GroupProps;
}

export interface GroupFeatures {
  readonly types: number;
  readonly capabilities: number;
  /** By type: all, select, indirect, ff. */
  readonly maxGroups: readonly [number, number, number, number];
  readonly actions: readonly [number, number, number, number];
}

export interface MeterBand {
  readonly type: 'drop' | 'dscp_remark';
  readonly rate: number;
  readonly burstSize: number;
  readonly precLevel: number;
}

export interface MeterConfig {
  readonly meterId: number;
  /** OFPMF13_*: kbps 1, pktps 2, burst 4, stats 8. */
  readonly flags: number;
  readonly bands: readonly MeterBand[];
}

export interface MeterMod extends MeterConfig {
  readonly command: 'add' | 'modify' | 'delete';
}

export interface MeterStats {
  readonly meterId: number;
  readonly flowCount: number;
  readonly packetInCount: bigint;
  readonly byteInCount: bigint;
  readonly durationSec: number;
  readonly durationNsec: number;
  readonly bands: readonly { readonly packetCount: bigint; readonly byteCount: bigint }[];
}

export interface MeterFeatures {
  readonly maxMeters: number;
  readonly bandTypes: number;
  readonly capabilities: number;
  readonly maxBands: number;
  readonly maxColor: number;
}
