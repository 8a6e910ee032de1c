/** Groups' counters, descriptions and features (OpenFlow 1.3.5 sections 7.3.5.7 to 7.3.5.9). */
import { vlog } from '@heddle/runtime';
import type { ByteWriter } from '../actions/byte-writer.ts';
import type { OfpVersion } from '../constants.ts';
import { OFPG_ALL } from '../constants.ts';
import type { OfpError } from '../errors.ts';
import type { GroupDesc, GroupFeatures, GroupStats } from '../messages.ts';
import { refusal } from '../refuse.ts';
import { type AnyForm, form, NX_VENDOR_ID, type Wire, writeNothing } from './form.ts';
import { pullBuckets11, pullBuckets15, putBucket11, putBucket15 } from './group-bucket.ts';
import { GROUP_TYPES } from './group-mod.ts';
import { NO_GROUP_PROPS, pullGroupProps, putGroupProps } from './group-props.ts';
import { pullList } from './list.ts';
import type { Reader } from './reader.ts';

const log = vlog.module('ofp_group');

/** OpenFlow 1.0 has OpenFlow 1.5's messages as Nicira's. */
function usesForm15(version: OfpVersion): boolean {
  return version === 6 || version === 1;
}

function wire(ofpst: number, reply: boolean): Wire {
  return { ofpst, reply };
}

function nx(subtype: number, reply: boolean): Wire {
  return { ofpstVendor: NX_VENDOR_ID, subtype, reply };
}

type Request = 'group_request' | 'group_desc_request';

function request(
  type: Request,
  name: string,
  w: Wire,
  since: OfpVersion,
  until: OfpVersion,
): AnyForm {
  return form<Request>({
    type,
    name,
    since,
    until,
    wire: w,
    min: 8,
    step: 0,
    decode: (r) => {
      const at = r.take(8);
      return { groupId: r.dv.getUint32(at) };
    },
    encode: (writer, { groupId }) => {
      writer.u32(groupId);
      writer.u32(0);
    },
  });
}

const descRequest11 = form<'group_desc_request'>({
  type: 'group_desc_request',
  name: 'OFPST_GROUP_DESC',
  since: 2,
  until: 5,
  wire: wire(7, false),
  min: 0,
  step: 0,
  decode: () => ({ groupId: OFPG_ALL }),
  encode: writeNothing,
});

/** As `Reader.take`, of what every entry of the message `name` has. */
function takeEntry(r: Reader, n: number, name: string): number {
  if (r.left < n) throw leftover(name, r.left);
  return r.take(n);
}

function leftover(name: string, left: number): OfpError {
  return refusal(log, 'OFPBRC_BAD_LEN', `${name} has ${left} leftover bytes at end`);
}

function invalidLength(name: string, length: number): OfpError {
  return refusal(log, 'OFPBRC_BAD_LEN', `${name} claims invalid length ${length}`);
}

function pullGroupStats(r: Reader, version: OfpVersion): GroupStats {
  const hasDuration = version >= 4 || version === 1;
  const fixed = hasDuration ? 40 : 32;
  const name = `${version === 1 ? 'NXST' : 'OFPST'}_GROUP reply reply`;
  const start = takeEntry(r, fixed, name);
  const length = r.dv.getUint16(start);
  const { dv } = r;
  const nBuckets = Math.floor((length - fixed) / 16);
  if (length < 32) throw invalidLength(name, length);
  if (length < fixed || 16 * nBuckets > r.left) throw leftover(name, r.left);
  const buckets = [];
  for (let at = r.take(16 * nBuckets), i = 0; i < nBuckets; i++, at += 16) {
    buckets.push({ packetCount: dv.getBigUint64(at), byteCount: dv.getBigUint64(at + 8) });
  }
  const sec = hasDuration ? dv.getUint32(start + 32) : 0xffff_ffff;
  return {
    groupId: dv.getUint32(start + 4),
    refCount: dv.getUint32(start + 8),
    packetCount: dv.getBigUint64(start + 16),
    byteCount: dv.getBigUint64(start + 24),
    ...(sec !== 0xffff_ffff && { durationSec: sec, durationNsec: dv.getUint32(start + 36) }),
    buckets,
  };
}

function putGroupStats(w: ByteWriter, s: GroupStats, version: OfpVersion): void {
  const hasDuration = version >= 4 || version === 1;
  const start = w.grow(hasDuration ? 40 : 32);
  const { dv } = w;
  dv.setUint16(start, w.length - start + 16 * s.buckets.length);
  dv.setUint32(start + 4, s.groupId);
  dv.setUint32(start + 8, s.refCount);
  dv.setBigUint64(start + 16, s.packetCount);
  dv.setBigUint64(start + 24, s.byteCount);
  if (hasDuration) {
    dv.setUint32(start + 32, s.durationSec ?? 0xffff_ffff);
    dv.setUint32(start + 36, s.durationNsec ?? 0xffff_ffff);
  }
  for (const bucket of s.buckets) {
    w.u64(bucket.packetCount);
    w.u64(bucket.byteCount);
  }
}

function statsReply(name: string, w: Wire, since: OfpVersion, until: OfpVersion): AnyForm {
  return form<'group_reply'>({
    type: 'group_reply',
    name,
    since,
    until,
    wire: w,
    min: 0,
    step: 8,
    decode: (r, { version }) =>
      pullList(
        r,
        (list) => pullGroupStats(list, version),
        (groups) => ({ groups }),
      ),
    encode: writeNothing,
    entries: {
      of: ({ groups }) => groups,
      put: (writer, entry: GroupStats, { version }) => putGroupStats(writer, entry, version),
    },
  });
}

function pullGroupDesc(r: Reader, version: OfpVersion): GroupDesc {
  const is15 = usesForm15(version);
  const name = 'OFPST11_GROUP_DESC reply';
  const start = takeEntry(r, is15 ? 16 : 8, name);
  const length = r.dv.getUint16(start);
  const body = start + length;
  if (body < r.off || body > r.end) throw invalidLength(name, length);
  const type = r.u8[start + 2]!;
  const groupType = GROUP_TYPES[type];
  const groupId = r.dv.getUint32(start + 4);
  const head = {
    groupId,
    groupType: groupType ?? 'all',
    ...(groupType === undefined && { unknownType: type }),
  } as const;
  const rest = r.within(r.off, body);
  r.off = body;
  if (!is15) return { ...head, buckets: pullBuckets11(rest, version), props: NO_GROUP_PROPS };
  const bucketsLength = r.dv.getUint16(start + 8);
  if (bucketsLength > rest.left) {
    const why = `${name} claims invalid bucket list length ${bucketsLength}`;
    throw refusal(log, 'OFPBRC_BAD_LEN', why);
  }
  const list = r.within(rest.take(bucketsLength), rest.off);
  const buckets = pullBuckets15(list, version, groupType ?? 'all');
  return { ...head, buckets, props: pullGroupProps(rest, groupType) };
}

function putGroupDesc(w: ByteWriter, d: GroupDesc, version: OfpVersion): void {
  const is15 = usesForm15(version);
  const start = w.grow(is15 ? 16 : 8);
  const type = d.unknownType ?? GROUP_TYPES.indexOf(d.groupType);
  for (const bucket of d.buckets) {
    if (is15) putBucket15(w, bucket, version, d.groupType);
    else putBucket11(w, bucket, version);
  }
  const bucketsEnd = w.length;
  if (is15) putGroupProps(w, d.props, version);
  w.dv.setUint16(start, w.length - start);
  w.u8[start + 2] = type;
  w.dv.setUint32(start + 4, d.groupId);
  if (is15) w.dv.setUint16(start + 8, bucketsEnd - start - 16);
}

function descReply(name: string, w: Wire, since: OfpVersion, until: OfpVersion): AnyForm {
  return form<'group_desc_reply'>({
    type: 'group_desc_reply',
    name,
    since,
    until,
    wire: w,
    min: 0,
    step: 8,
    decode: (r, { version }) =>
      pullList(
        r,
        (list) => pullGroupDesc(list, version),
        (groups) => ({ groups }),
      ),
    encode: writeNothing,
    entries: {
      of: ({ groups }) => groups,
      put: (writer, entry: GroupDesc, { version }) => putGroupDesc(writer, entry, version),
    },
  });
}

function featuresRequest(name: string, w: Wire, since: OfpVersion, until: OfpVersion): AnyForm {
  return form<'group_features_request'>({
    type: 'group_features_request',
    name,
    since,
    until,
    wire: w,
    min: 0,
    step: 0,
    decode: () => ({}),
    encode: writeNothing,
  });
}

type Four = GroupFeatures['actions'];

function featuresReply(name: string, w: Wire, since: OfpVersion, until: OfpVersion): AnyForm {
  return form<'group_features_reply'>({
    type: 'group_features_reply',
    name,
    since,
    until,
    wire: w,
    min: 40,
    step: 0,
    decode: (r) => {
      const four = (): Four => [r.u32(), r.u32(), r.u32(), r.u32()];
      return { types: r.u32(), capabilities: r.u32(), maxGroups: four(), actions: four() };
    },
    encode: (writer, f) => {
      for (const v of [f.types, f.capabilities, ...f.maxGroups, ...f.actions]) writer.u32(v);
    },
  });
}

export const GROUP_STATS_FORMS: readonly AnyForm[] = [
  request('group_request', 'OFPST_GROUP', wire(6, false), 2, 6),
  statsReply('OFPST_GROUP', wire(6, true), 2, 6),
  descRequest11,
  request('group_desc_request', 'OFPST_GROUP_DESC', wire(7, false), 6, 6),
  descReply('OFPST_GROUP_DESC', wire(7, true), 2, 6),
  featuresRequest('OFPST_GROUP_FEATURES', wire(8, false), 3, 6),
  featuresReply('OFPST_GROUP_FEATURES', wire(8, true), 3, 6),
  request('group_request', 'NXST_GROUP', nx(7, false), 1, 1),
  statsReply('NXST_GROUP', nx(7, true), 1, 1),
  request('group_desc_request', 'NXST_GROUP_DESC', nx(8, false), 1, 1),
  descReply('NXST_GROUP_DESC', nx(8, true), 1, 1),
  featuresRequest('NXST_GROUP_FEATURES', nx(9, false), 1, 2),
  featuresReply('NXST_GROUP_FEATURES', nx(9, true), 1, 2),
];
