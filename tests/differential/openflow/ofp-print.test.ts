/**
 * OpenFlow messages as text, whole and damaged, against the distribution's ofp-parse. HEDDLE_SEED
 * picks other damage, HEDDLE_COUNT more of it.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { formatBytes } from '@heddle/openflow';
import { fromHex, toHex } from '@heddle/packet';
import { vlog } from '@heddle/runtime';
import { Random } from '@heddle/testing/random';
import { damage } from './damage.ts';

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

function compare(
  messages: readonly Uint8Array[],
  verbosity: number,
  options?: readonly string[],
): void {
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

for (const [i, options] of [[], ['-m'], ['-mm']].entries()) {
  test(`damaged messages read, or are refused, the same with ${options}`, () => {
    const random = new Random(SEED + i);
    compare(
      Array.from({ length: COUNT }, () => damage(random, random.pick(MESSAGES))),
      VERBOSITY + i,
      options,
    );
  });
}

/** Each to a process of its own, by its number of details. */
const PRINTED = Math.ceil(COUNT / 20);

/** Of headers and lengths, without times and numbers of lines; upstream's log has more of bodies. */
const ofHeaders = (log: string): string[] => log.match(/(?<=\|)ofp_msgs\|.*/g) ?? [];

test('few details, the log and the exit status are the same', (t) => {
  const random = new Random(SEED);
  let log = '';
  vlog.setConsole((line) => {
    log += `${line}\n`;
  });
  vlog.setRateLimits([], false);
  t.after(() => vlog.setConsole(undefined));
  for (let n = 0; n < PRINTED; n++) {
    const message = damage(random, random.pick(MESSAGES));
    const verbosity = String(random.below(5));
    const hex = toHex(message);
    const { stdout, stderr, status } = spawnSync(OVS_OFCTL, ['ofp-print', hex, verbosity]);
    log = '';
    const ours = formatBytes(message, Number(verbosity));
    assert.equal(ours, stdout.toString(), `${hex} ${verbosity}`);
    assert.deepEqual(ofHeaders(log), ofHeaders(stderr.toString()), hex);
    assert.equal(status, 0);
  }
});
