/**
 * Room at the end of a database file that is written to often: a record that says nothing, in `{}`
 * and white space. What is appended overwrites its start, and another such record begins behind it.
 * The file keeps its size and its blocks, so that a sync has only data to write and the file
 * system's journal has nothing to do: half the time on ext4. At any time the file is one that every
 * reader understands.
 *
 * Like all records that do not prove those before to have been durable (see `encodeGroup`), it
 * starts with a space.
 */
import { hash } from 'node:crypto';
import { bodyBytes, recordHeader } from './format.ts';

const ROOM_BYTES = 32 * 1024;
const START = ' {}';
const BODY = Buffer.from(START.padEnd(ROOM_BYTES, '\n'));
/**
 * Records before padding are multiples of this, so that few lengths of padding occur: what it
 * begins with, which holds the hash of the whole, is made once for each.
 */
export const ALIGN_BYTES = 64;
const starts = new Map<number, Buffer | undefined>();

/** A whole record of padding. */
export function newPadding(): Buffer {
  return Buffer.concat([headerFor(ROOM_BYTES), BODY]);
}

/**
 * The bytes with which the record of padding begins that fills the last `room` bytes of what
 * `newPadding` has made; undefined when no record has that length.
 */
export function startOfPadding(room: number): Buffer | undefined {
  if (starts.has(room)) return starts.get(room);
  const start = makeStart(room);
  if (starts.size >= (2 * ROOM_BYTES) / ALIGN_BYTES) starts.clear();
  starts.set(room, start);
  return start;
}

function makeStart(room: number): Buffer | undefined {
  const length = bodyBytes(room);
  if (length === undefined || length <= START.length) return undefined;
  return Buffer.concat([headerFor(length), BODY.subarray(0, START.length)]);
}

function headerFor(length: number): Buffer {
  return recordHeader(length, hash('sha1', BODY.subarray(0, length)));
}
