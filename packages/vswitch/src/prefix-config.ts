/** Which addresses of a flow table are tracked by prefix (ovs-vswitchd.conf.db(5), "Flow_Table"). */
import { fieldByAnyName } from '@heddle/openflow/actions/text-values';
import { vlog } from '@heddle/runtime';
import { ALL_PREFIXES, type TrackedPrefixes } from './classifier/classifier.ts';
import type { FlowTable } from './ofproto/flow-table.ts';

const log = vlog.module('bridge');
const NONE: TrackedPrefixes = { src4: false, dst4: false, src6: false, dst6: false };

/** What each field stands for; those of tunnels are no prefixes of ours. */
const FIELDS: ReadonlyMap<string, Partial<TrackedPrefixes>> = new Map([
  ['ip_src', { src4: true }],
  ['ip_dst', { dst4: true }],
  ['ipv6_src', { src6: true }],
  ['ipv6_dst', { dst6: true }],
  ...['tun_id', 'tun_src', 'tun_dst', 'tun_ipv6_src', 'tun_ipv6_dst'].map(
    (name) => [name, {}] as const,
  ),
]);

/** Sets what a table tracks; whether that is something else than before. No names: the default. */
export function configurePrefixes(
  bridge: string,
  table: FlowTable,
  names: readonly string[],
): boolean {
  const fields = names.includes('none') ? [] : names.flatMap((name) => fieldNamed(bridge, name));
  const isDefault = fields.length === 0 && !names.includes('none');
  const prefixes = isDefault ? '' : fields.join(',') || 'none';
  if (prefixes === table.prefixes) return false;
  table.prefixes = prefixes;
  table.classifier.tracked = isDefault
    ? ALL_PREFIXES
    : Object.assign({ ...NONE }, ...fields.map((name) => FIELDS.get(name)));
  if (!isDefault) log.info(`bridge ${bridge} table ${table.id}: Prefix lookup with: ${prefixes}.`);
  return true;
}

function fieldNamed(bridge: string, name: string): string[] {
  const field = fieldByAnyName(name)?.name;
  if (field !== undefined && FIELDS.has(field)) return [field];
  const why = field === undefined ? 'unknown' : 'incompatible';
  log.warn(`bridge ${bridge}: 'prefixes' with ${why} field: ${name}`);
  return [];
}
