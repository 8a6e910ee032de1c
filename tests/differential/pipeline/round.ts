/** The same steps on both switches, and what either shows meanwhile and at the end. */
import { randomOf } from '@heddle/datapath/oracle/narrow-random';
import { formatBytes, type OfpVersion } from '@heddle/openflow';
import { Scope } from '@heddle/testing';
import { message, type RawPeer, u16, u32, u64, zeros } from '../../openflow/raw-peer.ts';
import type { Version } from '../../openflow/raw-requests.ts';
import type { Side } from './pair.ts';
import { type Step, Steps } from './random-steps.ts';

/** A connection that hears of everything: packets in `format`. */
export async function listener(
  scope: Scope,
  side: Side,
  version: Version,
  format: number,
): Promise<RawPeer> {
  const peer = await side.connect(scope, 'br0', version);
  await side.settle(
    peer,
    version,
    message(version, 9, 1, u16(0, 0xffff)),
    message(version, 4, 1, u32(0x2320, 16, format)),
  );
  return peer;
}

export function heardAs(reply: Buffer): string {
  const text = formatBytes(reply, 3).replace(/ \(xid=.*?\)/, '');
  return (
    text
      // Upstream leaves out which flow the rest is of where that cannot matter.
      .replaceAll(/unroll_xlate\(table=\d+, cookie=\d+\),?/g, '')
      .replaceAll(/bridge=[0-9a-f-]{36}/g, 'bridge=UUID')
      .replaceAll(/duration[= ]?[\d.]+s/g, 'duration')
      .replaceAll(/addr:[\da-f:]+/g, 'addr')
      .replaceAll(/ continuation\.odp_port=\d+/g, '')
  );
}

/** NXT_PACKET_IN2 with a continuation; settled ones of another version are of no use. */
function isPaused(message: Buffer): boolean {
  return isPacketIn2(message) && formatBytes(message, 3).includes('continuation');
}

function isPacketIn2(message: Buffer): boolean {
  return message[1] === 4 && message.readUInt32BE(8) === 0x2320 && message.readUInt32BE(12) === 30;
}

/** NXT_RESUME of it: the same but for the subtype. */
function resumed(packetIn: Buffer): Buffer {
  const message = Buffer.from(packetIn);
  message.writeUInt32BE(28, 12);
  return message;
}

/** OFPT_ROLE_REQUEST, or NXT_ROLE_REQUEST before OpenFlow 1.2, whose roles count from 0. */
function role(version: Version, { role, generation }: Extract<Step, { type: 'role' }>): Buffer {
  if (version >= 3) return message(version, 24, 7, u32(role), zeros(4), u64(generation));
  return message(version, 4, 7, u32(0x2320, 10, role - 1));
}

/** Several at once end in the order of upstream's tables. */
function endsFlows({ type, text }: Step): boolean {
  return type === 'warp' || type === 'ofctl' || (type === 'messages' && text.startsWith('delete'));
}

/**
 * What packets of cached flows teach is learned now: else it is when the flow's counters are next
 * read, be it after what later packets have taught.
 */
async function credit({ subject, isOurs }: Side): Promise<void> {
  await subject.ask(isOurs ? 'revalidator/wait' : 'revalidator/purge');
}

type Other = readonly [RawPeer, Version];

export async function take(side: Side, step: Step, listeners: readonly Other[]): Promise<string[]> {
  const { subject } = side;
  const [peer, version] = listeners[0]!;
  const out: string[] = [];
  switch (step.type) {
    case 'setup':
      out.push(...(await side.operate(step.bridge, step.bytes)).map(heardAs));
      return out;
    case 'messages':
      await subject.ask('revalidator/purge');
      out.push(...(await side.settle(peer, version, ...step.bytes)).map(heardAs));
      break;
    case 'role': {
      const [who, spoken] = listeners[step.who]!;
      out.push(...(await side.settle(who, spoken, role(spoken, step))).map(heardAs));
      break;
    }
    case 'receive':
      for (const frames of step.bursts) {
        await credit(side);
        await subject.ask('netdev-dummy/receive', step.port, ...frames);
      }
      break;
    case 'warp':
      await subject.ask('revalidator/purge');
      await subject.warp(step.ms, 1000);
      break;
    case 'ofctl':
      side.isConfigured = true;
      await credit(side);
      out.push(...(await side.ofctl(step.words, step.lines)));
      break;
    case 'vsctl':
      side.isConfigured = true;
      await credit(side);
      for (const name of step.devices) await side.addPort(name);
      if (step.devices.length === 0) await subject.vsctl(...step.words);
      break;
    case 'resume': {
      await credit(side);
      const packet = side.paused[step.index % side.paused.length];
      if (packet) out.push(...(await side.settle(peer, version, resumed(packet))).map(heardAs));
      break;
    }
  }
  await subject.ask('version');
  await subject.ask('version');
  const heard: Buffer[] = [];
  for (const listener of listeners) heard.push(...(await side.settle(...listener)));
  side.paused.push(...heard.filter((m) => m[0] === version && isPaused(m)));
  out.push(...heard.map(heardAs));
  if (endsFlows(step)) out.sort();
  return [...out, ...side.transmitted()];
}

function difference(ours: readonly string[], theirs: readonly string[]): string | undefined {
  const [a, b] = [ours.join('\n'), theirs.join('\n')];
  if (a === b) return undefined;
  const minus = theirs.filter((line) => !ours.includes(line)).map((line) => `- ${line}`);
  const plus = ours.filter((line) => !theirs.includes(line)).map((line) => `+ ${line}`);
  if (minus.length + plus.length === 0) return `order:\n--- ours\n${a}\n--- theirs\n${b}`;
  return [...minus, ...plus].join('\n');
}

/** What is done in a round, and who listens. */
export interface Play {
  readonly name: string;
  readonly listeners: readonly (readonly [version: Version, format: number])[];
  readonly steps: readonly Step[];
}

export function randomPlay(seed: number, flows: number, count: number): Play {
  const r = randomOf(seed);
  const version = (1 + (seed % 6)) as Version;
  const format = r.below(3);
  const steps = new Steps(r, version as OfpVersion);
  const other = [(1 + r.below(6)) as Version, r.below(3)] as const;
  const all: Step[] = [...steps.setUp(flows)];
  for (let i = 0; i < count; i++) all.push(steps.next());
  return { name: `seed ${seed}`, listeners: [[version, format], other], steps: all };
}

/** Undefined where both do the same. */
export async function run(both: readonly Side[], play: Play): Promise<string | undefined> {
  await using scope = new Scope();
  const peers = await Promise.all(
    both.map(async (side) => {
      const out: Other[] = [];
      for (const [version, format] of play.listeners)
        out.push([await listener(scope, side, version, format), version]);
      return out;
    }),
  );
  try {
    for (const side of both) await side.noticeControllers();
    for (const [i, step] of play.steps.entries()) {
      const seen = await Promise.all(both.map((side, k) => take(side, step, peers[k]!)));
      const d = difference(seen[0]!, seen[1]!);
      if (d === undefined) continue;
      // What is counted counts for this round.
      for (const side of both) await side.state();
      return `${told(play, i + 1)}DIFF\n${d}`;
    }
    const states = await Promise.all(both.map((side) => side.state()));
    const d = difference(states[0]!, states[1]!);
    return d && `${told(play, play.steps.length)}STATE\n${d}`;
  } finally {
    await Promise.all(both.map((side) => side.reset()));
  }
}

function told({ name, listeners, steps }: Play, end: number): string {
  const who = listeners.map(([version, format]) => ` 1.${version - 1}/${format}`).join('');
  return [name + who, ...steps.slice(0, end).map(({ text }) => text), ''].join('\n');
}

/** The fewest steps after which there is a difference still. */
export async function fewest(play: Play, differs: (play: Play) => Promise<boolean>): Promise<Play> {
  let left = play;
  for (let size = Math.ceil(play.steps.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let i = 0; i < left.steps.length; ) {
      const fewer = { ...left, steps: left.steps.toSpliced(i, size) };
      if (await differs(fewer)) left = fewer;
      else i += size;
    }
  }
  return left;
}
