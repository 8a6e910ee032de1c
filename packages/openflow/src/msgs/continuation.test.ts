/** What a paused packet takes along (NXT_PACKET_IN2), as Open vSwitch writes it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emitActions, parseActions, parseActionsText } from '../actions/index.ts';
import { Match } from '../match.ts';
import type { ContinuationFrame, OfpMessage } from '../messages.ts';
import { encodeMessage } from './index.ts';

const frame = (tableId: number, cookie: bigint, text: string): ContinuationFrame => ({
  tableId,
  cookie,
  actions: parseActionsText(text),
});

/** Types of the properties within NXPINT_CONTINUATION that tell of actions. */
function toldOf(...[first, ...outer]: ContinuationFrame[]): string[] {
  const msg: OfpMessage = {
    version: 4,
    xid: 0,
    type: 'packet_in',
    format: 'nxt_packet_in2',
    packet: new Uint8Array(14),
    totalLen: 14,
    bufferId: 0xffff_ffff,
    reason: 1,
    tableId: 0,
    cookie: 0n,
    metadata: new Match(),
    continuation: {
      ...first!,
      outer,
      bridge: new Uint8Array(16),
      stack: [],
      mirrors: 0,
      conntracked: false,
      actionSet: [],
      odpPort: 0xffff_ffff,
    },
  };
  const text = Buffer.from(encodeMessage(msg)).toString('hex');
  return text.match(/8004(?=0005)|8005(?=0010)|8006(?=00[0-9a-f]{2}00000000)/g) ?? [];
}

test('table and cookie stand before actions that name them', () => {
  assert.deepEqual(toldOf(frame(1, 5n, 'load:1->NXM_NX_REG0[]')), ['8006']);
  assert.deepEqual(toldOf(frame(1, 5n, 'output:2')), ['8004', '8005', '8006']);
  assert.deepEqual(toldOf(frame(1, 5n, 'resubmit:2')), ['8004', '8005', '8006']);
  assert.deepEqual(toldOf(frame(1, 5n, 'resubmit(,2)')), ['8006']);
  assert.deepEqual(toldOf(frame(1, 5n, 'push:NXM_NX_REG0[]'), frame(0, 0n, 'output:3')), [
    '8006',
    '8006',
  ]);
  assert.deepEqual(toldOf({ tableId: 0, cookie: 5n, actions: [] }), []);
});

test('NXAST_CONTROLLER2 stays what it is', () => {
  const bytes = Buffer.from('ffff00180000232000250000000000000002000503000000', 'hex');
  assert.deepEqual(Buffer.from(emitActions(parseActions(bytes, 4), 4)), bytes);
});
