/** Group mods (OpenFlow 1.5, 7.3.4.3; ovs-ofctl(8), "Group Table Commands"). */
import {
  type Bucket,
  type GroupDesc,
  type GroupMod,
  type GroupType,
  OFPG_ALL,
  OFPG_MAX,
  OfpError,
} from '@heddle/openflow';
import { type FlowChanges, OFPRR_GROUP_DELETE } from './flow-changes.ts';
import { usesGroup } from './flow-mod.ts';
import { Group } from './group.ts';

/** OFPG15_BUCKET_* */
const BUCKET_FIRST = 0xffff_fffd;
const BUCKET_LAST = 0xffff_fffe;
const BUCKET_ALL = 0xffff_ffff;
const MAX_GROUPS = 0xffff_ff00;

export function applyGroupMod(changes: FlowChanges, mod: GroupMod, nowMs: number): void {
  const { ofproto } = changes;
  switch (mod.command) {
    case 'add':
      addGroup(changes, mod, nowMs);
      return;
    case 'modify':
      modifyGroup(changes, mod);
      return;
    case 'add_or_mod':
      if (ofproto.groups.has(mod.groupId)) modifyGroup(changes, mod);
      else addGroup(changes, mod, nowMs);
      return;
    case 'delete':
      deleteGroups(changes, mod.groupId);
      return;
    case 'insert_bucket':
    case 'remove_bucket':
      changeBuckets(changes, mod);
  }
}

function addGroup(changes: FlowChanges, mod: GroupMod, nowMs: number): void {
  const { ofproto } = changes;
  if (mod.groupId > OFPG_MAX) throw new OfpError('OFPGMFC_INVALID_GROUP');
  if (ofproto.groups.has(mod.groupId)) throw new OfpError('OFPGMFC_GROUP_EXISTS');
  if (ofproto.groups.size >= MAX_GROUPS) throw new OfpError('OFPGMFC_OUT_OF_GROUPS');
  checkGroup(mod, mod.groupType, mod.buckets);
  changes.setGroup(mod.groupId, new Group(mod, nowMs));
}

function modifyGroup(changes: FlowChanges, mod: GroupMod): void {
  const { ofproto } = changes;
  const old = ofproto.groups.get(mod.groupId);
  if (!old) throw new OfpError('OFPGMFC_UNKNOWN_GROUP');
  checkGroup(mod, mod.groupType, mod.buckets);
  changes.setGroup(mod.groupId, successor(old, mod));
}

/** Its counters start anew but for those of buckets that stay; its age does not. */
function successor(old: Group, desc: GroupDesc): Group {
  return new Group(desc, old.createdMs, old);
}

function deleteGroups(changes: FlowChanges, id: number): void {
  const { ofproto } = changes;
  const ids = id === OFPG_ALL ? [...ofproto.groups.keys()] : [id];
  for (const groupId of ids) {
    if (!ofproto.groups.has(groupId)) continue;
    for (const rule of [...ofproto.tables.rules()]) {
      if (usesGroup(rule.state.actions, groupId)) changes.delete(rule, OFPRR_GROUP_DELETE);
    }
    changes.setGroup(groupId, undefined);
  }
}

function changeBuckets(changes: FlowChanges, mod: GroupMod): void {
  const { ofproto } = changes;
  const old = ofproto.groups.get(mod.groupId);
  if (!old) throw new OfpError('OFPGMFC_UNKNOWN_GROUP');
  const isInsertion = mod.command === 'insert_bucket';
  const at = mod.commandBucketId ?? (isInsertion ? BUCKET_LAST : BUCKET_ALL);
  const buckets =
    mod.command === 'insert_bucket'
      ? insertBuckets(old.buckets, mod.buckets, at)
      : removeBuckets(old.buckets, at);
  if (new Set(buckets.map((b) => b.bucketId)).size < buckets.length) {
    throw new OfpError('OFPGMFC_BUCKET_EXISTS');
  }
  const props =
    mod.command === 'insert_bucket' && mod.props.selectionMethod !== '' ? mod.props : old.props;
  changes.setGroup(
    mod.groupId,
    successor(old, { groupId: old.id, groupType: old.type, buckets, props }),
  );
}

function insertBuckets(
  old: readonly Bucket[],
  added: readonly Bucket[],
  at: number,
): readonly Bucket[] {
  const place = placeBehind(old, at);
  const ids = new Set(old.map((b) => b.bucketId));
  if (added.some((b) => ids.has(b.bucketId))) throw new OfpError('OFPGMFC_BUCKET_EXISTS');
  return old.toSpliced(place, 0, ...added);
}

function placeBehind(buckets: readonly Bucket[], at: number): number {
  if (at === BUCKET_FIRST) return 0;
  if (at === BUCKET_LAST) return buckets.length;
  const index = buckets.findIndex((b) => b.bucketId === at);
  if (at > 0xffff_ff00 || index < 0) throw new OfpError('OFPGMFC_UNKNOWN_BUCKET');
  return index + 1;
}

function removeBuckets(old: readonly Bucket[], at: number): readonly Bucket[] {
  if (at === BUCKET_ALL) return [];
  if (at === BUCKET_FIRST) return old.slice(1);
  if (at === BUCKET_LAST) return old.slice(0, -1);
  const index = old.findIndex((b) => b.bucketId === at);
  if (index < 0) throw new OfpError('OFPGMFC_UNKNOWN_BUCKET');
  return old.toSpliced(index, 1);
}

/** Groups and meters that buckets refer to may come later. */
function checkGroup(mod: GroupMod, type: GroupType, buckets: readonly Bucket[]): void {
  if (type === 'indirect' && buckets.length !== 1) throw new OfpError('OFPGMFC_INVALID_GROUP');
  const ids = new Set<number>();
  for (const bucket of buckets) {
    if (ids.has(bucket.bucketId)) throw new OfpError('OFPGMFC_BUCKET_EXISTS');
    ids.add(bucket.bucketId);
    if (type !== 'select' && bucket.weight > 1 && mod.command === 'add') {
      throw new OfpError('OFPGMFC_INVALID_GROUP');
    }
  }
}
