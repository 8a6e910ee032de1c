/** Changes of groups (OpenFlow 1.3.5 section 7.3.4.2, 1.5.1 section 7.3.4.3, NXT_GROUP_MOD). */
import { vlog } from '@heddle/runtime';
import { OFPG_ANY, OFPP_NONE, type OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import type { Bucket, GroupCommand, GroupType } from '../messages.ts';
import { refusal } from '../refuse.ts';
import { type AnyForm, form, NX_VENDOR_ID, type Wire } from './form.ts';
import {
  OFPG15_BUCKET_MAX,
  pullBuckets11,
  pullBuckets15,
  putBucket11,
  putBucket15,
} from './group-bucket.ts';
import { NO_GROUP_PROPS, pullGroupProps, putGroupProps } from './group-props.ts';
import type { Reader } from './reader.ts';

const log = vlog.module('ofp_group');

export const GROUP_TYPES: readonly GroupType[] = ['all', 'select', 'indirect', 'ff'];
const COMMANDS = new Map<number, GroupCommand>([
  [0, 'add'],
  [1, 'modify'],
  [2, 'delete'],
  [3, 'insert_bucket'],
  [5, 'remove_bucket'],
  [0x8000, 'add_or_mod'],
]);
const OFPG15_BUCKET_FIRST = 0xffff_fffd;
const OFPG15_BUCKET_LAST = 0xffff_fffe;
const OFPG15_BUCKET_ALL = 0xffff_ffff;

function commandNumber(command: GroupCommand): number {
  for (const [number, name] of COMMANDS) if (name === command) return number;
  throw new OfpError('OFPGMFC_BAD_COMMAND');
}

interface Head {
  readonly command: GroupCommand | undefined;
  readonly groupType: GroupType | undefined;
  readonly groupId: number;
}

function pullHead(r: Reader): Head {
  const at = r.take(8);
  const command = COMMANDS.get(r.dv.getUint16(at));
  const groupType = GROUP_TYPES[r.u8[at + 2]!];
  return { command, groupType, groupId: r.dv.getUint32(at + 4) };
}

const groupMod11 = form<'group_mod'>({
  type: 'group_mod',
  name: 'OFPT_GROUP_MOD',
  since: 2,
  until: 5,
  wire: { ofpt: 15 },
  min: 8,
  step: 8,
  decode: (r, { version }) => {
    const head = pullHead(r);
    const buckets = pullBuckets11(r, version);
    if (head.command === 'delete' && buckets.length > 0 && version >= 4) {
      throw new OfpError('OFPGMFC_INVALID_GROUP');
    }
    return { ...checkGroupMod(head, buckets), props: NO_GROUP_PROPS };
  },
  encode: (w, mod) => {
    w.u16(commandNumber(mod.command));
    w.byte(GROUP_TYPES.indexOf(mod.groupType));
    w.byte(0);
    w.u32(mod.groupId);
    for (const bucket of mod.buckets) putBucket11(w, bucket, mod.version);
  },
});

function groupMod15(name: string, wire: Wire, since: OfpVersion, until: OfpVersion): AnyForm {
  return form<'group_mod'>({
    type: 'group_mod',
    name,
    since,
    until,
    wire,
    min: 16,
    step: 8,
    decode: (r, { version }) => {
      const head = pullHead(r);
      const bucketsLength = r.u16();
      r.take(2);
      const commandBucketId = r.u32();
      checkCommandBucket(head.command, commandBucketId);
      const list = r.within(r.take(bucketsLength), r.off);
      const buckets = pullBuckets15(list, version, head.groupType);
      const props = pullGroupProps(r, head.groupType, head.command ?? 'unknown');
      return {
        ...checkGroupMod(head, buckets),
        ...(commandBucketId !== OFPG15_BUCKET_ALL && { commandBucketId }),
        props,
      };
    },
    encode: (w, mod) => {
      const at = w.grow(16);
      w.dv.setUint16(at, commandNumber(mod.command));
      w.u8[at + 2] = GROUP_TYPES.indexOf(mod.groupType);
      w.dv.setUint32(at + 4, mod.groupId);
      w.dv.setUint32(at + 12, mod.commandBucketId ?? OFPG15_BUCKET_ALL);
      for (const bucket of mod.buckets) putBucket15(w, bucket, mod.version, mod.groupType);
      w.dv.setUint16(at + 8, w.length - at - 16);
      putGroupProps(w, mod.props, mod.version);
    },
  });
}

/** Which buckets a command may name (OpenFlow 1.5.1 section 7.3.4.3). */
function checkCommandBucket(command: GroupCommand | undefined, id: number): void {
  if (command === 'insert_bucket' || command === 'remove_bucket') {
    const named = id === OFPG15_BUCKET_FIRST || id === OFPG15_BUCKET_LAST;
    const all = id === OFPG15_BUCKET_ALL && command === 'remove_bucket';
    if (id > OFPG15_BUCKET_MAX && !named && !all) throw outOfRange(id);
  } else if (id !== OFPG15_BUCKET_ALL) throw outOfRange(id);
}

function outOfRange(id: number): OfpError {
  return refusal(log, 'OFPGMFC_BAD_BUCKET', `group command bucket id (${id}) is out of range`);
}

/** In upstream's order. */
function checkGroupMod({ command, groupType, groupId }: Head, buckets: readonly Bucket[]) {
  if (groupType === undefined) throw new OfpError('OFPGMFC_BAD_TYPE');
  if (command !== 'delete' && groupType === 'indirect' && buckets.length !== 1) {
    throw new OfpError('OFPGMFC_INVALID_GROUP');
  }
  if (command === 'remove_bucket' && buckets.length > 0) throw new OfpError('OFPGMFC_BAD_BUCKET');
  if (command === undefined) throw new OfpError('OFPGMFC_BAD_COMMAND');
  for (const bucket of buckets) checkBucket(bucket, groupType, command);
  return { command, groupType, groupId, buckets };
}

function checkBucket(bucket: Bucket, groupType: GroupType, command: Head['command']): void {
  if (bucket.weight !== 0 && groupType !== 'select' && command !== 'insert_bucket') {
    throw new OfpError('OFPGMFC_INVALID_GROUP');
  }
  const watches = watchesSomething(bucket);
  if ((groupType === 'all' || groupType === 'indirect') && watches) {
    throw new OfpError('OFPGMFC_WATCH_UNSUPPORTED');
  }
  if (groupType === 'ff' && !watches) throw new OfpError('OFPGMFC_INVALID_GROUP');
}

function watchesSomething({ watchPort, watchGroup }: Bucket): boolean {
  return watchPort !== OFPP_NONE || watchGroup !== OFPG_ANY;
}

export const GROUP_MOD_FORMS: readonly AnyForm[] = [
  groupMod11,
  groupMod15('OFPT_GROUP_MOD', { ofpt: 15 }, 6, 6),
  groupMod15('NXT_GROUP_MOD', { vendor: NX_VENDOR_ID, subtype: 31 }, 1, 1),
];
