/** Statistics of all kinds in all versions, in bytes, beside those of the distribution's switch. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Instance, isolate, Scope } from '@heddle/testing';
import { converse, differences, startBridge } from './raw-dialogue.ts';
import { VERSIONS } from './raw-requests.ts';
import { statisticsSession } from './raw-statistics.ts';

isolate();

test('statistics in all versions', async () => {
  await using scope = new Scope();
  const [ours, theirs] = await Promise.all([
    startBridge(Instance.ours, scope),
    startBridge(Instance.oracle, scope),
  ]);
  for (const version of VERSIONS) {
    const turns = statisticsSession(version);
    const [got, expected] = await converse([ours, theirs], scope, [version], turns);
    assert.deepEqual(differences(got, expected), [], `OpenFlow 1.${version - 1}`);
    assert.equal(got.length, turns.length);
    const flows = got.find(({ name }) => name === 'flows: cookies 0x1x')!.replies[0]!;
    assert.ok(flows[0]!.includes(Buffer.from([0, 0, 0, 0, 0, 0, 0, 0x11])));
  }
});
