/**
 * A controller that waits for each answer and then asks at once is read past its stream: whatever it
 * sends then, in pieces or in heaps, is answered as ever, and others are, too.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Instance, isolate, Scope } from '@heddle/testing';
import { bytes, hello, message, RawPeer, zeros } from './raw-peer.ts';
import { apply, barrier, flowMod, isBarrierReply, match, output } from './raw-requests.ts';

isolate();

const OFP13 = 4;
const OFPT_ECHO_REPLY = 3;
const OFTEN = 50;
const isEchoReply = (m: Buffer): boolean => m[1] === OFPT_ECHO_REPLY;
const echo = (xid: number, length: number): Buffer => message(OFP13, 2, xid, zeros(length));

async function peerOf(instance: Instance, scope: Scope): Promise<RawPeer> {
  const peer = await RawPeer.connect(scope, join(instance.directory, 'br0.mgmt'));
  peer.send(hello(OFP13));
  await peer.next();
  return peer;
}

/** One flow and one barrier after the other, each when the one before has been answered. */
async function askOften(peer: RawPeer, first: number, count = OFTEN): Promise<void> {
  for (let xid = first; xid < first + count; xid++) {
    const parts = {
      match: match(OFP13, { inPort: xid }),
      actions: apply(OFP13, output(OFP13, 1)),
      priority: 1 + (xid & 0xfff),
    };
    peer.send(flowMod(OFP13, xid, parts));
    peer.send(barrier(OFP13, xid));
    const reply = await peer.next(isBarrierReply);
    assert.equal(reply?.readUInt32BE(4), xid);
  }
}

const flowCount = async (instance: Instance): Promise<string> => {
  const text = await instance.exec('ovs-ofctl', '-O', 'OpenFlow13', 'dump-aggregate', 'br0');
  return /flow_count=\d+/.exec(text)![0];
};

test('who asks often is answered: pieces, heaps, others beside it, its end', async () => {
  await using scope = new Scope();
  const instance = await Instance.ours(scope, { switchArgs: ['--enable-dummy=override'] });
  await instance.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'fail_mode=secure');
  const peer = await peerOf(instance, scope);
  await askOften(peer, 1);

  // A message by single bytes, between whole ones.
  for (const byte of echo(1000, 3)) {
    peer.send(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal((await peer.next(isEchoReply))?.readUInt32BE(4), 1000);
  await askOften(peer, 101);

  // More at once than one look takes, the last of it in two halves.
  const heap = Array.from({ length: 40 }, (_, i) => echo(2000 + i, 8000));
  const all = bytes(...heap);
  peer.send(all.subarray(0, all.length - 100));
  peer.send(all.subarray(all.length - 100));
  for (let i = 0; i < heap.length; i++) {
    assert.deepEqual((await peer.next(isEchoReply))?.subarray(4, 8), heap[i]!.subarray(4, 8));
  }

  // Two at a time, and a third that asks now and then.
  const second = await peerOf(instance, scope);
  const third = await peerOf(instance, scope);
  await Promise.all([
    askOften(peer, 201),
    askOften(second, 301),
    (async () => {
      for (let xid = 401; xid < 404; xid++) {
        third.send(echo(xid, 1));
        assert.equal((await third.next(isEchoReply))?.readUInt32BE(4), xid);
      }
    })(),
  ]);
  assert.equal(await flowCount(instance), `flow_count=${4 * OFTEN}`);

  // What makes no sense ends one of them only, and so does an end within a message.
  await askOften(second, 301);
  second.send(Buffer.from('{}'));
  await new Promise((resolve) => setTimeout(resolve, 5));
  second.send(zeros(6));
  await second.ended();
  await askOften(third, 501);
  third.send(echo(1, 100).subarray(0, 50));
  third.socket.end();
  await third.ended();
  await askOften(peer, 601);
  assert.equal(await flowCount(instance), `flow_count=${6 * OFTEN}`);
});

test('a row of flow mods whose sender does not wait for answers is not read past its end', async () => {
  await using scope = new Scope();
  const instance = await Instance.ours(scope, { switchArgs: ['--enable-dummy=override'] });
  await instance.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'fail_mode=secure');
  for (let round = 0; round < 20; round++) {
    const peer = await peerOf(instance, scope);
    await askOften(peer, 1 + 100 * round, 20);
    // The flow counts though the peer is gone before the switch looks.
    const last = { match: match(OFP13, { inPort: 5000 + round }), actions: zeros(0) };
    peer.send(flowMod(OFP13, 1, last));
    peer.socket.end();
    await peer.ended();
  }
  assert.equal(await flowCount(instance), `flow_count=${20 * 21}`);
});
