/** Tuple space search, beside a scan of all flows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extractFlow, type Flow, flowAnd, flowEquals } from '@heddle/packet';
import fc from 'fast-check';
import { Random, wellFormedFrame } from '../oracle/random-frame.ts';
import { randomMask } from '../oracle/random-mask.ts';
import { Classifier, type ClassifierEntry } from './classifier.ts';

function scan(entries: ReadonlySet<ClassifierEntry>, flow: Flow): ClassifierEntry[] {
  const found: ClassifierEntry[] = [];
  for (const e of entries) {
    if (flowEquals(flowAnd(flow, e.mask), flowAnd(e.key, e.mask))) found.push(e);
  }
  return found;
}

test('every lookup finds what a scan finds', () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const r = new Random(seed);
      const classifier = new Classifier<ClassifierEntry>();
      const entries = new Set<ClassifierEntry>();
      const flows = Array.from({ length: 12 }, (_, i) =>
        extractFlow(wellFormedFrame(r, i % 3), { inPort: 1 + (i % 2) }),
      );
      for (let i = 0; i < 60; i++) {
        const flow = r.pick(flows);
        const known = [...entries];
        if (known.length > 0 && r.chance(30)) {
          const gone = r.pick(known);
          assert.ok(classifier.remove(gone));
          assert.ok(!classifier.remove(gone));
          entries.delete(gone);
        } else {
          const entry = { key: flow, mask: randomMask(r, flow) };
          classifier.insert(entry);
          entries.add(entry);
        }
        for (const packet of flows) {
          const found = classifier.lookup(packet);
          const right = scan(entries, packet);
          assert.ok(found === undefined ? right.length === 0 : right.includes(found));
        }
      }
      for (const entry of entries) classifier.remove(entry);
      assert.equal(classifier.masks, 0);
    }),
    { numRuns: 30 },
  );
});
