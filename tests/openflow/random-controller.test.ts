/**
 * Random messages of controllers of each version, whole and damaged: our switch refuses what the
 * distribution's refuses, with the same error, and has the same flows, groups, meters, tables and ports
 * afterwards. HEDDLE_COUNT: how many sessions of 40 messages; HEDDLE_SEED: which.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatBytes } from '@heddle/openflow';
import { vlog } from '@heddle/runtime';
import { isolate, Scope } from '@heddle/testing';
import { Random } from '@heddle/testing/random';
import { DummySwitch } from '../differential/dummy-switch.ts';
import { damage } from '../differential/openflow/damage.ts';
import { randomRequest } from './random-requests.ts';
import { hello, RawPeer } from './raw-peer.ts';
import { barrier, isBarrierReply, VERSIONS, type Version } from './raw-requests.ts';
import { administer, reset, stateOf } from './switch-state.ts';

isolate();
vlog.setLevel(undefined, 'console', 'off');

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 12);
const MESSAGES = 40;

async function start(scope: Scope): Promise<[DummySwitch, DummySwitch]> {
  const pair = await DummySwitch.pair(scope);
  const port = (n: number): string[] => [
    ...['--', 'add-port', 'br0', `p${n}`, '--', 'set', 'interface', `p${n}`],
    ...[`ofport_request=${n}`, 'type=dummy', `mac="02:00:00:00:00:0${n}"`],
  ];
  for (const { instance } of pair) {
    await instance.vsctl(
      ...['add-br', 'br0', '--', 'set', 'bridge', 'br0', 'fail_mode=secure'],
      ...['other_config:datapath-id=00000000000000aa', 'other_config:hwaddr=02:00:00:00:00:aa'],
      'protocols=OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15',
      ...[...port(1), ...port(2), ...port(3)],
    );
  }
  return pair;
}

const connect = (scope: Scope, { instance }: DummySwitch): Promise<RawPeer> =>
  RawPeer.connect(scope, join(instance.directory, 'br0.mgmt'));

const OFPT_ERROR = 1;
/** Packet-ins, flows that went, ports and tables that changed, forwarded requests: they come when they like. */
const EVENTS: ReadonlySet<number> = new Set([10, 11, 12, 30, 31, 32]);

function described(reply: Buffer): string {
  if (reply[1] !== OFPT_ERROR) return `type ${reply[1]}`;
  const name = formatBytes(reply, 0).split('\n')[0]!;
  // Which of two errors an unknown field is, Open vSwitch decides by its hash table.
  if (/BAD_SET_(TYPE|LEN)/.test(name)) return 'OFPBAC_BAD_SET_TYPE or OFPBAC_BAD_SET_LEN';
  return `${name} ${reply.toString('hex')}`;
}

/** What each message is answered. */
async function speak(
  peer: RawPeer,
  version: Version,
  messages: readonly Buffer[],
): Promise<string[]> {
  peer.send(hello(version));
  await peer.next();
  const answers: string[] = [];
  for (const [i, sent] of messages.entries()) peer.send(sent, barrier(version, 0x1000_0000 + i));
  for (let i = 0; i < messages.length; i++) {
    const replies: string[] = [];
    for (;;) {
      const reply = await peer.next();
      if (!reply) return [...answers, 'closed'];
      if (isBarrierReply(reply) && reply.readUInt32BE(4) === 0x1000_0000 + i) break;
      if (!EVENTS.has(reply[1]!)) replies.push(described(reply));
    }
    answers.push(replies.join('\n'));
  }
  return answers;
}

interface Outcome {
  readonly answers: readonly string[];
  readonly state: readonly string[];
}

/**
 * Where we differ on purpose: errors of flow monitors quote what was sent (upstream's quote what lies
 * behind it), a bundle control message of no such type is refused (upstream opens a bundle 0), and so is
 * `bundle_load` by fields that there are not (upstream forgets that error for what else is wrong, or not).
 */
function isSame(ours: string | undefined, theirs: string, sent: Buffer): boolean {
  if (ours === theirs) return true;
  if (/FLOW_MONITOR/.test(formatBytes(sent, 0)))
    return /ERROR/.test(ours ?? '') && /ERROR/.test(theirs);
  if (BUNDLE_LOAD.test(sent.toString('hex')) && /OFPBAC_BAD_ARGUMENT/.test(ours ?? '')) return true;
  return /OFPBFC_BAD_TYPE/.test(ours ?? '') && /^type (4|33)$/.test(theirs);
}

const BUNDLE_LOAD = /ffff....00002320000d/;

/** The first message that they answer differently, or what is left behind. */
function compare(ours: Outcome, theirs: Outcome, messages: readonly Buffer[]): string | undefined {
  const i = theirs.answers.findIndex((answer, n) => !isSame(ours.answers[n], answer, messages[n]!));
  if (i >= 0) {
    const text = [formatBytes(messages[i]!, 2), messages[i]!.toString('hex')];
    return [...text, `  theirs: ${theirs.answers[i]}`, `  ours:   ${ours.answers[i]}`].join('\n');
  }
  const missing = theirs.state.filter((line) => !ours.state.includes(line));
  const more = ours.state.filter((line) => !theirs.state.includes(line));
  if (missing.length + more.length === 0) return undefined;
  return [
    'state',
    ...missing.map((line) => `  - ${line}`),
    ...more.map((line) => `  + ${line}`),
  ].join('\n');
}

test(`${COUNT} random sessions`, async () => {
  await using scope = new Scope();
  const pair = await start(scope);
  const operators = await Promise.all(
    pair.map(async (which) => administer(await connect(scope, which))),
  );
  const random = new Random(SEED);
  const differences: string[] = [];
  for (let n = 0; n < COUNT; n++) {
    const version = VERSIONS[n % VERSIONS.length]!;
    const messages = Array.from({ length: MESSAGES }, (_, i) => {
      const whole = randomRequest(random, version, 0x100 + i);
      return random.chance(0.3) ? Buffer.from(damage(random, whole)) : whole;
    });
    const results = await Promise.all(
      pair.map(async (which, side) => {
        const peer = await connect(scope, which);
        const answers = await speak(peer, version, messages);
        const state = await stateOf(operators[side]!);
        peer.socket.destroy();
        await reset(operators[side]!);
        return { answers, state };
      }),
    );
    const difference = compare(results[0]!, results[1]!, messages);
    if (difference) differences.push(`session ${n}, OpenFlow 1.${version - 1}: ${difference}`);
  }
  const report = `HEDDLE_SEED=${SEED}: ${differences.length} sessions of ${COUNT} differ`;
  assert.equal(differences.length, 0, `${report}\n${differences.join('\n')}`);
});
