/** Messages with something wrong. */
import type { Random } from '@heddle/testing/random';

const EDGES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 32, 64, 0x7f, 0x80, 0xfe, 0xff];

/** One to three changes of bytes, bits, length or version. */
export function damage(random: Random, message: Uint8Array): Uint8Array {
  let bytes = Uint8Array.from(message);
  for (let n = 1 + random.below(3); n > 0; n--) bytes = damageOnce(random, bytes);
  new DataView(bytes.buffer).setUint16(2, bytes.length);
  return bytes;
}

function damageOnce(random: Random, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const at = bytes.length > 8 ? 8 + random.below(bytes.length - 8) : 8;
  switch (random.below(6)) {
    case 0:
      return bytes.slice(0, Math.max(8, bytes.length - 8 * (1 + random.below(3))));
    case 1:
      return new Uint8Array([
        ...bytes,
        ...(random.chance(0.5) ? new Uint8Array(8) : bytes.slice(-8)),
      ]);
    case 2:
      bytes[0] = 1 + random.below(6);
      break;
    case 3:
      if (at < bytes.length) bytes[at]! ^= 1 << random.below(8);
      break;
    default:
      if (at < bytes.length) bytes[at] = random.pick(EDGES);
  }
  return bytes;
}
