/**
 * Messages and errors against the distribution's ovs-ofctl: which damaged messages it refuses, and
 * why; the numbers of each error. HEDDLE_SEED picks other damage, HEDDLE_COUNT more of it.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  decodeMessage,
  encodeMessage,
  errorName,
  errorNumbers,
  errorReply,
  OfpError,
  type OfpVersion,
} from '@heddle/openflow';
import { ERRORS } from '@heddle/openflow/msgs/errors-table';
import { fromHex, toHex } from '@heddle/packet';
import { Random } from '@heddle/testing/random';

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 2000);
const OVS_OFCTL = '/usr/bin/ovs-ofctl';
const VERSIONS: readonly OfpVersion[] = [1, 2, 3, 4, 5, 6];
const recorded = readFileSync(
  new URL('../../../packages/openflow/src/msgs/recorded.txt', import.meta.url),
  'utf8',
)
  .trim()
  .split('\n')
  .map(fromHex);

function ofctl(args: string[], input?: Uint8Array): string {
  const options = { maxBuffer: 1 << 30, stdio: ['pipe', 'pipe', 'ignore'], input } as const;
  return execFileSync(OVS_OFCTL, ['-voff', ...args], options as object).toString('latin1');
}

test('errors have the numbers that print-error tells', () => {
  for (const [name] of ERRORS) {
    const ours = VERSIONS.flatMap((version) => {
      const error = errorNumbers(name, version);
      if (!error) return [];
      const { vendor = 0, type, code } = error;
      // Some numbers have two names.
      const known = errorName(version, error.vendor, type, code) ?? '';
      assert.deepEqual(errorNumbers(known, version), error);
      const hex = vendor === 0 ? '0' : `0x${vendor.toString(16)}`;
      return [`OpenFlow 1.${version - 1}: vendor ${hex}, type ${type}, code ${code}\n`];
    });
    assert.equal(ours.join(''), ofctl(['print-error', name]));
  }
});

test(`error replies have the bytes of encode-error-reply (HEDDLE_SEED=${SEED})`, () => {
  const random = new Random(SEED);
  for (let i = 0; i < 40; i++) {
    const [name] = random.pick(ERRORS);
    const version = random.pick(VERSIONS);
    const request = new Uint8Array(8 + random.below(80));
    request.set([version, 2, 0, request.length, 0, 0, 0, 5]);
    const ours = toHex(encodeMessage(errorReply(name, version, request)));
    const dump = ofctl(['encode-error-reply', name, toHex(request)]);
    const theirs = dump.replace(/^[0-9a-f]{8} {2}|[- \n]/gm, '');
    assert.equal(ours, theirs, `${name} ${toHex(request)}`);
  }
});

/** Says nothing of the message before it: a hello of its own xid. */
const MARKER = fromHex('0100000800abcdef');
const MARKER_TEXT = 'OFPT_HELLO (xid=0xabcdef):\n version bitmap: 0x01\n';

function damage(message: Uint8Array, random: Random): Uint8Array {
  let bytes = message.slice();
  const kind = random.below(4);
  if (kind === 0) bytes = bytes.slice(0, 8 + random.below(bytes.length - 7));
  if (kind === 1) {
    const tail = Array.from({ length: 1 + random.below(16) }, () => random.below(256));
    bytes = Uint8Array.from([...bytes, ...tail]);
  }
  bytes[2] = bytes.length >>> 8;
  bytes[3] = bytes.length;
  if (kind >= 2 && bytes.length > 8) {
    const at = 8 + random.below(bytes.length - 8);
    bytes[at] = random.pick([0, 1, 8, 0x10, 0xff, random.below(256), bytes[at]! ^ 1]);
  }
  return bytes;
}

function ourError(bytes: Uint8Array): string {
  try {
    decodeMessage(bytes, { loose: true });
    return '';
  } catch (error) {
    if (error instanceof OfpError) return error.ofpErr;
    throw error;
  }
}

/**
 * Of several faults in one match or in one list of actions either may come first. What actions
 * mean together, and an unknown flow format, ovs-ofctl judges in other places than we do.
 */
function isSame(ours: string, theirs: string): boolean {
  if (ours === theirs) return true;
  if (theirs === 'OFPBAC_MATCH_INCONSISTENT' || ours === 'OFPBRC_EPERM') return true;
  const [kind] = /^OFP(BAC|BMC|BIC)/.exec(theirs) ?? [];
  return kind !== undefined && ours !== '';
}

test(`damaged messages are refused for the same reasons (HEDDLE_SEED=${SEED})`, () => {
  const random = new Random(SEED);
  const messages = Array.from({ length: COUNT }, () => damage(random.pick(recorded), random));
  const stream = Buffer.concat(messages.flatMap((bytes) => [bytes, MARKER]));
  const texts = ofctl(['ofp-parse', '-'], stream).split(MARKER_TEXT);
  assert.equal(texts.length, COUNT + 1);
  const different = messages.flatMap((bytes, i) => {
    const theirs = /\*\*\*decode error: ([^*]+)\*\*\*/.exec(texts[i]!)?.[1] ?? '';
    const ours = ourError(bytes);
    return isSame(ours, theirs) ? [] : [{ message: toHex(bytes), ours, theirs }];
  });
  assert.deepEqual(different, []);
});
