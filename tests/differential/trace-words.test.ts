/**
 * ofproto/trace and ofproto/trace-packet-out with flows in either language, packets, -generate,
 * -consistent, --l7, --l7-len and --ct-next, whole words and such with a defect: both switches say
 * and learn the same. HEDDLE_COUNT commands, HEDDLE_SEED.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { isolate, Scope } from '@heddle/testing';
import { agree, DummySwitch } from './dummy-switch.ts';
import { comparable, FLOWS, randomTrace } from './trace-words.ts';

isolate();

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 200);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
/** What is learned grows: after so many both begin anew. */
const ROUND = 500;

test(`traces of random words are those of Open vSwitch (HEDDLE_SEED=${SEED})`, async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  for (let i = 0; i < COUNT; i++) {
    if (i % ROUND === 0) for (const subject of both) await begin(subject);
    const [command, ...words] = randomTrace(new Random(SEED * 1_000_003 + i));
    const [ours, theirs] = await Promise.all(
      both.map(async (subject) => {
        const { result, error } = await subject.say(command!, ...words);
        return comparable(result ?? error ?? '');
      }),
    );
    assert.equal(ours, theirs, [command, ...words].join('  '));
    if (i % ROUND === ROUND - 1 || i === COUNT - 1) {
      await agree(both, 'addresses', async (s) => timeless(await s.appctl('fdb/show', 'br0')));
    }
  }
});

async function begin(subject: DummySwitch): Promise<void> {
  await subject.setUp('br0', ['p1', 'p2']);
  const { instance } = subject;
  await instance.exec('/usr/bin/ovs-ofctl', 'del-flows', 'br0');
  for (const flow of FLOWS) {
    await instance.exec('/usr/bin/ovs-ofctl', '-OOpenFlow13', 'add-flow', 'br0', flow);
  }
}

function timeless(fdb: string): string {
  return fdb.split('\n').sort().join('\n');
}
