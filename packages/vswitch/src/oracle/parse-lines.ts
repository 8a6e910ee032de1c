/** Lines of `ovs-ofctl` as values, for tests. */
import {
  type Bucket,
  decodeMessage,
  encodeMessage,
  type FlowMod,
  Match,
  type MessageOf,
  OFP_NO_BUFFER,
  OFPG_ANY,
  OFPP_NONE,
  parseActionsText,
  parseMatchField,
} from '@heddle/openflow';
import { Group } from '../ofproto/group.ts';
import { NO_FLAGS } from '../ofproto/rule.ts';

export function parseFlowLine(line: string): FlowMod {
  const [head = '', actions = ''] = line.split(' actions=');
  const match = new Match();
  const numbers: Record<string, bigint> = { table: 0n, priority: 32768n, cookie: 0n };
  for (const word of head.split(',')) {
    const [key = '', value = ''] = word.split(/=(.*)/s, 2);
    if (key in numbers) numbers[key] = BigInt(value);
    else parseMatchField(match, key, value);
  }
  const mod: FlowMod = {
    command: 'add',
    match,
    priority: Number(numbers['priority']),
    cookie: 0n,
    cookieMask: 0n,
    newCookie: numbers['cookie'],
    tableId: Number(numbers['table']),
    idleTimeout: 0,
    hardTimeout: 0,
    bufferId: OFP_NO_BUFFER,
    outPort: OFPP_NONE,
    outGroup: OFPG_ANY,
    flags: NO_FLAGS,
    importance: 0,
    actions: parseActionsText(actions),
  };
  // As the wire brings it, in OpenFlow 1.3.
  const bytes = encodeMessage({ version: 4, xid: 1, type: 'flow_mod', ...mod });
  return decodeMessage(bytes) as MessageOf<'flow_mod'>;
}

export function parseGroupLine(line: string): [number, Group] {
  const [head = '', ...buckets] = line.split(',bucket=');
  const words = new Map(head.split(',').map((w) => w.split('=') as [string, string]));
  const groupId = Number(words.get('group_id'));
  const parsed = buckets.map((text, bucketId): Bucket => {
    const watch = /^watch_port:(\d+),/.exec(text);
    return {
      bucketId,
      weight: 0,
      watchPort: watch ? Number(watch[1]) : OFPP_NONE,
      watchGroup: OFPG_ANY,
      actions: parseActionsText(watch ? text.slice(watch[0].length) : text),
    };
  });
  const groupType = words.get('type') as Group['type'];
  const props = { selectionMethod: '', selectionMethodParam: 0n, fields: undefined };
  return [groupId, new Group({ groupId, groupType, buckets: parsed, props }, 0)];
}
