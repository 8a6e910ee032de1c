/**
 * What the log of a switch tells of messages that it refuses, in the words of Open vSwitch: random
 * requests of each version, whole and damaged. HEDDLE_COUNT: how many; HEDDLE_SEED: which.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, Instance, isolate, Scope } from '@heddle/testing';
import { Random } from '@heddle/testing/random';
import { damage } from '../differential/openflow/damage.ts';
import { randomRequest } from './random-requests.ts';
import { startBridge } from './raw-dialogue.ts';
import { hello, RawPeer } from './raw-peer.ts';
import { barrier, VERSIONS, type Version } from './raw-requests.ts';

isolate();

const SEED = Number(process.env['HEDDLE_SEED'] ?? 3);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 150);
const BARRIER = 0x99;
/** Modules that read bodies of messages, and the dumps that some of their lines have. */
const OF_MESSAGES = /^(ofp_(?!msgs)\w+|nx_match|meta_flow)\||^[0-9a-f]{8} {2}/;

/** Which of the two it is, Open vSwitch decides by its hash table. */
const UNKNOWN_FIELD = /BAD_SET_(LEN|TYPE)/;

const linesOf = (log: string): string[] =>
  log
    .split('\n')
    .map((line) => line.replace(/^\S+Z\|\d+\|/, '').replace(UNKNOWN_FIELD, 'BAD_SET_TYPE'))
    .filter((line) => OF_MESSAGES.test(line));

async function say(
  instance: Instance,
  scope: Scope,
  version: Version,
  sent: Uint8Array,
): Promise<void> {
  const peer = await RawPeer.connect(scope, join(instance.directory, 'br0.mgmt'));
  peer.send(hello(version));
  await peer.next();
  peer.send(sent, barrier(version, BARRIER));
  await peer.next((m) => m.readUInt32BE(4) === BARRIER);
  peer.socket.destroy();
}

test(`${COUNT} messages are told of alike`, async () => {
  await using scope = new Scope();
  const both = await Promise.all([
    startBridge(Instance.ours, scope),
    startBridge(Instance.oracle, scope),
  ]);
  for (const instance of both) await instance.appctl('vlog/disable-rate-limit');
  const random = new Random(SEED);
  for (let n = 0; n < COUNT; n++) {
    const version = random.pick(VERSIONS);
    const whole = randomRequest(random, version, 5);
    const sent = random.chance(0.5) ? whole : damage(random, whole);
    await Promise.all(both.map((instance) => say(instance, scope, version, sent)));
  }
  const logs = (): string[][] => both.map((instance) => linesOf(instance.log('ovs-vswitchd')));
  // Open vSwitch has a thread that writes what is told.
  await eventually('as many lines', () => {
    const [ours, theirs] = logs();
    return ours!.length > 0 && ours!.length === theirs!.length;
  }).catch(() => {});
  const [ours, theirs] = logs();
  assert.deepEqual(ours, theirs, `HEDDLE_SEED=${SEED}`);
});
