/**
 * Random flow tables on two joined bridges, ours and Open vSwitch's: frames, packet-outs, changes of
 * flows, groups, ports, rows and time, the same for both. The same frames leave, controllers hear the
 * same, counters are equal; ours decides by cached megaflows, theirs packet by packet. HEDDLE_SEED,
 * HEDDLE_COUNT: rounds; HEDDLE_KEEP_GOING: behind a difference, too; HEDDLE_SHRINK: with the fewest steps.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isolate, Scope } from '@heddle/testing';
import type { RawPeer } from '../../openflow/raw-peer.ts';
import { DummySwitch } from '../dummy-switch.ts';
import { CASES, FRAMES } from './cases.ts';
import { Side } from './pair.ts';
import { lasts } from './random-config.ts';
import { fewest, heardAs, listener, type Play, randomPlay, run } from './round.ts';

isolate();

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 6);
const FLOWS = Number(process.env['HEDDLE_FLOWS'] ?? 30);
const STEPS = Number(process.env['HEDDLE_PACKETS'] ?? 30);
const KEEPS_GOING = process.env['HEDDLE_KEEP_GOING'] !== undefined;
const SHRINKS = process.env['HEDDLE_SHRINK'] !== undefined;

async function startPair(scope: Scope): Promise<Side[]> {
  const both = (await DummySwitch.pair(scope)).map((subject, i) => new Side(subject, i === 0));
  for (const side of both) await side.setUp(scope);
  return both;
}

test('what has differed before', async () => {
  await using scope = new Scope();
  const both = await startPair(scope);
  const listeners = new Map<Side, RawPeer>();
  for (const side of both) listeners.set(side, await listener(scope, side, 6, 2));
  for (const [
    name,
    { groups = [], between = [], flows, deleted, again = [], sent = [], gone, frames = FRAMES },
  ] of Object.entries(CASES)) {
    const seen = await Promise.all(
      both.map(async (side) => {
        const ofctl = (...words: string[]) =>
          side.subject.instance.exec('/usr/bin/ovs-ofctl', '-O', 'OpenFlow15', ...words);
        for (const line of groups) await ofctl('add-group', 'br0', line);
        for (const [i, lines] of flows.entries())
          for (const line of lines) await ofctl('add-flow', `br${i}`, line);
        await side.subject.ask('netdev-dummy/receive', 'p1', ...frames);
        await side.subject.ask('version');
        for (const words of between) {
          side.isConfigured = true;
          await side.ofctl(['-O', 'OpenFlow15', ...words]);
          await side.subject.ask('version');
        }
        // Open vSwitch follows by and by.
        if (!side.isOurs && between.length > 0) await side.subject.ask('revalidator/purge');
        if (between.length > 0) await side.subject.ask('netdev-dummy/receive', 'p1', ...frames);
        for (const line of again) await ofctl('add-flow', 'br0', line);
        for (const line of sent)
          for (const frame of frames) await ofctl('packet-out', 'br0', `packet=${frame},${line}`);
        if (gone) {
          side.isConfigured = true;
          if (!side.isOurs) await side.subject.ask('revalidator/purge');
          await side.subject.vsctl('del-port', gone);
        }
        if (deleted) await ofctl('del-flows', 'br0', deleted);
        const heard = await side.settle(listeners.get(side)!, 6);
        const out = [...side.transmitted(), ...heard.map(heardAs).sort()];
        out.push(...(await side.state()));
        await side.reset();
        await side.settle(listeners.get(side)!, 6);
        return out;
      }),
    );
    assert.deepEqual(seen[0], seen[1], name);
  }
});

/** Both anew when one of them is gone: Open vSwitch aborts over some flows. */
class Pair {
  #scope: Scope | undefined;
  #both: readonly Side[] = [];

  async run(play: Play): Promise<string | undefined> {
    if (!this.#scope) {
      this.#scope = new Scope();
      this.#both = await startPair(this.#scope);
    }
    try {
      const found = await run(this.#both, play);
      if (play.steps.some(lasts)) await this[Symbol.asyncDispose]();
      return found;
    } catch (error) {
      const [ours, theirs] = this.#both.map(({ subject }) => subject.isRunning);
      const log = this.#both[1]!.subject.instance.log('ovs-vswitchd');
      await this[Symbol.asyncDispose]();
      if (ours && !theirs) {
        console.log(`${play.name} ends Open vSwitch: ${log.trimEnd().split('\n').at(-1)}`);
        return undefined;
      }
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope?.[Symbol.asyncDispose]();
    this.#scope = undefined;
  }
}

test(`random tables, frames, messages and time (HEDDLE_SEED=${SEED})`, async () => {
  await using pair = new Pair();
  const differs = async (play: Play) => (await pair.run(play)) !== undefined;
  let differences = 0;
  for (let n = 0; n < COUNT; n++) {
    const play = randomPlay(SEED * 100_000 + n, FLOWS, STEPS);
    let found = await pair.run(play);
    if (found === undefined) continue;
    if (SHRINKS) found = (await pair.run(await fewest(play, differs))) ?? found;
    if (!KEEPS_GOING) assert.fail(found);
    console.log(`=====DIFF ${found}`);
    differences++;
  }
  assert.equal(differences, 0);
});
