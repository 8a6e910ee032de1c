/**
 * OpenFlow messages as text, whole and damaged, against the distribution's ofp-parse. HEDDLE_SEED
 * picks other damage, HEDDLE_COUNT more of it.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { formatBytes } from '@heddle/openflow';
import { fromHex, toHex } from '@heddle/packet';
import { Random } from '../ovsdb/random.ts';

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 2000);
const OVS_OFCTL = '/usr/bin/ovs-ofctl';
/** As `ofp-parse` without `-m`. */
const VERBOSITY = 2;
const file = new URL('./messages.hex', import.meta.url);
const MESSAGES = readFileSync(file, 'utf8').trim().split('\n').map(fromHex);
/** Echo requests between the messages tell where the text of each ends. */
const MARK = /OFPT_ECHO_REQUEST \(OF1\.3\) \(xid=0x7[0-9a-f]{7}\): 0 bytes of payload\n/;

function theirs(messages: readonly Uint8Array[], options: readonly string[] = []): string[] {
  const parts = messages.flatMap((message, i) => {
    return [message, fromHex(`04020008${(0x7000_0000 + i).toString(16)}`)];
  });
  const input = Buffer.concat(parts);
  const settings = { input, maxBuffer: 1 << 30, timeout: 60_000, stdio: 'pipe' } as const;
  const text = execFileSync(OVS_OFCTL, ['-voff', ...options, 'ofp-parse', '-'], settings);
  return text.toString('utf8').split(MARK).slice(0, -1);
}

function compare(messages: readonly Uint8Array[], verbosity: number, options?: string[]): void {
  const want = theirs(messages, options);
  assert.equal(want.length, messages.length);
  const differences = messages.flatMap((message, i) => {
    const ours = formatBytes(message, verbosity);
    return ours === want[i] ? [] : [`${toHex(message)}\n${want[i]}---\n${ours}`];
  });
  const report = `HEDDLE_SEED=${SEED}: ${differences.length} of ${messages.length} differ`;
  assert.equal(differences.length, 0, `${report}\n${differences.slice(0, 3).join('\n')}`);
}

test('messages of all kinds and versions read the same', () => {
  compare(MESSAGES, VERBOSITY);
});

test('more details read the same', () => {
  compare(MESSAGES, VERBOSITY + 1, ['-m']);
});

const EDGES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 32, 64, 0x7f, 0x80, 0xfe, 0xff];

/** One to three changes of bytes, bits, length or version. */
function damage(random: Random, message: Uint8Array): Uint8Array {
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

test('damaged messages read, or are refused, the same', () => {
  const random = new Random(SEED);
  compare(
    Array.from({ length: COUNT }, () => damage(random, random.pick(MESSAGES))),
    VERBOSITY,
  );
});
