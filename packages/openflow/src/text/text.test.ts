/** Flows, groups, meters, mappings and monitors as `ovs-ofctl` takes them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatActions } from '../actions/index.ts';
import { formatMatch, formatProtocols } from '../match/index.ts';
import {
  parseFlowMod,
  parseFlowModLine,
  parseFlowMonitorRequest,
  parseGroupMod,
  parseMeterMod,
  parsePacketOut,
  parseTlvMap,
  requireProtocols,
} from './index.ts';

test('a flow, its properties and what can carry it', () => {
  const { flowMod, protocols } = parseFlowMod(
    'table=3,priority=5,tcp,nw_src=10.0.0.0/8,idle_timeout=9,cookie=0x7,actions=mod_nw_tos:4,2',
    'add',
  );
  assert.equal(flowMod.tableId, 3);
  assert.equal(flowMod.idleTimeout, 9);
  assert.equal(flowMod.newCookie, 7n);
  const { match, priority, actions } = flowMod;
  assert.equal(formatMatch(match, { priority }), 'priority=5,tcp,nw_src=10.0.0.0/8');
  assert.equal(formatActions(actions), 'mod_nw_tos:4,output:2');
  assert.equal(formatProtocols(protocols), 'OXM,OpenFlow10+table_id,NXM+table_id,OpenFlow11');
});

test('lines of files name their command', () => {
  assert.equal(parseFlowModLine('delete_strict priority=7,ip').flowMod.command, 'delete_strict');
  assert.equal(parseFlowModLine('ip,actions=drop').flowMod.command, 'add');
  const { flowMod } = parseFlowModLine('modify cookie=0x5/0xff,actions=1');
  assert.deepEqual([flowMod.cookie, flowMod.cookieMask], [5n, 0xffn]);
});

test('what is wrong is said in words', () => {
  const add = (text: string) => () => parseFlowMod(text, 'add');
  assert.throws(add('priority=5'), { message: 'must specify an action' });
  assert.throws(add('foo=1,actions=drop'), { message: 'unknown keyword foo' });
  assert.throws(add('cookie=1/2,actions=drop'), {
    message: 'flow additions cannot use a cookie mask',
  });
  assert.throws(add('actions=set_field:1.2.3.4->ip_src'), {
    message: 'actions are invalid with specified match (OFPBAC_MATCH_INCONSISTENT)',
  });
  assert.throws(add('ip,actions=decap,decap,ct(commit)'), {
    message: 'actions are invalid with specified match (OFPBAC_MATCH_INCONSISTENT)',
  });
  assert.throws(() => requireProtocols(parseFlowMod('reg0=1,actions=1', 'add').protocols, 1), {
    message:
      'none of the usable flow formats (NXM,OXM) is among the allowed flow formats (OpenFlow10-table_id)',
  });
});

test('groups, meters, mappings, packet-outs and monitors', () => {
  const { groupMod } = parseGroupMod(
    'group_id=1,type=select,selection_method=hash,fields(ip_src),bucket=weight:5,1,bucket=2',
    'add',
  );
  assert.deepEqual(
    groupMod.buckets.map(({ bucketId, weight, actions }) => [
      bucketId,
      weight,
      formatActions(actions),
    ]),
    [
      [0, 5, 'output:1'],
      [1, 1, 'output:2'],
    ],
  );
  assert.throws(() => parseGroupMod('group_id=1,type=ff,bucket=1', 'add'), {
    message: 'fast failover bucket requires watch_port or watch_group',
  });
  assert.deepEqual(parseMeterMod('meter=1,kbps,bands=type=drop,rate=5', 'add').bands, [
    { type: 'drop', rate: 5, burstSize: 0, precLevel: 0 },
  ]);
  assert.deepEqual(parseTlvMap('{class=0xffff,type=1,len=4}->tun_metadata2'), [
    { optionClass: 0xffff, optionType: 1, optionLen: 4, index: 2 },
  ]);
  const packet = '00'.repeat(14);
  const { packetOut } = parsePacketOut(`in_port=3,packet=${packet},actions=flood`);
  assert.equal(packetOut.packet.length, 14);
  assert.equal(packetOut.metadata.key.inPort, 3);
  const { monitor } = parseFlowMonitorRequest('!initial,table=5,in_port=2', 1);
  assert.deepEqual([monitor.flags, monitor.tableId], [0x3e, 5]);
});
