/** What every table can match and do (OpenFlow 1.5, 7.3.5.18). */
import type { OfpVersion, TableActionFeatures, TableFeatures } from '@heddle/openflow';
import { FIELDS, type Field } from '@heddle/packet';
import { type FlowTable, TBL_INTERNAL } from '../ofproto/flow-table.ts';

/** In any version; each tells of those that it has. */
export const SWITCH_ACTIONS: readonly string[] = [
  'output',
  'enqueue',
  'group',
  'set_field',
  'set_vlan_vid',
  'set_vlan_pcp',
  'strip_vlan',
  'push_vlan',
  'mod_dl_src',
  'mod_dl_dst',
  'mod_nw_src',
  'mod_nw_dst',
  'mod_nw_tos',
  'mod_nw_ecn',
  'mod_tp_src',
  'mod_tp_dst',
  'set_mpls_label',
  'set_mpls_tc',
  'mod_nw_ttl',
  'dec_ttl',
  'set_mpls_ttl',
  'dec_mpls_ttl',
  'push_mpls',
  'pop_mpls',
  'set_queue',
];
const INSTRUCTIONS = ['apply_actions', 'clear_actions', 'write_actions', 'write_metadata'];
const DEFAULT_MAX_FLOWS = 1_000_000;
const ALL_METADATA = 0xffff_ffff_ffff_ffffn;

/** On the wire in no version, though the switch has it. */
function isPrivate({ name }: Field): boolean {
  return name === 'skb_priority';
}

const FIELD_NAMES = FIELDS.filter((f) => !isPrivate(f));
const SETTABLE = FIELD_NAMES.filter((f) => !f.readOnly).map((f) => f.name);
const MASKABLE = [
  'dp_hash',
  ...FIELD_NAMES.filter((f) => f.masking === 'bitwise').map((f) => f.name),
];
const EXACT = ['recirc_id', ...FIELD_NAMES.filter((f) => f.masking === 'none').map((f) => f.name)];
const MATCHABLE = [...MASKABLE, ...EXACT];

export function tableFeatures(table: FlowTable, version: OfpVersion): TableFeatures {
  const last = TBL_INTERNAL - 1;
  const next = Array.from({ length: Math.max(last - table.id, 0) }, (_, i) => table.id + 1 + i);
  const actions: TableActionFeatures = {
    next,
    instructions: [
      // An action from OpenFlow 1.5 on.
      ...(version === 4 || version === 5 ? ['meter'] : []),
      ...INSTRUCTIONS,
      ...(next.length > 0 ? ['goto_table'] : []),
    ],
    write: { actions: SWITCH_ACTIONS, setFields: SETTABLE },
    apply: { actions: SWITCH_ACTIONS, setFields: SETTABLE },
  };
  return {
    tableId: table.id,
    name: table.name,
    metadataMatch: ALL_METADATA,
    metadataWrite: ALL_METADATA,
    maxEntries: table.maxFlows ?? DEFAULT_MAX_FLOWS,
    miss: table.miss,
    // As upstream's: of what tables do of that, their descriptions tell.
    supportsEviction: false,
    supportsVacancyEvents: false,
    nonmiss: actions,
    onMiss: actions,
    match: MATCHABLE,
    wildcard: MATCHABLE,
    mask: MASKABLE,
  };
}
