/** Why a message was sent, by number. */
export const PACKET_IN_REASONS: readonly string[] = [
  'no_match',
  'action',
  'invalid_ttl',
  'action_set',
  'group',
  'packet_out',
  '',
];

export const FLOW_REMOVED_REASONS: readonly string[] = [
  'idle',
  'hard',
  'delete',
  'group_delete',
  'meter_delete',
  'eviction',
];
