import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OfpError, parseFlowMod } from '@heddle/openflow';
import { parseSubfield } from '@heddle/openflow/actions/text-values';
import { FakeClock } from '@heddle/runtime';
import { MacLearning } from '../mac-learning.ts';
import { type Bundle, Ofproto } from '../ofproto.ts';
import { evictionOrder, evictOne } from './eviction.ts';
import { FlowChanges } from './flow-changes.ts';
import { applyFlowMod } from './flow-mod.ts';

function bridge(limit: number, ...groups: string[]): Ofproto {
  const ofproto = new Ofproto('br0', new MacLearning<Bundle>(new FakeClock()));
  const table = ofproto.tables.at(0);
  table.maxFlows = limit;
  table.evictByConfig = true;
  table.evictionGroups = groups.map(parseSubfield);
  return ofproto;
}

function add(ofproto: Ofproto, flow: string): void {
  const { flowMod } = parseFlowMod(`${flow},actions=drop`, 'add');
  applyFlowMod(new FlowChanges(ofproto), flowMod, 0, 5);
}

/** Ports of the TCP flows that there are, by in_port. */
function left(ofproto: Ofproto): Record<number, number[]> {
  const ports: Record<number, number[]> = {};
  for (const { match } of ofproto.tables.rules()) {
    const { inPort, tpDst } = match.key;
    ports[inPort] = [...(ports[inPort] ?? []), tpDst].sort((a, b) => a - b);
  }
  return ports;
}

test('the largest group loses what expires first', () => {
  const ofproto = bridge(6, 'NXM_OF_IN_PORT[]');
  for (const n of [1, 2, 3, 4]) add(ofproto, `in_port=1,tcp,tp_dst=${n},idle_timeout=${100 * n}`);
  add(ofproto, 'in_port=2,tcp,tp_dst=1,idle_timeout=50');
  add(ofproto, 'tcp,tp_dst=9,idle_timeout=50');
  add(ofproto, 'in_port=3,tcp,tp_dst=1,idle_timeout=50');
  assert.deepEqual(left(ofproto), { 0: [9], 1: [2, 3, 4], 2: [1], 3: [1] });
  add(ofproto, 'in_port=1,tcp,tp_dst=7');
  assert.deepEqual(left(ofproto), { 0: [9], 1: [3, 4, 7], 2: [1], 3: [1] });
  // Flows without a timeout count for no group.
  add(ofproto, 'in_port=2,tcp,tp_dst=7,idle_timeout=1000');
  assert.deepEqual(left(ofproto), { 0: [9], 1: [4, 7], 2: [1, 7], 3: [1] });
  // Importance counts within the group, not between groups.
  add(ofproto, 'in_port=2,tcp,tp_dst=8,importance=5,idle_timeout=10');
  assert.deepEqual(left(ofproto), { 0: [9], 1: [4, 7], 2: [7, 8], 3: [1] });
});

test('all in order are those that go one by one', () => {
  const ofproto = bridge(40, 'NXM_OF_IN_PORT[0..1]', 'NXM_OF_TCP_DST[0]');
  for (let n = 0; n < 40; n++) {
    add(ofproto, `in_port=${(n * n) % 11},tcp,tp_dst=${n},idle_timeout=${1 + ((n * 7) % 40)}`);
  }
  const table = ofproto.tables.at(0);
  const changes = new FlowChanges(ofproto);
  for (const rule of evictionOrder(table)) {
    assert.equal(evictOne(table), rule);
    changes.delete(rule, 0);
  }
  assert.equal(evictOne(table), undefined);
});

test('a table of flows that stay is full', () => {
  const ofproto = bridge(1, 'NXM_OF_IN_PORT[]');
  add(ofproto, 'in_port=1');
  assert.throws(() => add(ofproto, 'in_port=2'), new OfpError('OFPFMFC_TABLE_FULL'));
});
