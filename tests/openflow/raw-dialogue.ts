/** Controllers that talk to a switch in turns, and what each of them hears, as text to compare. */
import { join } from 'node:path';
import { delay, type Instance, type Scope } from '@heddle/testing';
import { bytes, hello, RawPeer, u16 } from './raw-peer.ts';
import { barrier, isBarrierReply, type Version } from './raw-requests.ts';

/** Who of the controllers sends (the first unless it is said), and what. */
export interface Turn {
  readonly name: string;
  readonly sent: Buffer;
  readonly from?: number;
}

/** What came of a turn, to each of the controllers. */
export interface Heard {
  readonly name: string;
  readonly replies: readonly (readonly Buffer[])[];
}

/** A bridge with two ports, and a table of four flows at most. */
export async function startBridge(create: typeof Instance.ours, scope: Scope): Promise<Instance> {
  const switchArgs = ['--enable-dummy=override', '--disable-system'];
  const instance = await create(scope, { switchArgs });
  const port = (n: number): string[] => [
    ...['--', 'add-port', 'br0', `p${n}`, '--', 'set', 'interface', `p${n}`],
    ...[`ofport_request=${n}`, 'type=internal', `mac="02:00:00:00:00:0${n}"`],
  ];
  await instance.vsctl(
    ...['add-br', 'br0', '--', 'set', 'bridge', 'br0', 'fail_mode=secure'],
    ...['other_config:datapath-id=00000000000000aa', 'other_config:hwaddr=02:00:00:00:00:aa'],
    'protocols=OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15',
    ...['flow_tables:5=@five', ...port(1), ...port(2)],
    ...['--', '--id=@five', 'create', 'Flow_Table', 'flow_limit=4', 'name=five'],
  );
  return instance;
}

/**
 * Says each turn to both switches and asks all for barriers. What comes of itself comes when it
 * likes: both are waited for until as much has come from the one as from the other. Controllers
 * speak the versions given. Ends early when a connection does.
 */
export async function converse(
  instances: readonly [ours: Instance, theirs: Instance],
  scope: Scope,
  versions: readonly Version[],
  turns: readonly Turn[],
): Promise<[ours: Heard[], theirs: Heard[]]> {
  const sides = await Promise.all(
    instances.map((instance) => Promise.all(versions.map((v) => negotiate(instance, scope, v)))),
  );
  const heard: [Heard[], Heard[]] = [[], []];
  for (const [i, turn] of turns.entries()) {
    const replies = await Promise.all(sides.map((peers) => say(peers, versions, turn, i)));
    await untilEven(sides, replies);
    for (const side of [0, 1] as const)
      heard[side].push({ name: turn.name, replies: replies[side]! });
    if (sides.some((peers) => peers.some((peer) => peer.isClosed))) break;
  }
  for (const peer of sides.flat()) peer.socket.destroy();
  return heard;
}

async function negotiate(instance: Instance, scope: Scope, version: Version): Promise<RawPeer> {
  const peer = await RawPeer.connect(scope, join(instance.directory, 'br0.mgmt'));
  peer.send(hello(version));
  await peer.next();
  return peer;
}

/** By controller. */
export type Replies = Buffer[][];

/** For each controller what has come up to its barrier; first who has sent, then the others. */
async function say(
  peers: readonly RawPeer[],
  versions: readonly Version[],
  { sent, from = 0 }: Turn,
  turn: number,
): Promise<Replies> {
  peers[from]!.send(sent);
  const replies: Replies = peers.map(() => []);
  for (const n of [from, ...peers.keys().filter((other) => other !== from)])
    replies[n] = await untilBarrier(peers[n]!, versions[n]!, turn);
  return replies;
}

/** Patience for what comes late; then the difference is told. */
const LATE_TRIES = 40;
const LATE_MS = 25;

export async function untilEven(sides: RawPeer[][], replies: readonly Replies[]): Promise<void> {
  for (let tries = 0; tries < LATE_TRIES; tries++) {
    for (const [side, peers] of sides.entries())
      for (const [n, peer] of peers.entries()) replies[side]![n]!.push(...peer.received.splice(0));
    const [ours, theirs] = replies.map((all) => all.map((one) => joined(one).length));
    if (String(ours) === String(theirs)) return;
    await delay(LATE_MS);
  }
}

export async function untilBarrier(
  peer: RawPeer,
  version: Version,
  turn: number,
): Promise<Buffer[]> {
  const xid = 0x1000_0000 + turn;
  peer.send(barrier(version, xid));
  const replies: Buffer[] = [];
  for (;;) {
    const reply = await peer.next();
    if (!reply || (isBarrierReply(reply) && reply.readUInt32BE(4) === xid)) return replies;
    replies.push(reply);
  }
}

/** Without durations, addresses of dummies and the version of the switch; records are sorted. */
export function comparable(message: Buffer): string {
  const b = Buffer.from(message);
  const [v, type] = [b[0] as Version, b[1]!];
  if (type === 11 && v < 6) b.fill(0, v === 1 ? 60 : 20, v === 1 ? 68 : 28);
  if (type === 6 && v < 4) return text(b, 32, () => (v === 1 ? 48 : 64));
  if (type === 23 && v > 1 && v < 5)
    return text(b, 16, (at) => (at + 10 <= b.length ? b.readUInt16BE(at + 8) : 8));
  if (type !== (v === 1 ? 17 : 19) || b.length < 12) return plain(b);
  const [kind, start] = [b.readUInt16BE(8), v === 1 ? 12 : 16];
  if (kind === 0) b.fill(0, start + 512, start + 768);
  if (kind === 0xffff && isMonitor(b, start)) return text(b, 24, (at) => b.readUInt16BE(at));
  const layout = RECORDS[kind]?.(v);
  if (!layout) return plain(b);
  const { size, duration = 0 } = layout;
  const sizeAt =
    typeof size === 'number' ? () => size : (at: number) => b.readUInt16BE(at + size.at);
  for (let at = start; duration > 0 && at < b.length; at += sizeAt(at))
    b.fill(0, at + duration, at + duration + 8);
  return text(b, start, sizeAt);
}

/** NXST_FLOW_MONITOR, ONFST_FLOW_MONITOR. */
const isMonitor = (b: Buffer, at: number): boolean =>
  /^(0000232000000002|4f4e46000000074e)$/.test(b.toString('hex', at, at + 8));

interface Layout {
  /** Of a record, or where it says it. */
  readonly size: number | { readonly at: number };
  /** Where the eight bytes of it are. */
  readonly duration?: number;
}

/** Of statistics whose records are in no order, or that have been there for a while. */
const RECORDS: Record<number, (v: Version) => Layout> = {
  1: (v) => ({ size: { at: 0 }, ...(v === 6 ? {} : { duration: v === 1 ? 44 : 4 }) }),
  4: (v) =>
    v >= 5
      ? { size: { at: 0 }, duration: 8 }
      : { size: v === 1 ? 104 : v === 4 ? 112 : 104, ...(v === 4 ? { duration: 104 } : {}) },
  5: (v) => ({ size: v >= 5 ? { at: 0 } : v === 4 ? 40 : 32 }),
  6: (v) => ({ size: { at: 0 }, ...(v >= 4 ? { duration: 32 } : {}) }),
  7: () => ({ size: { at: 0 } }),
  9: () => ({ size: { at: 4 }, duration: 32 }),
  10: () => ({ size: { at: 0 } }),
  13: (v) => ({ size: v === 1 ? 48 : v < 5 ? 64 : 72 }),
  15: () => ({ size: { at: 8 } }),
  16: () => ({ size: { at: 0 } }),
  17: () => ({ size: { at: 0 } }),
};

/** Duration and idle time in statistics of OpenFlow 1.5. */
const OXS_TIMES = /8002(00|02)08.{16}/g;

const plain = (b: Buffer): string =>
  b
    .toString('hex')
    .replaceAll(/aa55aa55..../g, 'MAC')
    .replaceAll(OXS_TIMES, '8002$1');

function text(b: Buffer, start: number, sizeAt: (at: number) => number): string {
  const records: string[] = [];
  for (let at = start; at < b.length; ) {
    const size = sizeAt(at) || b.length;
    records.push(plain(b.subarray(at, at + size)));
    at += size;
  }
  return [plain(b.subarray(0, start)), ...records.sort()].join('\n');
}

export interface Difference {
  readonly name: string;
  readonly ours: readonly string[][];
  readonly theirs: readonly string[][];
}

/** Turns of which something else came. */
export function differences(
  ours: readonly Heard[],
  theirs: readonly Heard[],
  asText = comparable,
): Difference[] {
  const shown = (heard: Heard | undefined): string[][] =>
    heard?.replies.map((replies) => shownReplies(replies, asText)) ?? [['nothing at all']];
  const length = Math.max(ours.length, theirs.length);
  return Array.from({ length }, (_, i) => ({
    name: (ours[i] ?? theirs[i])!.name,
    ours: shown(ours[i]),
    theirs: shown(theirs[i]),
  })).filter((turn) => JSON.stringify(turn.ours) !== JSON.stringify(turn.theirs));
}

/** Answers in their order; what has come of itself has none among itself, and no xid. */
function shownReplies(replies: readonly Buffer[], asText: (message: Buffer) => string): string[] {
  const all = joined(replies);
  const isUnasked = (m: Buffer): boolean => m.readUInt32BE(4) === 0;
  const answers = all.filter((m) => !isUnasked(m)).map(asText);
  return [...answers, ...all.filter(isUnasked).map(asText).sort()];
}

/** Where a reply of several parts is cut is for the switch to say: all of it as the first part. */
function joined(replies: readonly Buffer[]): Buffer[] {
  const whole: Buffer[] = [];
  let hasMore = false;
  for (const reply of replies) {
    const isPart = reply[1] === (reply[0] === 1 ? 17 : 19);
    if (isPart && hasMore)
      whole.push(bytes(whole.pop()!, reply.subarray(reply[0] === 1 ? 12 : 16)));
    else whole.push(Buffer.from(reply));
    hasMore = isPart && (reply[11]! & 1) === 1;
    if (isPart) whole.at(-1)!.fill(0, 2, 4);
  }
  return whole;
}

/** A property of OpenFlow 1.4 and later (7.2), of a type and of what it holds. */
export function property(type: number, ...body: Buffer[]): Buffer {
  const all = bytes(...body);
  return bytes(u16(type, 4 + all.length), all);
}
