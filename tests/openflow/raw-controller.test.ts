/**
 * A controller of each version that speaks in bytes put together by hand: to each of its messages
 * our switch answers, byte for byte, what the distribution's answers.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, Instance, isolate, Scope } from '@heddle/testing';
import { comparable, startBridge } from './raw-dialogue.ts';
import { hello, RawPeer } from './raw-peer.ts';
import { barrier, isBarrierReply, VERSIONS, type Version } from './raw-requests.ts';
import { session } from './raw-session.ts';

isolate();

/** Two packets, and a flow that is told of when it goes; who changes a port hears of it in 1.5. */
const expectedEvents = (v: Version): number => (v === 6 ? 5 : 3);

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
    startBridge(Instance.ours, scope),
    startBridge(Instance.oracle, scope),
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
