/**
 * Controllers of two switches whose clocks stand still: what they say, what comes by the ports and
 * how much time goes by, in steps.
 */
import { join } from 'node:path';
import type { Scope } from '@heddle/testing';
import { DummySwitch } from '../differential/dummy-switch.ts';
import { type Heard, type Replies, untilBarrier, untilEven } from './raw-dialogue.ts';
import { hello, listen, RawPeer } from './raw-peer.ts';
import type { Version } from './raw-requests.ts';

/** One switch and its controllers. */
export interface Side {
  readonly subject: DummySwitch;
  readonly peers: readonly RawPeer[];
  /** Packet-ins with continuations (NXT_PACKET_IN2), as they came. */
  readonly paused: Buffer[];
}

export interface TimedStep {
  readonly name: string;
  act(side: Side): Promise<void> | void;
}

/** How a controller is connected: `row`, a Controller row's columns, or else to a management socket. */
export interface Seat {
  readonly version: Version;
  readonly bridge: 'br0' | 'br1';
  readonly row?: readonly string[];
}

const port = (bridge: string, name: string, number: number, ...columns: string[]): string[] => [
  ...['--', 'add-port', bridge, name, '--', 'set', 'interface', name],
  ...[`ofport_request=${number}`, ...columns],
];
const bridge = (name: string, n: number): string[] => [
  ...['--', 'add-br', name, '--', 'set', 'bridge', name, 'fail_mode=secure'],
  ...[`other_config:datapath-id=00000000000000a${n}`, `other_config:hwaddr=02:00:00:00:00:a${n}`],
  'protocols=OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15',
];

/** Two bridges joined by a patch, each with ports; tables 5 and 6 of the first hold few flows. */
export async function startWorld(scope: Scope): Promise<[DummySwitch, DummySwitch]> {
  const pair = await DummySwitch.pair(scope);
  // One after the other: the datapath numbers them as they come.
  const parts = [
    bridge('br0', 0),
    bridge('br1', 1),
    port('br0', 'p1', 1, 'type=dummy', 'mac="02:00:00:00:00:01"'),
    port('br0', 'p2', 2, 'type=dummy', 'mac="02:00:00:00:00:02"'),
    port('br1', 'q1', 1, 'type=dummy', 'mac="02:00:00:00:00:11"'),
    [
      ...port('br0', 'to1', 3, 'type=patch', 'options:peer=to0'),
      ...port('br1', 'to0', 3, 'type=patch', 'options:peer=to1'),
      ...['--', 'set', 'bridge', 'br0', 'flow_tables:5=@five', 'flow_tables:6=@six'],
      ...['--', '--id=@five', 'create', 'Flow_Table', 'flow_limit=4'],
      ...['--', '--id=@six', 'create', 'Flow_Table', 'flow_limit=3', 'overflow_policy=evict'],
    ],
  ];
  for (const part of parts)
    await Promise.all(pair.map((subject) => subject.vsctl(...part.slice(1))));
  return pair;
}

let rows = 0;

async function connect(
  subject: DummySwitch,
  scope: Scope,
  { version, bridge: name, row }: Seat,
  path: string,
): Promise<RawPeer> {
  const { directory } = subject.instance;
  if (!row) {
    const peer = await RawPeer.connect(scope, join(directory, `${name}.mgmt`));
    return await greet(peer, version);
  }
  const server = await listen(scope, join(directory, path));
  const target = `target="unix:${join(directory, path)}"`;
  const create = ['--id=@c', 'create', 'controller', target, 'inactivity_probe=0', ...row];
  await subject.vsctl(...create, '--', 'add', 'bridge', name, 'controller', '@c');
  return await greet(await server.next(), version);
}

async function greet(peer: RawPeer, version: Version): Promise<RawPeer> {
  peer.send(hello(version));
  await peer.next();
  return peer;
}

const NXT_PACKET_IN2 = '00002320' + '0000001e';
/** NXPINT_CONTINUATION begins with NXCPT_BRIDGE. */
const hasContinuation = (m: Buffer): boolean =>
  m[1] === 4 &&
  m.toString('hex', 8, 16) === NXT_PACKET_IN2 &&
  /0008....00000000/.test(m.toString('hex', 16));

/** What each controller hears at each step. Ends early when a connection does. */
export async function liveThrough(
  pair: readonly [DummySwitch, DummySwitch],
  scope: Scope,
  seats: readonly Seat[],
  steps: readonly TimedStep[],
): Promise<[ours: Heard[], theirs: Heard[]]> {
  const paths = seats.map(() => `c${rows++}`);
  const sides: Side[] = await Promise.all(
    pair.map(async (subject) => {
      const peers: RawPeer[] = [];
      for (const [n, seat] of seats.entries())
        peers.push(await connect(subject, scope, seat, paths[n]!));
      return { subject, peers, paused: [] };
    }),
  );
  const heard: [Heard[], Heard[]] = [[], []];
  for (const [i, step] of steps.entries()) {
    const replies = await Promise.all(sides.map((side) => take(side, seats, step, i)));
    await untilEven(
      sides.map(({ peers }) => [...peers]),
      replies,
    );
    for (const n of [0, 1] as const) {
      heard[n].push({ name: step.name, replies: replies[n]! });
      sides[n]!.paused.push(...replies[n]!.flat().filter(hasContinuation));
    }
    if (sides.some(({ peers }) => peers.some((peer) => peer.isClosed))) break;
  }
  for (const { peers } of sides) for (const peer of peers) peer.socket.destroy();
  if (seats.some(({ row }) => row))
    await Promise.all(
      pair.map((subject) => subject.vsctl('del-controller', 'br0', '--', 'del-controller', 'br1')),
    );
  return heard;
}

/** What has come up to a barrier, to each: first who may have been asked. */
async function take(
  side: Side,
  seats: readonly Seat[],
  step: TimedStep,
  i: number,
): Promise<Replies> {
  await step.act(side);
  const replies: Replies = [];
  for (const [n, peer] of side.peers.entries())
    replies.push(await untilBarrier(peer, seats[n]!.version, i));
  return replies;
}
