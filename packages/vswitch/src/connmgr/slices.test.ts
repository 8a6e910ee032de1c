/** Long replies go no faster than they are read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { OfpChannel } from './ofconn.ts';
import { sendInSlices } from './slices.ts';

/** A peer that reads when it is told to. */
class Channel implements OfpChannel {
  readonly version = 4;
  readonly name = 'test';
  readonly target = undefined;
  isOpen = true;
  backlog = 0;
  sentBytes = 0;
  holds = 0;
  #readers: (() => void)[] = [];

  send(): void {}

  close(): void {
    this.isOpen = false;
    this.read();
  }

  hold(): () => void {
    this.holds++;
    return () => {
      this.holds--;
    };
  }

  drained(): Promise<void> {
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  read(): void {
    this.backlog = 0;
    for (const resolve of this.#readers.splice(0)) resolve();
  }
}

const PIECE_BYTES = 1 << 16;

function start(channel: Channel, pieces: number): () => number {
  let sent = 0;
  sendInSlices(channel, () => {
    channel.backlog += PIECE_BYTES;
    return ++sent < pieces;
  });
  return () => sent;
}

test('a short reply goes at once, and holds nothing', () => {
  const channel = new Channel();
  assert.equal(start(channel, 3)(), 3);
  assert.equal(channel.holds, 0);
});

test('a long reply waits for its reader, and its next requests for it', async () => {
  const channel = new Channel();
  const sent = start(channel, 100);
  for (let left = 100; sent() < 100; left--) {
    assert.ok(left > 0 && channel.holds === 1);
    assert.ok(channel.backlog <= (1 << 20) + PIECE_BYTES);
    const before = sent();
    await turn();
    assert.equal(sent(), before, 'nothing more until it reads');
    channel.read();
    await turn();
  }
  assert.equal(channel.holds, 0);
});

test('a reader that goes away ends it', async () => {
  const channel = new Channel();
  const sent = start(channel, 100);
  const before = sent();
  channel.close();
  await turn();
  assert.equal(sent(), before);
  assert.equal(channel.holds, 0);
});
