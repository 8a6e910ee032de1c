/**
 * Three controllers, ports and time at random: what each controller hears of flows that end, packets,
 * pauses and each other is what it hears from the distribution's switch. HEDDLE_COUNT: how many
 * dialogues of 50 steps; HEDDLE_SEED: which.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatBytes } from '@heddle/openflow';
import { isolate, Scope } from '@heddle/testing';
import { Random } from '@heddle/testing/random';
import { randomSteps, UNIT } from './random-timed.ts';
import { comparable, differences, type Heard } from './raw-dialogue.ts';
import { bytes, message, RawPeer } from './raw-peer.ts';
import { VERSIONS } from './raw-requests.ts';
import { administer, reset } from './switch-state.ts';
import { liveThrough, type Seat, startWorld, type TimedStep } from './timed-world.ts';

isolate();

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 4);
const STEPS = 50;
const OFPT_ERROR = 1;
const OFPT_FLOW_REMOVED = 11;

/** As `comparable`, and how long a flow was there, in units of time that have begun. */
function timed(m: Buffer): string {
  if (m[1] === OFPT_FLOW_REMOVED) return durationOf(m) + comparable(m);
  return comparable(m).replaceAll(NXCPT_BRIDGE, '80000014');
}

function durationOf(m: Buffer): string {
  const oxs = m[0] === 6 ? m.indexOf('80020008', 48, 'hex') + 4 : undefined;
  const at = oxs ?? (m[0] === 1 ? 60 : 20);
  return `${Math.ceil((m.readUInt32BE(at) + m.readUInt32BE(at + 4) / 1e9) / UNIT)} units `;
}

/**
 * What monitors tell of within a step, as one message, and errors of bundles that time ended, in any
 * order: when in that time is the switch's own affair.
 */
function together(heard: readonly Heard[]): Heard[] {
  const isTold = (m: Buffer): boolean => m[1] === (m[0] === 1 ? 17 : 19) && m.readUInt32BE(4) === 0;
  const head = (m: Buffer): number => (m[0]! >= 5 ? 16 : 24);
  return heard.map(({ name, replies }) => ({
    name,
    replies: replies.map((all) => {
      const others = all.filter((m) => !isTold(m));
      if (name.endsWith(' s')) others.sort((a, b) => a.compare(b));
      const [first, ...more] = all.filter(isTold);
      return first ? [...others, bytes(first, ...more.map((m) => m.subarray(head(m))))] : others;
    }),
  }));
}

/** Its UUID is each switch's own. */
const NXCPT_BRIDGE = /80000014.{32}/g;

/** Upstream's errors of flow monitors quote what lies behind the request. */
function withoutQuotes(heard: readonly Heard[]): Heard[] {
  const plain = (m: Buffer): Buffer => (m[1] === OFPT_ERROR ? message(1, OFPT_ERROR, 1) : m);
  return heard.map((step) =>
    step.name.includes(': monitor of')
      ? { ...step, replies: step.replies.map((all) => all.map(plain)) }
      : step,
  );
}

function randomSeats(r: Random): Seat[] {
  const version = () => r.pick(VERSIONS);
  const limit = r.pick([
    [],
    ['controller_rate_limit=100'],
    ['controller_rate_limit=100', 'controller_burst_limit=30'],
  ]);
  return [
    { version: version(), bridge: 'br0', ...(r.chance(0.6) && { row: limit }) },
    { version: version(), bridge: 'br0' },
    { version: version(), bridge: r.pick(['br0', 'br1']) },
  ];
}

test(`${COUNT} random dialogues`, async () => {
  await using scope = new Scope();
  const pair = await startWorld(scope);
  const operators = await Promise.all(
    pair.flatMap(({ instance: { directory } }) =>
      ['br0', 'br1'].map(async (bridge) =>
        administer(await RawPeer.connect(scope, join(directory, `${bridge}.mgmt`))),
      ),
    ),
  );
  const compare = async (seats: readonly Seat[], steps: readonly TimedStep[]) => {
    const [ours, theirs] = await liveThrough(pair, scope, seats, steps);
    await Promise.all(operators.map(reset));
    await Promise.all(pair.map((subject) => subject.warp(1000, 1000)));
    const [a, b] = [ours, theirs].map((heard) => together(withoutQuotes(heard)));
    return differences(a!, b!, timed)[0];
  };
  const random = new Random(SEED);
  const found: string[] = [];
  for (let n = 0; n < COUNT; n++) {
    const seats = randomSeats(random);
    const steps = randomSteps(random, seats, STEPS);
    const first = (await compare(seats, steps)) && (await compare(seats, steps));
    if (!first) continue;
    const told = steps.slice(0, 1 + steps.findIndex(({ name }) => name === first.name));
    found.push(
      [
        `dialogue ${n}, versions ${seats.map(({ version, bridge, row }) => `${version} ${bridge} ${row}`)}`,
        ...told.map(({ name }) => readable(name)),
        JSON.stringify({ ours: first.ours, theirs: first.theirs }, undefined, 1),
      ].join('\n'),
    );
  }
  const report = `HEDDLE_SEED=${SEED}: ${found.length} dialogues of ${COUNT} differ`;
  assert.equal(found.length, 0, `${report}\n${found.join('\n\n')}`);
});

function readable(name: string): string {
  const [, what, hex] = /^(.*of \d): ([0-9a-f]+)$/.exec(name) ?? [];
  if (!hex) return name;
  return `${what}: ${formatBytes(Buffer.from(hex, 'hex'), 2).trim()}`;
}
