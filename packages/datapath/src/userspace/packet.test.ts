/** Copies of a packet share no bytes that are written to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Packet } from './packet.ts';

test('what is done to a copy is not done to a packet whose bytes came in a Buffer', () => {
  const packet = new Packet(Buffer.alloc(60), { inPort: 1, recircId: 0, pktMark: 0 });
  const copy = packet.clone();
  copy.pushVlan(0x8100, 0x1005);
  copy.bytes.fill(1);
  packet.clone().bytes.fill(2);
  assert.deepEqual([...packet.bytes], new Array(60).fill(0));
});
