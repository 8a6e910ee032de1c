/** IP packets are put together from fragments and cut into them again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as b from '@heddle/packet/build';
import fc from 'fast-check';
import { readFragment, reassemble, takeApart } from './fragment.ts';

const MACS = { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' };
const V4 = { src: '10.0.0.1', dst: '10.0.0.2' };
const V6 = { src: 'fd00::1', dst: 'fd00::2' };

/** A datagram whole, and as fragments of sizes in units of 8 bytes. */
function broken(v6: boolean, body: Uint8Array, sizes: readonly number[]) {
  const datagram = b.udp({ src: 1, dst: 2 }, body);
  const whole = v6 ? b.ipv6(V6, datagram) : b.ipv4(V4, datagram);
  const payload = whole.bytes.subarray(v6 ? 40 : 20);
  const frames: Uint8Array[] = [];
  for (let at = 0, i = 0; at < payload.length; i++) {
    const size = 8 * (sizes[i % sizes.length] ?? 1);
    const part = b.raw(17, payload.subarray(at, at + size));
    const mf = at + size < payload.length;
    const off = at / 8;
    const ip = v6
      ? b.ipv6(V6, b.ipv6Fragment({ off, mf }, part))
      : b.ipv4({ ...V4, mf, fragOff: off }, part);
    // As it lies in a buffer of many.
    frames.push(Buffer.from(b.ethernet(MACS, ip)));
    at += size;
  }
  return { whole: b.ethernet(MACS, whole), frames };
}

test('fragments make their packet, and the packet makes the fragments', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.uint8Array({ minLength: 8, maxLength: 900 }),
      sizes,
      (v6, body, s) => {
        const { whole, frames } = broken(v6, body, s);
        if (frames.length === 1) return;
        const parts = frames.map((f) => readFragment(f)!);
        assert.deepEqual(reassemble(parts), new Uint8Array(whole));
        const before = frames.map((f) => Uint8Array.from(f));
        assert.deepEqual(takeApart(parts, whole), before);
        // Another address, as translation writes it.
        const changed = Uint8Array.from(whole);
        changed[14 + (v6 ? 39 : 19)] = 9;
        for (const frame of takeApart(parts, changed)) {
          assert.equal(frame[14 + (v6 ? 39 : 19)], 9);
          assert.ok(readFragment(frame), 'its checksum is right');
        }
        assert.deepEqual(
          frames.map((f) => Uint8Array.from(f)),
          before,
        );
      },
    ),
  );
});

test('what is no fragment, is damaged or too long is none', () => {
  const { frames, whole } = broken(false, new Uint8Array(100), [4]);
  assert.equal(readFragment(whole), undefined);
  const bad = Uint8Array.from(frames[0]!);
  bad[24]! ^= 1;
  assert.equal(readFragment(bad), undefined);
  const far = b.ipv4({ ...V4, mf: true, fragOff: 8190 }, b.raw(17, new Uint8Array(64)));
  assert.equal(readFragment(b.ethernet(MACS, far)), undefined);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 70 }), fc.uint8Array({ maxLength: 60 }), (at, noise) => {
      const { frames: v6 } = broken(true, new Uint8Array(100), [4]);
      const frame = Uint8Array.from(v6[0]!);
      frame.set(noise.subarray(0, Math.max(0, frame.length - at)), at);
      readFragment(frame);
    }),
  );
});
