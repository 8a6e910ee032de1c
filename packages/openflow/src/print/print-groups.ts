/** Groups: changes, descriptions, counters, features. */
import { formatActions } from '../actions/format-actions.ts';
import { OFPG_ANY, OFPP_NONE, type OfpVersion } from '../constants.ts';
import { formatFieldText } from '../match/index.ts';
import { toBytes } from '../match/match-field.ts';
import type {
  Bucket,
  GroupCommand,
  GroupDesc,
  GroupFeatures,
  GroupMod,
  GroupProps,
  GroupStats,
  GroupType,
} from '../messages.ts';
import { UNKNOWN_COUNT } from '../messages.ts';
import { actionNames, sortFields } from '../msgs/feature-names.ts';
import { duration, hexOrZero, type PrintNames, port } from './print-names.ts';

const COMMANDS: Readonly<Record<GroupCommand, string>> = {
  add: 'ADD',
  modify: 'MOD',
  add_or_mod: 'ADD_OR_MOD',
  delete: 'DEL',
  insert_bucket: 'INSERT_BUCKET',
  remove_bucket: 'REMOVE_BUCKET',
};
const BUCKET_NAMES = new Map([
  [0xffff_fffd, 'first'],
  [0xffff_fffe, 'last'],
  [0xffff_ffff, 'all'],
]);

/** OpenFlow 1.5 and Nicira's messages for OpenFlow 1.0 tell the buckets' ids. */
function hasBucketIds(version: OfpVersion): boolean {
  return version === 1 || version >= 6;
}

export function printGroupMod(mod: GroupMod, version: OfpVersion, names: PrintNames): string {
  const { command } = mod;
  const ofBucket = command === 'insert_bucket' || command === 'remove_bucket';
  let out = `\n ${COMMANDS[command]} `;
  if (ofBucket && hasBucketIds(version)) {
    const id = mod.commandBucketId ?? 0xffff_ffff;
    out += `command_bucket_id:${BUCKET_NAMES.get(id) ?? id},`;
  }
  out += `group_id=${mod.groupId}`;
  if (!ofBucket) out += `,type=${mod.groupType}`;
  return `${out}${printBody(mod.props, mod.buckets, mod.groupType, version, names)}\n`;
}

export function printGroupDesc(
  groups: readonly GroupDesc[],
  version: OfpVersion,
  names: PrintNames,
): string {
  let out = '';
  for (const g of groups) {
    const type = g.unknownType === undefined ? g.groupType : 'unknown';
    out += `\n group_id=${g.groupId},type=${type}`;
    out += printBody(g.props, g.buckets, g.groupType, version, names);
  }
  return out;
}

function printBody(
  props: GroupProps,
  buckets: readonly Bucket[],
  type: GroupType,
  version: OfpVersion,
  names: PrintNames,
): string {
  const out = printProps(props);
  return out + buckets.map((b) => `,bucket=${printBucket(b, type, version, names)}`).join('');
}

export function printProps(props: GroupProps): string {
  if (props.selectionMethod === '') return '';
  let out = `,selection_method=${props.selectionMethod}`;
  if (props.selectionMethodParam !== 0n) {
    out += `,selection_method_param=${props.selectionMethodParam}`;
  }
  const fields = props.fieldArray ?? [];
  if (fields.length === 0) return out;
  const byName = new Map(fields.map((f) => [f.field.name, f]));
  const texts = sortFields(byName.keys()).map((name) => {
    const { field, mask } = byName.get(name)!;
    const size = field.width >> 3;
    const exact = mask === (1n << BigInt(field.width)) - 1n;
    return exact ? name : `${name}=${formatFieldText(field, toBytes(mask, size))}`;
  });
  return texts.length === 1 ? `${out},fields=${texts[0]}` : `${out},fields(${texts.join(',')})`;
}

function printBucket(b: Bucket, type: GroupType, version: OfpVersion, names: PrintNames): string {
  let out = hasBucketIds(version) ? `bucket_id:${b.bucketId},` : '';
  if (b.weight !== (type === 'select' ? 1 : 0)) out += `weight:${b.weight},`;
  if (b.watchPort !== OFPP_NONE) out += `watch_port:${port(b.watchPort, names)},`;
  if (b.watchGroup !== OFPG_ANY) out += `watch_group:${b.watchGroup},`;
  return `${out}actions=${formatActions(b.actions, names)}`;
}

export function printGroupStats(groups: readonly GroupStats[]): string {
  let out = '';
  for (const g of groups) {
    out += `\n group_id=${g.groupId},`;
    if (g.durationSec !== undefined) {
      out += `duration=${duration(g.durationSec, g.durationNsec ?? 0)},`;
    }
    out += `ref_count=${g.refCount},packet_count=${g.packetCount},byte_count=${g.byteCount}`;
    for (const [i, b] of g.buckets.entries()) {
      if (b.packetCount === UNKNOWN_COUNT) continue;
      out += `,bucket${i}:packet_count=${b.packetCount},byte_count=${b.byteCount}`;
    }
  }
  return out;
}

const FEATURE_TITLES = ['all', 'select', 'indirect', 'fast failover'];

export function printGroupFeatures(f: GroupFeatures, version: OfpVersion): string {
  let out =
    `\n Group table:\n    Types:  0x${f.types.toString(16)}\n` +
    `    Capabilities:  0x${f.capabilities.toString(16)}\n`;
  for (const [i, title] of FEATURE_TITLES.entries()) {
    if ((f.types & (1 << i)) === 0) continue;
    const actions = actionNames(f.actions[i]!, version);
    out += `    ${title} group:\n       max_groups=${hexOrZero(f.maxGroups[i]!)}\n`;
    out += `       actions: ${actions.length === 0 ? '<none>' : actions.join(' ')}\n`;
  }
  return out;
}
