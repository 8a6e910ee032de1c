/** Two controllers at once, of one version and of two: what they hear of each other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Instance, isolate, Scope } from '@heddle/testing';
import { converse, differences, type Heard, startBridge, type Turn } from './raw-dialogue.ts';
import { mixedSession, pairSession } from './raw-pair.ts';
import { VERSIONS, type Version } from './raw-requests.ts';

isolate();

const OFPT_FLOW_REMOVED = 11;
const OFPT_REQUESTFORWARD = 32;

async function compare(
  versionsOf: (v: Version) => Version[],
  turnsOf: (v: Version) => Turn[],
  check: (heard: readonly Heard[], v: Version) => void,
): Promise<void> {
  await using scope = new Scope();
  const bridges = await Promise.all([
    startBridge(Instance.ours, scope),
    startBridge(Instance.oracle, scope),
  ]);
  for (const v of VERSIONS) {
    const turns = turnsOf(v);
    const [ours, theirs] = await converse(bridges, scope, versionsOf(v), turns);
    assert.deepEqual(differences(ours, theirs), [], `OpenFlow 1.${v - 1}`);
    assert.equal(ours.length, turns.length);
    check(ours, v);
  }
}

/** What the second controller has heard after turns of that name. */
function heardOf(heard: readonly Heard[], name: string, type: number): Buffer[] {
  const turns = heard.filter((turn) => turn.name === name);
  return turns.flatMap(({ replies }) => replies[1]!).filter((m) => m[1] === type);
}

test('two controllers of a version: roles, packets, what is told of', async () => {
  await compare(
    (v) => [v, v],
    pairSession,
    (heard) => assert.equal(heardOf(heard, 'told: delete 3', OFPT_FLOW_REMOVED).length, 2),
  );
});

test('a controller of OpenFlow 1.4 and one of another version that hears of it', async () => {
  await compare(
    (v) => [5, v],
    mixedSession,
    (heard, v) => {
      const forwarded = heardOf(heard, 'told: group', OFPT_REQUESTFORWARD);
      assert.equal(forwarded.length, v >= 5 ? 2 : 0);
    },
  );
});
