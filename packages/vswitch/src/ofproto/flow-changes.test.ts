/** Flow mods taken back leave the tables as they were; timeouts end rules when they say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FlowMod, formatMatch, parseFlowMod } from '@heddle/openflow';
import { FakeClock } from '@heddle/runtime';
import { generator } from '@heddle/testing/random';
import type { Classifier } from '../classifier/classifier.ts';
import { MacLearning } from '../mac-learning.ts';
import { type Bundle, Ofproto } from '../ofproto.ts';
import { FlowChanges } from './flow-changes.ts';
import { applyFlowMod } from './flow-mod.ts';
import { NO_FLAGS, Rule } from './rule.ts';

const NO_TIMEOUTS = {
  cookie: 0n,
  idleTimeout: 0,
  hardTimeout: 0,
  importance: 0,
  flags: NO_FLAGS,
} as const;

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 40);

function bridge(): Ofproto {
  return new Ofproto('br0', new MacLearning<Bundle>(new FakeClock()));
}

function randomMod(next: (n: number) => number): FlowMod {
  const matches = ['', 'ip', `ip,nw_src=10.0.${next(2)}.0/24`, `tcp,tp_dst=${next(3)}`, 'arp'];
  const match = matches[next(matches.length)]!;
  const table = next(3);
  const acts = ['drop', `output:${next(3)}`, `conjunction(${next(2)},1/2)`][next(3)];
  const word = [match, `table=${table}`].filter((w) => w !== '').join(',');
  const strict = `${word},priority=${next(3)}`;
  switch (next(8)) {
    case 0:
      return parseFlowMod(word, 'delete').flowMod;
    case 1:
      return parseFlowMod(match, 'delete').flowMod;
    case 2:
      return parseFlowMod(strict, 'delete_strict').flowMod;
    case 3:
      return parseFlowMod(`${word},actions=${acts}`, 'modify').flowMod;
    default:
      return parseFlowMod(`${strict},cookie=${next(3)},actions=${acts}`, 'add').flowMod;
  }
}

/** Every rule by identity, with what it matches and does, and that lookups by its match find it. */
function snapshot(ofproto: Ofproto): unknown[] {
  const rules: [Rule, string][] = [];
  for (const table of ofproto.tables.used()) {
    for (const rule of table.classifier.rules()) {
      const { key, mask } = rule.match;
      assert.equal(table.classifier.find(key, mask, rule.priority), rule);
      assert.ok(table.classifier.has(rule));
      rules.push([rule, `${table.id} ${rule.priority} ${formatMatch(rule.match)}`]);
    }
  }
  rules.sort((a, b) => (a[1] < b[1] ? -1 : 1));
  return rules.map(([rule, text]) => [rule, text, rule.state, rule.modifiedMs, rule.packets]);
}

test('changes taken back leave what there was, rule by rule', () => {
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    const next = generator(seed);
    const ofproto = bridge();
    for (let round = 0; round < 12; round++) {
      const before = snapshot(ofproto);
      const size = ofproto.tables.size;
      const changes = new FlowChanges(ofproto);
      for (let i = next(12); i >= 0; i--) applyFlowMod(changes, randomMod(next), round, 4);
      const after = snapshot(ofproto);
      if (next(2) === 0) {
        changes.revert();
        assert.deepEqual(snapshot(ofproto), before, `seed ${seed}`);
        assert.equal(ofproto.tables.size, size);
      } else {
        changes.release();
        assert.deepEqual(snapshot(ofproto), after, `seed ${seed}`);
        assert.equal(ofproto.tables.size, after.length);
      }
    }
  }
});

test('hidden flows stay when all others go, and when those come back', () => {
  const ofproto = bridge();
  const table = ofproto.tables.at(0);
  const hidden = (text: string): Rule => {
    const { match, actions } = parseFlowMod(`${text},actions=NORMAL`, 'add').flowMod;
    const state = { ...NO_TIMEOUTS, actions };
    const rule = new Rule(table, 0x1_0000, state, 0);
    table.insert(rule, match.key, match.mask);
    return rule;
  };
  const rules = [hidden('ip,nw_src=10.0.0.1'), hidden('arp')];
  for (const text of ['ip,nw_src=10.0.0.1', 'ip,nw_src=10.0.0.2', 'tcp', 'priority=7,arp']) {
    const changes = new FlowChanges(ofproto);
    applyFlowMod(changes, parseFlowMod(`${text},actions=drop`, 'add').flowMod, 0, 4);
    changes.release();
  }
  const before = snapshot(ofproto);
  const changes = new FlowChanges(ofproto);
  const apply = (text: string, command: 'add' | 'delete') =>
    applyFlowMod(changes, parseFlowMod(text, command).flowMod, 0, 4);
  apply('', 'delete');
  assert.deepEqual(new Set(table.classifier.rules()), new Set(rules));
  assert.equal([...(changes.list[0]! as { rules: Classifier<Rule> }).rules.rules()].length, 4);
  apply('udp,actions=drop', 'add');
  apply('', 'delete');
  changes.revert();
  assert.deepEqual(snapshot(ofproto), before);
  apply('', 'delete');
  changes.release();
  assert.equal(snapshot(ofproto).length, 2);
});

test('a removed rule tells its match until the change stands', () => {
  const ofproto = bridge();
  const apply = (text: string, command: 'add' | 'delete'): FlowChanges => {
    const changes = new FlowChanges(ofproto);
    applyFlowMod(changes, parseFlowMod(text, command).flowMod, 0, 4);
    return changes;
  };
  apply('ip,nw_src=10.0.0.1,actions=drop', 'add').release();
  const [rule] = [...ofproto.tables.rules()];
  for (const text of ['ip', '']) {
    const changes = apply(text, 'delete');
    assert.equal(ofproto.tables.size, 0);
    assert.equal(formatMatch(rule!.match), 'ip,nw_src=10.0.0.1');
    changes.revert();
    assert.deepEqual([...ofproto.tables.rules()], [rule]);
  }
});

test('rules end by their timeouts, whatever put the end off or forward', () => {
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    const next = generator(seed);
    const ofproto = bridge();
    const table = ofproto.tables.at(0);
    const rules: Rule[] = [];
    for (let now = 0; now < 40_000; now += 1000) {
      const changes = new FlowChanges(ofproto);
      for (let i = next(4); i > 0; i--) {
        const timeouts = [`idle_timeout=${next(6)}`, `hard_timeout=${next(9)}`].join(',');
        const text = `ip,nw_src=10.0.0.${next(40)},${timeouts},actions=drop`;
        applyFlowMod(changes, parseFlowMod(text, 'add').flowMod, now, 4);
      }
      if (next(20) === 0) changes.clear(table, 0);
      if (next(6) === 0) changes.revert();
      else changes.release();
      for (const rule of table.classifier.rules()) {
        if (next(5) === 0) rule.usedMs = now;
        if (next(9) === 0) rule.shorten(next(3), next(5));
      }
      const due = new Set(table.expiry.takeDue(now));
      const want = [...table.classifier.rules()].filter((rule) => rule.expiryMs <= now);
      assert.deepEqual(due, new Set(want), `seed ${seed} at ${now}`);
      const gone = new FlowChanges(ofproto);
      for (const rule of due) gone.delete(rule, 0);
      gone.release();
      rules.push(...due);
    }
    assert.ok(rules.length > 0);
    assert.ok(table.expiry.size <= 64 + 4 * table.classifier.size);
  }
});

test('the queue of ends forgets rules that are gone', () => {
  const ofproto = bridge();
  const add = parseFlowMod('hard_timeout=60000,actions=drop', 'add').flowMod;
  const del = parseFlowMod('', 'delete').flowMod;
  for (let i = 0; i < 1000; i++) {
    for (const mod of [add, del]) {
      const changes = new FlowChanges(ofproto);
      applyFlowMod(changes, mod, i, 4);
      changes.release();
    }
  }
  assert.ok(ofproto.tables.at(0).expiry.size <= 128);
});
