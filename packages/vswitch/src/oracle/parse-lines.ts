/** Lines of `ovs-ofctl` as values, for tests. */
import {
  decodeMessage,
  encodeMessage,
  type FlowMod,
  type MessageOf,
  parseFlowMod,
  parseGroupMod,
} from '@heddle/openflow';
import { Group } from '../ofproto/group.ts';

/** As the wire brings it, in OpenFlow 1.3. */
export function parseFlowLine(line: string): FlowMod {
  const { flowMod } = parseFlowMod(line, 'add');
  const bytes = encodeMessage({ ...flowMod, version: 4, xid: 1, type: 'flow_mod' });
  return decodeMessage(bytes) as MessageOf<'flow_mod'>;
}

export function parseGroupLine(line: string): [number, Group] {
  const { groupMod } = parseGroupMod(line, 'add');
  const bytes = encodeMessage({ ...groupMod, version: 6, xid: 1, type: 'group_mod' });
  const mod = decodeMessage(bytes) as MessageOf<'group_mod'>;
  return [mod.groupId, new Group(mod, 0)];
}
