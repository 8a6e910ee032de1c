/**
 * Two controllers at random, each of any version: both hear from our switch what they hear from the
 * distribution's. HEDDLE_COUNT: how many dialogues of 60 turns; HEDDLE_SEED: which.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatBytes } from '@heddle/openflow';
import { delay, Instance, isolate, Scope } from '@heddle/testing';
import { Random } from '@heddle/testing/random';
import { randomTurns } from './random-pair.ts';
import { converse, differences, type Heard, startBridge, type Turn } from './raw-dialogue.ts';
import { message, RawPeer } from './raw-peer.ts';
import { VERSIONS, type Version } from './raw-requests.ts';
import { administer, reset } from './switch-state.ts';

isolate();

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 6);
const TURNS = 60;
const OFPT_ERROR = 1;
const SETTLE_MS = 50;

/** Upstream's errors of flow monitors quote what lies behind the request: that there is one says enough. */
function withoutQuotes(heard: readonly Heard[]): Heard[] {
  const plain = (m: Buffer): Buffer => (m[1] === OFPT_ERROR ? message(1, OFPT_ERROR, 1) : m);
  return heard.map((turn) =>
    turn.name.endsWith(': monitor')
      ? { ...turn, replies: turn.replies.map((all) => all.map(plain)) }
      : turn,
  );
}

test(`${COUNT} random dialogues`, async () => {
  await using scope = new Scope();
  const instances = await Promise.all([
    startBridge(Instance.ours, scope),
    startBridge(Instance.oracle, scope),
  ]);
  const operators = await Promise.all(
    instances.map(async ({ directory }) =>
      administer(await RawPeer.connect(scope, join(directory, 'br0.mgmt'))),
    ),
  );
  const compare = async (turns: readonly Turn[], versions: readonly Version[]) => {
    const [ours, theirs] = await converse(instances, scope, versions, turns);
    await Promise.all(operators.map(reset));
    await delay(SETTLE_MS);
    return differences(withoutQuotes(ours), withoutQuotes(theirs))[0];
  };
  const random = new Random(SEED);
  const found: string[] = [];
  for (let n = 0; n < COUNT; n++) {
    const versions = [random.pick(VERSIONS), random.pick(VERSIONS)];
    const turns = randomTurns(random, versions, TURNS);
    // Upstream tells late of flows that went, perhaps to who has asked since: what differs does so twice.
    const first = (await compare(turns, versions)) && (await compare(turns, versions));
    if (!first) continue;
    const { sent, from } = turns.find(({ name }) => name === first.name)!;
    const text = formatBytes(sent, 2);
    const what = JSON.stringify({ ours: first.ours, theirs: first.theirs }, undefined, 1);
    found.push(
      `dialogue ${n}, versions ${versions}: ${first.name} of ${from}\n${text}\n${sent.toString('hex')}\n${what}`,
    );
  }
  const report = `HEDDLE_SEED=${SEED}: ${found.length} dialogues of ${COUNT} differ`;
  assert.equal(found.length, 0, `${report}\n${found.join('\n')}`);
});
