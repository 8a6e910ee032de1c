/** Which flows go when a table is full. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FlowMod, OfpError, parseFlowMod, type Subfield } from '@heddle/openflow';
import { parseSubfield } from '@heddle/openflow/actions/text-values';
import { FakeClock } from '@heddle/runtime';
import { generator } from '@heddle/testing/random';
import { MacLearning } from '../mac-learning.ts';
import { type Bundle, Ofproto } from '../ofproto.ts';
import { subfieldGet } from '../xlate/subfield.ts';
import { FlowChanges } from './flow-changes.ts';
import { applyFlowMod } from './flow-mod.ts';
import type { FlowTable } from './flow-table.ts';
import type { Rule } from './rule.ts';

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 40);

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

test('flows that do not expire stay, however eviction came to be asked for', () => {
  const ofproto = bridge(2);
  const table = ofproto.tables.at(0);
  [table.evictByConfig, table.evictByOpenFlow] = [false, true];
  add(ofproto, 'in_port=1,tcp,tp_dst=1');
  add(ofproto, 'in_port=1,tcp,tp_dst=2,idle_timeout=9,importance=7');
  add(ofproto, 'in_port=1,tcp,tp_dst=3');
  assert.deepEqual(left(ofproto), { 1: [1, 3] });
  assert.throws(() => add(ofproto, 'in_port=1,tcp,tp_dst=4'), OfpError);
});

/** Whether the rule may go first, looked up the long way round. */
function mayGo(table: FlowTable, rule: Rule, groups: readonly Subfield[]): boolean {
  const ruleOf = new Map<string, Rule[]>();
  const groupOf = ({ match }: Rule) => groups.map((field) => subfieldGet(match.key, field)).join();
  for (const each of table.classifier.rules()) {
    if (each.expiryMs === Infinity) continue;
    ruleOf.set(groupOf(each), [...(ruleOf.get(groupOf(each)) ?? []), each]);
  }
  const most = Math.max(...[...ruleOf.values()].map(({ length }) => length));
  if (ruleOf.get(groupOf(rule))?.length !== most) return false;
  return [...ruleOf.values()]
    .filter(({ length }) => length === most)
    .flat()
    .every(({ state: { importance }, expiryMs }) =>
      importance === rule.state.importance
        ? expiryMs >= rule.expiryMs
        : importance > rule.state.importance,
    );
}

test('who goes first is known whatever has become of the flows', () => {
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    const next = generator(seed);
    const names = [[], ['NXM_OF_IN_PORT[0..1]'], ['NXM_OF_IN_PORT[]', 'NXM_OF_TCP_DST[0]']];
    const groups = names[next(3)]!;
    const ofproto = bridge(12 + next(30), ...groups);
    const table = ofproto.tables.at(0);
    table.evictByOpenFlow = next(3) === 0;
    const apply = (text: string, command: FlowMod['command'], now: number): void => {
      const changes = new FlowChanges(ofproto);
      for (let n = next(3); n >= 0; n--) {
        applyFlowMod(changes, parseFlowMod(text, command).flowMod, now, 5);
      }
      if (next(4) === 0) changes.revert();
      else changes.release();
    };
    for (let now = 0; now < 150; now++) {
      const match = `in_port=${next(5)},tcp,tp_dst=${next(12)}`;
      const times = `idle_timeout=${next(4)},hard_timeout=${next(4)},importance=${next(2)}`;
      const what = next(12);
      if (next(30) === 0) apply('', 'delete', now);
      else if (what < 2) apply(match, 'delete', now);
      else if (what < 4) apply(`${match},actions=output:1`, 'modify', now);
      else {
        try {
          apply(`${match},${times},actions=drop`, 'add', now);
        } catch (error) {
          assert.ok(error instanceof OfpError);
        }
      }
      for (const rule of table.classifier.rules()) {
        if (next(9) === 0) rule.usedMs = now;
        if (next(20) === 0) rule.shorten(next(3), next(3));
      }
      const { victim } = table;
      if (victim)
        assert.ok(mayGo(table, victim, groups.map(parseSubfield)), `seed ${seed}: ${now}`);
      else for (const rule of table.classifier.rules()) assert.equal(rule.expiryMs, Infinity);
      if (!victim || next(3) > 0) continue;
      const changes = new FlowChanges(ofproto);
      changes.delete(victim, 0);
      if (next(3) === 0) changes.revert();
      else changes.release();
    }
  }
});

test('a table of flows that stay is full', () => {
  const ofproto = bridge(1, 'NXM_OF_IN_PORT[]');
  add(ofproto, 'in_port=1');
  assert.throws(() => add(ofproto, 'in_port=2'), new OfpError('OFPFMFC_TABLE_FULL'));
});
