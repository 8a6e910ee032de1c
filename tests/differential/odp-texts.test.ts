/**
 * Texts of datapath flows and actions, as they are pasted from dumps and logs, whole ones and such with
 * a defect: dpctl/parse-actions, dpctl/normalize-actions and ofproto/trace say of them what Open
 * vSwitch says. HEDDLE_COUNT texts of each kind, HEDDLE_SEED.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { isolate, Scope } from '@heddle/testing';
import { DummySwitch } from './dummy-switch.ts';
import { isMistaken, randomActions, randomFlow } from './odp-texts.ts';

isolate();

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 100);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);

const FLOWS = [
  'priority=1,mpls,actions=pop_mpls:0x0800,output:2',
  'priority=1,in_port=2,actions=push_mpls:0x8847,output:1',
  'priority=0,actions=output:2',
];

/** Below a label that is pushed Open vSwitch looks at more than it has to. */
const INNER_LABELS = /^(Megaflow: .*?),mpls_lse1=.*$/gm;

async function answers(both: readonly DummySwitch[], words: readonly string[]): Promise<void> {
  const [command, ...args] = words;
  const [ours, theirs] = await Promise.all(
    both.map(async (subject) => {
      const { result, error } = await subject.say(command!, ...args);
      return { result: result?.replaceAll(INNER_LABELS, '$1'), error };
    }),
  );
  if (isDeepStrictEqual(ours, theirs)) return;
  if (isMistaken(words, theirs!.result ?? theirs!.error ?? '')) return;
  assert.deepEqual(ours, theirs, words.join('  '));
}

test(`texts of flows and actions are read as by Open vSwitch (HEDDLE_SEED=${SEED})`, async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  for (const subject of both) {
    await subject.setUp('br0', ['p1', 'p2']);
    const { instance } = subject;
    await instance.exec('ovs-ofctl', 'del-flows', 'br0');
    for (const flow of FLOWS)
      await instance.exec('ovs-ofctl', '-OOpenFlow13', 'add-flow', 'br0', flow);
  }
  for (let i = 0; i < COUNT; i++) {
    const r = new Random(SEED * 1_000_003 + i);
    const actions = randomActions(r);
    if (actions !== '' && !actions.startsWith('-')) {
      await answers(both, ['dpctl/parse-actions', actions]);
    }
    const verbose = r.chance(30) ? ['-m'] : [];
    const key = randomFlow(r, r.chance(10), true);
    await answers(both, ['dpctl/normalize-actions', ...verbose, key, actions, 'p1=1', 'p2=0x2']);
    await answers(both, ['ofproto/trace', randomFlow(r, r.chance(70))]);
  }
});
