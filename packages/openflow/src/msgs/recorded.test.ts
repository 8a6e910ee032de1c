/**
 * Messages that Open vSwitch's ovs-ofctl and ovs-vswitchd exchanged, of every version: read and
 * written again they are the same bytes; cut or damaged they are refused and nothing worse.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fromHex, toHex } from '@heddle/packet';
import { generator } from '@heddle/testing/random';
import { OfpError } from '../errors.ts';
import { Framer } from '../vconn/index.ts';
import { decodeMessage, encodeMessage } from './index.ts';

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 3000);
const text = readFileSync(new URL('./recorded.txt', import.meta.url), 'utf8');
const recorded = text.trim().split('\n').map(fromHex);

/** undefined when refused. */
function decode(bytes: Uint8Array): object | undefined {
  try {
    return decodeMessage(bytes);
  } catch (error) {
    if (error instanceof OfpError) return undefined;
    throw error;
  }
}

function resized(bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  out.set(bytes.subarray(0, length));
  out[2] = length >>> 8;
  out[3] = length;
  return out;
}

test('what Open vSwitch sends is read and written as it was', () => {
  for (const bytes of recorded) {
    const again = encodeMessage(decodeMessage(bytes));
    assert.equal(toHex(again), toHex(bytes));
  }
});

test('a message that says another length than it has is refused', () => {
  for (const bytes of recorded) {
    assert.throws(() => decodeMessage(bytes.subarray(0, bytes.length - 1)), OfpError);
    assert.throws(() => decodeMessage(Buffer.concat([bytes, Buffer.alloc(1)])), OfpError);
  }
});

test('a message cut anywhere is refused, or is a shorter message', () => {
  for (const bytes of recorded) {
    for (let length = 0; length < bytes.length; length++) {
      if (length < 8) assert.throws(() => decodeMessage(bytes.subarray(0, length)), OfpError);
      else decode(resized(bytes, length));
    }
  }
});

test(`damaged messages are refused or read, and what is read can be written (HEDDLE_SEED=${SEED})`, () => {
  const random = generator(SEED);
  for (let i = 0; i < COUNT; i++) {
    const bytes = recorded[random(recorded.length)]!.slice();
    for (let n = random(4); n >= 0; n--) {
      const at = random(bytes.length);
      if (at !== 2 && at !== 3) bytes[at] = random(2) ? random(256) : [0, 1, 8, 255][random(4)]!;
    }
    const msg = decode(bytes);
    if (msg === undefined) continue;
    try {
      const again = encodeMessage(msg as never);
      assert.deepEqual(encodeMessage(decodeMessage(again)), again, toHex(bytes));
    } catch (error) {
      // What the version cannot say or no message can hold.
      if (!(error instanceof OfpError)) throw error;
    }
  }
});

test('a stream gives the same messages byte by byte', () => {
  const framer = new Framer();
  const found: string[] = [];
  for (const byte of Buffer.concat(recorded)) {
    framer.add(Uint8Array.of(byte));
    for (let raw = framer.next(); raw; raw = framer.next()) found.push(toHex(raw));
  }
  assert.deepEqual(found, recorded.map(toHex));
});
