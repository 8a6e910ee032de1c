/**
 * Matches in bytes and in text, against the distribution's ovs-ofctl. HEDDLE_SEED picks other ones,
 * HEDDLE_COUNT more.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import {
  emitNxMatch,
  emitOfp10Match,
  emitOfp11StandardMatch,
  emitOxmEntries,
  formatMatch,
  formatOxm,
  OfpError,
  type OfpVersion,
  parseNxMatch,
  parseOfp10Match,
  parseOfp11Match,
  parseOxmText,
} from '@heddle/openflow';
import { Random } from '@heddle/testing/random';
import { randomMatch } from './random-match.ts';

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 1000);
const OVS_OFCTL = '/usr/bin/ovs-ofctl';

function theirs(args: string[], lines: string[]): string[] {
  const input = `${lines.join('\n')}\n`;
  const options = { input, encoding: 'utf8', maxBuffer: 1 << 30 } as const;
  return execFileSync(OVS_OFCTL, ['-voff', ...args], options)
    .trimEnd()
    .split('\n');
}

function attempt(action: () => string): string {
  try {
    return action();
  } catch (error) {
    if (error instanceof OfpError) return error.ofpErr;
    throw error;
  }
}

function compare(lines: string[], want: string[], ours: (line: string) => string): void {
  assert.equal(want.length, lines.length);
  for (const [i, line] of lines.entries()) {
    const expected = want[i]!.replace('nx_pull_match() returned error ', '');
    assert.equal(
      attempt(() => ours(line)),
      expected,
      `HEDDLE_SEED=${SEED}: ${line}`,
    );
  }
}

const random = new Random(SEED);
const ALL = Array.from({ length: COUNT }, () => randomMatch(random));

function reading(line: string): string {
  return attempt(() => formatOxm(emitNxMatch(parseNxMatch(parseOxmText(line)).match)));
}

test('NXM, strict and loose', () => {
  for (const loose of [false, true]) {
    // Without the Ethertype before them, IPv4's and IPv6's addresses are one field here.
    const addresses = /IPV6_(SRC|DST)|IPV4|IP_(SRC|DST)|ARP_|ND_/;
    const isClear = (line: string) =>
      !addresses.test(line) || reading(line) !== 'OFPBMC_BAD_PREREQ';
    const lines = loose ? ALL.filter(isClear) : ALL;
    const args = loose ? ['parse-nx-match'] : ['--strict', 'parse-nx-match'];
    compare(lines, theirs(args, lines), (line) => {
      const parsed = parseNxMatch(parseOxmText(line), { loose, cookie: true });
      return formatOxm(emitNxMatch(parsed.match, parsed.cookie, parsed.cookieMask));
    });
  }
});

test('OXM of each version', () => {
  for (const version of [3, 4, 5, 6] as OfpVersion[]) {
    const args = ['--strict', 'parse-oxm', `OpenFlow1${version - 1}`];
    compare(ALL, theirs(args, ALL), (line) =>
      formatOxm(emitOxmEntries(parseNxMatch(parseOxmText(line)).match, version)),
    );
  }
});

interface Reading {
  /** Of the match, or of the error. */
  readonly text: string;
  readonly bytes: string;
}

/** The command prints the match, the bytes that differ when it is written again, and a blank line. */
function readings(command: string, inputs: Buffer[]): Reading[] {
  const out = theirs(
    [command],
    inputs.map((b) => b.toString('hex')),
  ).map((l) => l.trimEnd());
  let at = 0;
  return inputs.map((input) => {
    const text = out[at++] ?? '';
    const bytes = Buffer.from(input);
    for (; at < out.length && out[at] !== ''; at++) {
      const m = /^\s*(\d+): (..) -> (..)$/.exec(out[at]!);
      if (m) bytes[Number(m[1])] = Number.parseInt(m[3]!, 16);
      else if (!out[at]!.startsWith('normal:')) break;
    }
    if (out[at] === '') at++;
    return { text: text.replace(/^bad ofp11_match: /, ''), bytes: bytes.toString('hex') };
  });
}

function compareStandard(
  inputs: Buffer[],
  command: string,
  ours: (bytes: Buffer) => Reading,
): void {
  for (const [i, want] of readings(command, inputs).entries()) {
    const bytes = inputs[i]!;
    const message = `HEDDLE_SEED=${SEED}: ${bytes.toString('hex')}`;
    if (want.text.startsWith('OFPB')) {
      assert.throws(() => ours(bytes), { ofpErr: want.text }, message);
    } else assert.deepEqual(ours(bytes), want, message);
  }
}

function randomBytes(length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.pick([0, 1, 255, random.below(256)])));
}

const TYPES = [0x0800, 0x0800, 0x0806, 0x8035, 0x86dd, 0x8847, 0x1234];
const PROTOCOLS = [1, 6, 17, 47, 58, 132];
const VLANS = [5, 0xffff, 0xfffe, 0x1005];

test('OpenFlow 1.0', () => {
  const inputs = Array.from({ length: COUNT }, () => {
    const b = randomBytes(40);
    b.writeUInt16BE(random.pick(VLANS), 18);
    const type = random.pick(TYPES);
    // OpenFlow 1.0 has addresses of IPv4 only; they are not kept for IPv6.
    if (type === 0x86dd) b.fill(0, 28, 36).writeUInt32BE(0x82000, 0);
    b.writeUInt16BE(type, 22);
    b[25] = random.pick(PROTOCOLS);
    return b;
  });
  compareStandard(inputs, 'parse-ofp10-match', (b) => {
    const match = parseOfp10Match(b);
    return { text: formatMatch(match), bytes: Buffer.from(emitOfp10Match(match)).toString('hex') };
  });
});

test('OpenFlow 1.1', () => {
  const inputs = Array.from({ length: COUNT }, () => {
    const b = randomBytes(88);
    b.writeUInt32BE(88, 0);
    b.writeUInt32BE(random.pick([1, 0xffff_fffe, 0x1_0000]), 4);
    // Without the Ethertype wildcarded nothing behind it is read.
    b.writeUInt32BE(random.below(1024) & ~8, 8);
    b.writeUInt16BE(random.pick(VLANS), 36);
    b[38] = random.pick([1, 5, 7, 9]);
    b.writeUInt16BE(random.pick(TYPES), 40);
    b[42] = random.pick([0, 4, 8, 255]);
    b[43] = random.pick(PROTOCOLS);
    return b;
  });
  compareStandard(inputs, 'parse-ofp11-match', (b) => {
    const { match } = parseOfp11Match(b);
    const bytes = Buffer.from(emitOfp11StandardMatch(match)).toString('hex');
    return { text: formatMatch(match), bytes };
  });
});
