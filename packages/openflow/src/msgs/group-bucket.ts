/** Buckets of groups (OpenFlow 1.3.5 section 7.3.4.2, 1.5.1 section 7.3.4.3). */
import { vlog } from '@heddle/runtime';
import type { ByteWriter } from '../actions/byte-writer.ts';
import { emitActions, parseActions } from '../actions/index.ts';
import { OFPG_ANY, OFPP_NONE, type OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import { ofp11PortToOfp10 } from '../match/ofp-port.ts';
import type { Bucket, GroupType } from '../messages.ts';
import { refusal } from '../refuse.ts';
import { putPort11 } from './port-number.ts';
import { propertyU32, pullProperty, putProperty, unknownProperty } from './property.ts';
import type { Reader } from './reader.ts';

const log = vlog.module('ofp_group');

const OFPGBPT = { weight: 0, watchPort: 1, watchGroup: 2 } as const;
/** The greatest id that a bucket may have. */
export const OFPG15_BUCKET_MAX = 0xffff_ff00;

/** To the end of `r`. They have no ids on the wire: their places count. */
export function pullBuckets11(r: Reader, version: OfpVersion): Bucket[] {
  const buckets: Bucket[] = [];
  while (r.left > 0) buckets.push(pullBucket11(r, version, buckets.length));
  return buckets;
}

/** Of the bucket that begins here, which is `least` bytes long at least. */
function bucketLength(r: Reader, least: number): number {
  const { left } = r;
  const refuse = (why: string): OfpError => refusal(log, 'OFPGMFC_BAD_BUCKET', why);
  if (left < least) throw refuse(`buckets end with ${left} leftover bytes`);
  const length = r.dv.getUint16(r.off);
  if (length > left) {
    throw refuse(
      `OpenFlow message bucket length ${length} exceeds remaining buckets data size ${left}`,
    );
  }
  if (length < least) throw refuse(`OpenFlow message bucket length ${length} is not valid`);
  return length;
}

function pullBucket11(r: Reader, version: OfpVersion, bucketId: number): Bucket {
  const at = r.off;
  const length = bucketLength(r, 16);
  r.off += 2;
  const weight = r.u16();
  const watch = r.off;
  r.off = at + 16;
  const actions = parseActions(r.view(length - 16), version);
  const watchPort = pullWatchPort(r.within(watch, at + 16));
  const watchGroup = r.dv.getUint32(at + 8);
  return { bucketId, weight, watchPort, watchGroup, actions };
}

export function putBucket11(w: ByteWriter, b: Bucket, version: OfpVersion): void {
  const start = w.grow(2);
  w.u16(b.weight);
  putPort11(w, b.watchPort);
  w.u32(b.watchGroup);
  w.grow(4);
  w.bytes(emitActions(b.actions, version));
  w.dv.setUint16(start, w.length - start);
}

/** OpenFlow 1.5's, which the Nicira group messages use, too. */
export function pullBuckets15(
  r: Reader,
  version: OfpVersion,
  groupType: GroupType | undefined,
): Bucket[] {
  const buckets: Bucket[] = [];
  while (r.left > 0) buckets.push(pullBucket15(r, version, groupType));
  const ids = new Set(buckets.map(({ bucketId }) => bucketId));
  if (ids.size !== buckets.length) throw refusal(log, 'OFPGMFC_BAD_BUCKET', 'Duplicate bucket id');
  return buckets;
}

function pullBucket15(r: Reader, version: OfpVersion, groupType: GroupType | undefined): Bucket {
  const at = r.off;
  const length = bucketLength(r, 8);
  r.off += 2;
  const actionsLength = r.u16();
  const bucketId = r.u32();
  if (actionsLength > length - 8) {
    const why = `OpenFlow message bucket actions length ${actionsLength} exceeds remaining bucket data size ${length - 8}`;
    throw refusal(log, 'OFPGMFC_BAD_BUCKET', why);
  }
  const actions = parseActions(r.view(actionsLength), version);
  const props = r.within(r.off, at + length);
  r.off = at + length;
  let weight = groupType === 'select' ? 1 : 0;
  let watch: Reader | undefined;
  let watchGroup = OFPG_ANY;
  while (props.left > 0) {
    const property = pullProperty(props);
    if (property.type === OFPGBPT.weight) weight = pullWeight(property.body);
    else if (property.type === OFPGBPT.watchPort) {
      if (property.body.left !== 4) throw new OfpError('OFPBPC_BAD_LEN');
      watch = property.body;
    } else if (property.type === OFPGBPT.watchGroup) watchGroup = propertyU32(property);
    else throw unknownProperty(property, log, 'group bucket');
  }
  if (bucketId > OFPG15_BUCKET_MAX) {
    throw refusal(log, 'OFPGMFC_BAD_BUCKET', `bucket id (${bucketId}) is out of range`);
  }
  const watchPort = watch ? pullWatchPort(watch) : OFPP_NONE;
  return { bucketId, weight, watchPort, watchGroup, actions };
}

function pullWatchPort(r: Reader): number {
  const port = ofp11PortToOfp10(r.u32());
  if (port === undefined) throw new OfpError('OFPGMFC_BAD_WATCH');
  return port;
}

/** 16 bits, and padding. */
function pullWeight(body: Reader): number {
  return body.u16();
}

export function putBucket15(
  w: ByteWriter,
  b: Bucket,
  version: OfpVersion,
  groupType: GroupType,
): void {
  const start = w.grow(4);
  w.u32(b.bucketId);
  const actions = emitActions(b.actions, version);
  w.bytes(actions);
  if (b.weight !== 0 || groupType === 'select') {
    putProperty(w, OFPGBPT.weight, () => {
      w.u16(b.weight);
      w.u16(0);
    });
  }
  if (b.watchPort !== OFPP_NONE) {
    putProperty(w, OFPGBPT.watchPort, () => putPort11(w, b.watchPort));
  }
  if (b.watchGroup !== OFPG_ANY) putProperty(w, OFPGBPT.watchGroup, () => w.u32(b.watchGroup));
  w.dv.setUint16(start, w.length - start);
  w.dv.setUint16(start + 2, actions.length);
}
