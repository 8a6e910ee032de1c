/** Netlink attributes and messages in bytes, whole and damaged. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { emitLink, IFLA, parseLink } from '../rtnetlink/link.ts';
import { emitAttributes, parseAttributes } from './attributes.ts';
import { DecodeError } from './decode-error.ts';
import { emitMessage, parseError, parseMessages } from './message.ts';

const sample = emitLink(
  { index: 3 },
  { ifname: 'veth0', mtu: 1500, address: '02:00:00:00:00:01', linkinfo: { kind: 'veth' } },
);

test('attributes round trip, unknown ones too', () => {
  const values = { ifname: 'a', mtu: 9000, linkNetnsid: -1, linkinfo: { kind: 'tun' } };
  const unknown = [{ type: 999, bytes: Uint8Array.of(1, 2, 3) }];
  const parsed = parseAttributes(IFLA, emitAttributes(IFLA, { ...values, unknown }));
  assert.equal(parsed.ifname, 'a');
  assert.equal(parsed.linkNetnsid, -1);
  assert.equal(parsed.linkinfo?.kind, 'tun');
  assert.deepEqual([...parsed.unknown![0]!.bytes], [1, 2, 3]);
});

function parseAll(bytes: Uint8Array): void {
  try {
    for (const message of parseMessages(bytes)) {
      parseError(message, 'x');
      parseLink(message.payload);
    }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
}

test('truncated and mutated messages parse or are a DecodeError', () => {
  const good = emitMessage({ type: 16, flags: 0x300, seq: 1, payload: sample });
  for (let n = 0; n <= good.length; n++) parseAll(good.subarray(0, n));
  const mutation = fc.tuple(fc.nat(good.length - 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 8 }), (mutations) => {
      const bytes = Uint8Array.from(good);
      for (const [at, value] of mutations) bytes[at] = value;
      parseAll(bytes);
    }),
    { numRuns: 5000 },
  );
});
