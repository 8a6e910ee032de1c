/** Why a message was sent, by number. */
export { PACKET_IN_REASONS } from '../actions/parse-text-output.ts';

export const FLOW_REMOVED_REASONS: readonly string[] = [
  'idle',
  'hard',
  'delete',
  'group_delete',
  'meter_delete',
  'eviction',
];
