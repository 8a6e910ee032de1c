import { randomFillSync } from 'node:crypto';

const BATCH = 64;
const LENGTH = 36;
const HEX = Buffer.from('0123456789abcdef');
const random = new Uint8Array(16 * BATCH);
const texts = Buffer.alloc(LENGTH * BATCH, '-');
let left = 0;

/**
 * A random UUID (RFC 4122 version 4) in one piece: what `crypto.randomUUID` returns is a tree of
 * concatenations, which each comparison and each print has to walk.
 */
export function newUuid(): string {
  if (left === 0) refill();
  const at = --left * LENGTH;
  return texts.toString('latin1', at, at + LENGTH);
}

function refill(): void {
  randomFillSync(random);
  for (let i = 0, to = 0; i < random.length; i++) {
    const n = i % 16;
    const byte =
      n === 6 ? (random[i]! & 0x0f) | 0x40 : n === 8 ? (random[i]! & 0x3f) | 0x80 : random[i]!;
    if (n === 4 || n === 6 || n === 8 || n === 10) to++;
    texts[to++] = HEX[byte >> 4]!;
    texts[to++] = HEX[byte & 15]!;
  }
  left = BATCH;
}
