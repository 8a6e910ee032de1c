/** Lookups, beside a scan of all rules: the rule that is found, and that the bits looked at prove it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flow, flowAnd } from '@heddle/packet';
import { generator } from '@heddle/testing/random';
import { Classifier } from './classifier.ts';
import { ClsRule, type ConjunctiveClause } from './cls-rule.ts';
import { PrefixTrie } from './prefix-trie.ts';

const SEED = Number(process.env.HEDDLE_SEED ?? 1);
const COUNT = Number(process.env.HEDDLE_COUNT ?? 60);

class TestRule extends ClsRule {
  readonly key: Flow;
  readonly mask: Flow;

  constructor(priority: number, key: Flow, mask: Flow, clauses?: readonly ConjunctiveClause[]) {
    super(priority, clauses);
    this.key = key;
    this.mask = mask;
  }
}

function randomFlow(next: (n: number) => number): Flow {
  const flow = new Flow();
  flow.inPort = next(3);
  flow.dlType = next(2) ? 0x0800 : 0x86dd;
  flow.dlDst = next(3);
  flow.nwSrc = ((next(3) << 30) | (next(3) << 8) | next(3)) >>> 0;
  flow.nwDst = ((next(2) << 31) | (next(3) << 14) | next(3)) >>> 0;
  flow.nwProto = next(2) ? 6 : 17;
  flow.tpDst = next(4);
  flow.tcpFlags = next(4);
  flow.reg0 = next(3);
  flow.ctState = next(3);
  return flow;
}

function randomMask(next: (n: number) => number): Flow {
  const mask = new Flow();
  if (next(3) === 0) mask.inPort = 0xffff_ffff;
  if (next(2) === 0) mask.dlType = 0xffff;
  if (next(3) === 0) mask.dlDst = 2 ** 48 - 1;
  const prefix = () => [0, 2, 8, 18, 24, 31, 32][next(7)]!;
  const bits = (n: number) => (n === 0 ? 0 : (0xffff_ffff << (32 - n)) >>> 0);
  if (next(2) === 0) mask.nwSrc = bits(prefix());
  if (next(2) === 0) mask.nwDst = next(8) === 0 ? 0xff00ff03 : bits(prefix());
  if (next(3) === 0) mask.nwProto = 0xff;
  if (next(3) === 0) mask.tpDst = next(2) ? 0xffff : 1;
  if (next(4) === 0) mask.tcpFlags = 2;
  if (next(4) === 0) mask.reg0 = 0xffff_ffff;
  return mask;
}

function matches({ key, mask }: TestRule, flow: Flow): boolean {
  return key.u32.every((k, i) => ((flow.u32[i]! & mask.u32[i]!) ^ k) === 0);
}

test('a lookup finds the rule of the highest priority, and looks at all that it hangs on', () => {
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    const next = generator(seed);
    const classifier = new Classifier<TestRule>();
    const rules: TestRule[] = [];
    for (let step = 0; step < 60; step++) {
      if (rules.length > 0 && next(4) === 0) {
        const gone = rules.splice(next(rules.length), 1)[0]!;
        classifier.remove(gone);
        assert.deepEqual(gone.subtable!.keyOf(gone).u32, gone.key.u32);
        gone.subtable!.release(gone);
      } else {
        const mask = randomMask(next);
        // Priorities differ, so that there is one answer.
        const rule = new TestRule(step, flowAnd(randomFlow(next), mask), mask);
        rules.push(rule);
        classifier.insert(rule, rule.key, mask);
      }
      assert.equal(classifier.size, rules.length);
    }
    for (let i = 0; i < 40; i++) {
      const flow = randomFlow(next);
      const want = rules.filter((r) => matches(r, flow)).sort((a, b) => b.priority - a.priority)[0];
      const wildcards = new Flow();
      assert.equal(classifier.lookup(flow, wildcards), want, `seed ${seed}`);
      for (let flips = 0; flips < 10; flips++) {
        const other = randomFlow(next);
        for (let w = 0; w < other.u32.length; w++) {
          const m = wildcards.u32[w]!;
          other.u32[w] = (flow.u32[w]! & m) | (other.u32[w]! & ~m);
        }
        assert.equal(classifier.lookup(other), want, `seed ${seed}: too wide`);
      }
    }
    for (const rule of rules) {
      assert.equal(classifier.find(rule.key, rule.mask, rule.priority), rule);
      assert.ok([...classifier.within(rule.key, rule.mask)].includes(rule));
    }
  }
});

test('rules within a match, and rules that overlap', () => {
  const next = generator(SEED);
  const classifier = new Classifier<TestRule>();
  const rules: TestRule[] = [];
  for (let i = 0; i < 200; i++) {
    const mask = randomMask(next);
    const rule = new TestRule(i % 3, flowAnd(randomFlow(next), mask), mask);
    if (classifier.find(rule.key, mask, rule.priority)) continue;
    rules.push(rule);
    classifier.insert(rule, rule.key, mask);
  }
  for (let i = 0; i < 200; i++) {
    const mask = randomMask(next);
    const key = flowAnd(randomFlow(next), mask);
    const inside = rules.filter((r) =>
      mask.u32.every(
        (m, w) => (m & ~r.mask.u32[w]!) === 0 && ((r.key.u32[w]! ^ key.u32[w]!) & m) === 0,
      ),
    );
    assert.deepEqual(new Set(classifier.within(key, mask)), new Set(inside));
    const overlap = rules.some(
      (r) =>
        r.priority === 1 &&
        mask.u32.every((m, w) => ((r.key.u32[w]! ^ key.u32[w]!) & m & r.mask.u32[w]!) === 0),
    );
    assert.equal(classifier.overlaps(key, mask, 1), overlap);
  }
});

test('ten thousand addresses do not make a megaflow exact', () => {
  const classifier = new Classifier<TestRule>();
  const mask = new Flow();
  mask.dlType = 0xffff;
  mask.nwDst = 0xffff_ffff;
  for (let i = 0; i < 10_000; i++) {
    const key = new Flow();
    key.dlType = 0x0800;
    key.nwDst = (0x0a000000 | i) >>> 0;
    classifier.insert(new TestRule(10, key, mask), key, mask);
  }
  const flow = new Flow();
  flow.dlType = 0x0800;
  flow.nwDst = 0xc0a80001;
  const wildcards = new Flow();
  assert.equal(classifier.lookup(flow, wildcards), undefined);
  assert.equal(wildcards.nwDst, 0x80000000);
  flow.dlType = 0x0806;
  assert.equal(classifier.lookup(flow, wildcards), undefined);
});

test('conjunctive matches', () => {
  const classifier = new Classifier<TestRule>();
  const add = (priority: number, fill: (f: Flow, m: Flow) => void, c?: ConjunctiveClause[]) => {
    const [key, mask] = [new Flow(), new Flow()];
    fill(key, mask);
    const rule = new TestRule(priority, key, mask, c);
    classifier.insert(rule, key, mask);
    return rule;
  };
  const src = (n: number) => (f: Flow, m: Flow) => {
    f.nwSrc = n;
    m.nwSrc = 0xffff_ffff;
  };
  const dst = (n: number) => (f: Flow, m: Flow) => {
    f.nwDst = n;
    m.nwDst = 0xffff_ffff;
  };
  const low = add(1, () => {});
  for (const n of [1, 2, 3]) add(10, src(n), [{ id: 7, clause: 0, nClauses: 2 }]);
  for (const n of [5, 6]) add(10, dst(n), [{ id: 7, clause: 1, nClauses: 2 }]);
  const hit = add(10, (f, m) => {
    f.conjId = 7;
    m.conjId = 0xffff_ffff;
  });
  const middle = add(5, dst(9));
  const look = (s: number, d: number) => {
    const flow = new Flow();
    flow.nwSrc = s;
    flow.nwDst = d;
    const wildcards = new Flow();
    return classifier.lookup(flow, wildcards);
  };
  assert.equal(look(1, 5), hit);
  assert.equal(look(3, 6), hit);
  assert.equal(look(1, 7), low);
  assert.equal(look(4, 5), low);
  assert.equal(look(1, 9), middle);
});

test('a prefix trie holds what a list of prefixes holds', () => {
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    const next = generator(seed);
    const trie = new PrefixTrie();
    const list: { bits: Uint32Array; length: number }[] = [];
    const word = () => [0, 0x80000000, 0xffffffff, 0x0a000000, 0x0a000001, 0x0a010000][next(6)]!;
    const random = () => Uint32Array.of(word(), word(), word(), word());
    const has = (p: Uint32Array, a: Uint32Array, length: number) => {
      for (let i = 0; i < length; i++) {
        if (((p[i >> 5]! ^ a[i >> 5]!) >>> (31 - (i & 31))) & 1) return false;
      }
      return true;
    };
    for (let step = 0; step < 50; step++) {
      if (list.length > 0 && next(3) === 0) {
        const [gone] = list.splice(next(list.length), 1);
        trie.remove(gone!.bits, gone!.length);
      } else {
        const entry = { bits: random(), length: 1 + next(128) };
        list.push(entry);
        trie.insert(entry.bits, entry.length);
      }
      const a = random();
      const found = trie.lookup(a);
      const { checked } = found;
      const lengthsOf = () => [...Array(129).keys()].filter((length) => found.has(length));
      const have = list.filter((p) => has(p.bits, a, p.length)).map((p) => p.length);
      const want = [...new Set(have)].sort((x, y) => x - y);
      assert.deepEqual(lengthsOf(), want);
      const b = random();
      for (let i = 0; i < checked; i++) {
        const bit = 1 << (31 - (i & 31));
        b[i >> 5] = (b[i >> 5]! & ~bit) | (a[i >> 5]! & bit);
      }
      trie.lookup(b);
      assert.deepEqual(lengthsOf(), want, `checked ${checked}`);
    }
  }
});
