/**
 * A controller of each version that speaks in bytes put together by hand: to each of its messages
 * our switch answers, byte for byte, what the distribution's answers.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, Instance, isolate, Scope } from '@heddle/testing';
import { hello, RawPeer } from './raw-peer.ts';
import { barrier, isBarrierReply, VERSIONS, type Version } from './raw-requests.ts';
import { session } from './raw-session.ts';

isolate();

/** Two packets, and a flow that is told of when it goes; who changes a port hears of it in 1.5. */
const expectedEvents = (v: Version): number => (v === 6 ? 5 : 3);

async function start(create: typeof Instance.ours, scope: Scope): Promise<Instance> {
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
    ...[...port(1), ...port(2)],
  );
  return instance;
}

/**
 * Without addresses of dummies and the version of the switch, without how long flows have been
 * there; ports are in no order.
 */
function comparable(reply: Buffer): string {
  const b = Buffer.from(reply);
  const [v, type] = [b[0]!, b[1]!];
  const isStats = type === (v === 1 ? 17 : 19);
  if (isStats && b.readUInt16BE(8) === 1) return flowsIn(b);
  if (type === 11 && v < 6) b.fill(0, v === 1 ? 60 : 20, v === 1 ? 68 : 28);
  if (type === 6 && v < 4) sortRecords(b, 32, v === 1 ? 48 : 64);
  if (isStats && b.readUInt16BE(8) === 13)
    sortRecords(b, v === 1 ? 12 : 16, v === 1 ? 48 : v < 5 ? 64 : 72);
  if (isStats && b.readUInt16BE(8) === 0)
    b.fill(0, (v === 1 ? 12 : 16) + 512, (v === 1 ? 12 : 16) + 768);
  return b
    .toString('hex')
    .replaceAll(/aa55aa55..../g, 'MAC')
    .replaceAll(OXS_TIMES, '8002$1');
}

/** The flows of a reply, each without its duration. */
function flowsIn(b: Buffer): string {
  const v = b[0]!;
  const flows: string[] = [];
  for (let at = v === 1 ? 12 : 16; at < b.length; at += b.readUInt16BE(at)) {
    const duration = at + (v === 1 ? 44 : 4);
    if (v < 6) b.fill(0, duration, duration + 8);
    const text = b.toString('hex', at, at + b.readUInt16BE(at));
    flows.push(text.replaceAll(OXS_TIMES, '8002$1'));
  }
  return flows.sort().join('\n');
}

/** Duration and idle time in statistics of OpenFlow 1.5. */
const OXS_TIMES = /8002(00|02)08.{16}/g;

function sortRecords(b: Buffer, from: number, size: number): void {
  const records: Buffer[] = [];
  for (let at = from; at < b.length; at += size)
    records.push(Buffer.from(b.subarray(at, at + size)));
  Buffer.concat(records.sort(Buffer.compare)).copy(b, from);
}

interface Transcript {
  readonly answers: [step: string, replies: string[]][];
  /** Packets, flows that went, ports that changed: they come when they like. */
  readonly events: string[];
}

const isEvent = ([, type]: Buffer): boolean => type === 10 || type === 11 || type === 12;

async function speak(instance: Instance, version: Version, scope: Scope): Promise<Transcript> {
  const peer = await RawPeer.connect(scope, join(instance.directory, 'br0.mgmt'));
  peer.send(hello(version));
  const answers: Transcript['answers'] = [];
  const events: string[] = [];
  const first = (await peer.next())!;
  answers.push(['hello', [first.toString('hex', 0, 4) + first.toString('hex', 8)]]);
  for (const [i, { name, sent }] of session(version).entries()) {
    const xid = 0x1000_0000 + i;
    peer.send(sent, barrier(version, xid));
    const replies: string[] = [];
    for (;;) {
      const reply = await peer.next();
      if (!reply) return { answers: [...answers, [name, [...replies, 'end']]], events };
      if (isBarrierReply(reply) && reply.readUInt32BE(4) === xid) break;
      if (isEvent(reply)) events.push(comparable(reply));
      else replies.push(comparable(reply));
    }
    answers.push([`OpenFlow 1.${version - 1}: ${name}`, replies]);
  }
  await eventually('the last event', async () => {
    for (const late of peer.received.splice(0)) events.push(comparable(late));
    return events.length >= expectedEvents(version);
  });
  peer.socket.destroy();
  return { answers, events: events.sort() };
}

test('controllers of all versions', async () => {
  await using scope = new Scope();
  const [ours, theirs] = await Promise.all([
    start(Instance.ours, scope),
    start(Instance.oracle, scope),
  ]);
  for (const version of VERSIONS) {
    const [got, expected] = await Promise.all([
      speak(ours, version, scope),
      speak(theirs, version, scope),
    ]);
    const differing = got.answers.flatMap(([name, replies], i) => {
      const [, want] = expected.answers[i] ?? [];
      return String(want) === String(replies) ? [] : [{ name, replies, want }];
    });
    assert.deepEqual(differing, []);
    assert.equal(got.answers.length, expected.answers.length);
    assert.deepEqual(got.events, expected.events);
    // Both do what the specifications say, and not only the same.
    const answerTo = (step: string): Buffer => {
      const found = got.answers.find(([name]) => name.endsWith(`: ${step}`));
      return Buffer.from(found?.[1][0] ?? '', 'hex');
    };
    assert.equal(answerTo('features').readBigUInt64BE(8), 0xaan);
    assert.equal(answerTo('echo').toString('hex', 8), 'cafe');
    assert.deepEqual([...answerTo('no such type').subarray(0, 2)], [version, 1]);
  }
});
