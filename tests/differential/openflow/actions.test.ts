/**
 * Actions in bytes and in text, against the distribution's ovs-ofctl. HEDDLE_SEED picks other ones,
 * HEDDLE_COUNT more.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  emitActions,
  emitInstructions,
  formatActions,
  OfpError,
  type OfpVersion,
  parseActions,
  parseFlowMod,
  parseInstructions,
  versionProtocols,
} from '@heddle/openflow';
import { HeddleError } from '@heddle/runtime';
import { Random } from '@heddle/testing/random';
import { randomActions } from './random-actions.ts';

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 600);
const OVS_OFCTL = '/usr/bin/ovs-ofctl';
const VERSIONS: readonly OfpVersion[] = [1, 2, 3, 4, 5, 6];

const random = new Random(SEED);
const ALL = Array.from({ length: COUNT }, () => randomActions(random));

function versionName(version: OfpVersion): string {
  return `OpenFlow1${version - 1}`;
}

/** What `parse-flows` prints of each line after it has encoded and decoded it. */
function parseFlows(lines: readonly string[], version: OfpVersion): string[] {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-actions-'));
  try {
    const file = join(dir, 'flows');
    writeFileSync(file, `${lines.join('\n')}\n`);
    const args = ['-voff', '-O', versionName(version), 'parse-flows', file];
    const out = execFileSync(OVS_OFCTL, args, { encoding: 'utf8', maxBuffer: 1 << 30 });
    return out.split('\n').filter((line) => /^(OFPT|NXT)_FLOW_MOD/.test(line));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test('flows in text, through the bytes of each version and back', () => {
  for (const version of VERSIONS) {
    const lines: string[] = [];
    const ours: string[] = [];
    for (const { match, actions } of ALL) {
      const line = `${match},actions=${actions}`;
      let parsed: ReturnType<typeof parseFlowMod>;
      try {
        parsed = parseFlowMod(line, 'add');
      } catch (e) {
        if (!(e instanceof HeddleError)) throw e;
        continue;
      }
      if ((parsed.protocols & versionProtocols(version)) === 0) continue;
      lines.push(line);
      const bytes = emitInstructions(parsed.flowMod.actions, version);
      ours.push(describe(bytes, version));
    }
    assert.ok(lines.length > COUNT / 4, `most lines are right: ${lines.length}`);
    const theirs = parseFlows(lines, version);
    assert.equal(theirs.length, lines.length);
    for (const [i, line] of lines.entries()) {
      const want = theirs[i]!.replace(/^.*(?:actions=|decode error: )|\*\*\*$/g, '');
      assert.equal(ours[i], want, `HEDDLE_SEED=${SEED} ${versionName(version)}: ${line}`);
    }
  }
});

function describe(bytes: Uint8Array, version: OfpVersion): string {
  try {
    return formatActions(parseInstructions(bytes, version));
  } catch (e) {
    if (e instanceof OfpError) return e.ofpErr;
    throw e;
  }
}

test('flows in text that are refused, in the same words', () => {
  const refused = ALL.map(({ match, actions }) => damage(`${match},actions=${actions}`));
  for (const line of refused.slice(0, Math.max(100, COUNT / 10))) {
    let ours = '';
    try {
      parseFlowMod(line, 'add');
    } catch (e) {
      if (!(e instanceof HeddleError)) throw e;
      ours = e.message;
    }
    const args = ['-voff', '-O', VERSIONS.map(versionName).join(','), 'parse-flow', line];
    const { stderr } = spawnSync(OVS_OFCTL, args, { encoding: 'utf8' });
    const theirs = stderr.replace(/^ovs-ofctl: (?:no usable protocol)?/, '').trimEnd();
    if (theirs === '' && isOutOfRange(ours)) continue;
    assert.equal(ours.trimEnd(), theirs, `HEDDLE_SEED=${SEED}: ${line}`);
  }
});

/** Numbers of addresses that Open vSwitch cuts to the bits that there are, and half addresses that are none to it. */
function isOutOfRange(error: string): boolean {
  return /^invalid (mac address|nat range)|: invalid Ethernet address$|after nat range/.test(error);
}

/** One character less, more or another. */
function damage(line: string): string {
  const at =
    line.indexOf('actions=') + 8 + random.below(line.length - line.indexOf('actions=') - 8);
  const other = random.pick([...'0159afx,()[]->:/=. ']);
  return line.slice(0, at) + random.pick(['', other, other]) + line.slice(at + random.below(2));
}

interface Judgement {
  readonly error: string | undefined;
  readonly text?: string;
  readonly bytes?: string;
}

/** What `parse-actions` says of each line of hex, and the bytes that it would send. */
function parseActionsByTheirs(lines: readonly string[], version: OfpVersion): Judgement[] {
  const input = `${lines.join('\n')}\n`;
  const args = ['-voff', 'parse-actions', versionName(version)];
  const out = execFileSync(OVS_OFCTL, args, { input, encoding: 'utf8', maxBuffer: 1 << 30 });
  const groups = out.split('\n\n');
  return lines.map((line, i) => {
    const [first = '', ...differences] = groups[i]!.split('\n').filter((text) => text !== '');
    if (!first.startsWith('actions=')) return { error: first.split(' ').at(-1)! };
    return {
      error: undefined,
      text: first.slice('actions='.length),
      bytes: applyDifferences(Buffer.from(line, 'hex'), differences),
    };
  });
}

/** ` 12: 00 -> 2f`, `(none)` where bytes end earlier or only begin there. */
function applyDifferences(bytes: Buffer, differences: readonly string[]): string {
  const out = [...bytes];
  let length = out.length;
  for (const difference of differences) {
    const m = /^ *(\d+): (\S+) -> (\S+)$/.exec(difference);
    assert.ok(m, difference);
    const at = Number(m[1]);
    if (m[3] === '(none)') length = Math.min(length, at);
    else {
      out[at] = Number.parseInt(m[3]!, 16);
      length = Math.max(length, at + 1);
    }
  }
  return Buffer.from(out.slice(0, length)).toString('hex');
}

function judge(hex: string, version: OfpVersion): Judgement {
  try {
    const acts = parseActions(Buffer.from(hex, 'hex'), version);
    return {
      error: undefined,
      text: formatActions(acts),
      bytes: Buffer.from(emitActions(acts, version)).toString('hex'),
    };
  } catch (e) {
    if (!(e instanceof OfpError)) throw e;
    return { error: e.ofpErr };
  }
}

/** Which of two errors an unknown field is, Open vSwitch decides by its hash table. */
function sameError(a: string | undefined, b: string | undefined): boolean {
  const known = a?.replace('OFPBAC_BAD_SET_TYPE', 'OFPBAC_BAD_SET_LEN');
  return known === b?.replace('OFPBAC_BAD_SET_TYPE', 'OFPBAC_BAD_SET_LEN');
}

/** Bytes that Open vSwitch keeps though they mean nothing. */
function isJunk(judgement: Judgement): boolean {
  return judgement.text?.includes('<unknown>') ?? false;
}

function compareBytes(lines: readonly string[], version: OfpVersion): void {
  for (const [i, want] of parseActionsByTheirs(lines, version).entries()) {
    const { error, text } = judge(lines[i]!, version);
    assert.deepEqual({ error, text }, { error: want.error, text: want.text }, lines[i]);
  }
}

test('actions in bytes that were once judged otherwise', () => {
  const lines = [
    // Of two faults in NXAST_LEARN2 and NXAST_SAMPLE3, zeros that are none come first.
    'ffff003000002320002d0000000000000000000000000000000801000000000000000005000001000000000000000000',
    'ffff00200000232000290000f8f972a10000b841893019382d94f0d000000000',
    // Properties of NXAST_CONTROLLER2: the meter of no number, a meter of another length.
    'ffff002000002320002500000000000000010008bac000000005000800000000',
    'ffff003000002320002500000000000000020005020000000005000901020aff07000000000000000004000400000000',
    // Fields by the headers that they have with masks; NXAST_RESUBMIT_TABLE_CT into no table.
    'ffff0018000023200007000f0001170800000000000058e4',
    'ffff001000002320002c0058ff000000',
  ];
  compareBytes(lines, 1);
  compareBytes(['0019001000016d010200000000000000', '00190010800021040003000300000000'], 6);
});

/** NXAST_CT with NXAST_NAT in it, of `length` bytes behind its fixed part. */
function natInBytes(flags: number, present: number, length: number, up: boolean): string {
  const nat = Buffer.alloc(16 + length);
  for (let i = 16; i < nat.length; i++) nat[i] = up ? i : 255 - i;
  nat.write(`ffff${(16 + length).toString(16).padStart(4, '0')}000023200024`, 'hex');
  nat.writeUInt16BE(flags, 12);
  nat.writeUInt16BE(present, 14);
  const total = (40 + length).toString(16).padStart(4, '0');
  return `ffff${total}0000232000230001000000000000ff0000000000${nat.toString('hex')}`;
}

test('address translation in bytes, with each set of addresses and ports', () => {
  const lines: string[] = [];
  for (const flags of [0, 1, 6, 0x19]) {
    for (let present = 0; present < 128; present++) {
      for (const length of [0, 8, 16, 24, 48]) {
        for (const up of [false, true]) lines.push(natInBytes(flags, present, length, up));
      }
    }
  }
  compareBytes(lines, 1);
});

test('actions in bytes, whole and with a wrong byte', () => {
  for (const version of VERSIONS) {
    const lines: string[] = [];
    for (const { match, actions } of ALL) {
      try {
        const { flowMod, protocols } = parseFlowMod(`${match},actions=${actions}`, 'add');
        if ((protocols & versionProtocols(version)) === 0) continue;
        for (const act of flowMod.actions) {
          const bytes = emitActions([act], version);
          if (bytes.length === 0) continue;
          // A right one, then a damaged one. What learn and clone hold may be wrong in several ways.
          lines.push(Buffer.from(bytes).toString('hex'));
          const isNested = ['learn', 'clone', 'delete_field'].includes(act.type);
          if (isNested) lines.push(lines.at(-1)!);
          if (isNested) continue;
          const at = 4 + random.below(bytes.length - 4);
          bytes[at] = random.pick([
            0,
            0xff,
            random.below(256),
            bytes[at]! ^ (1 << random.below(8)),
          ]);
          lines.push(Buffer.from(bytes).toString('hex'));
        }
      } catch (e) {
        if (!(e instanceof HeddleError)) throw e;
      }
    }
    const theirs = parseActionsByTheirs(lines, version);
    for (const [i, line] of lines.entries()) {
      const want = theirs[i]!;
      if (isJunk(want)) continue;
      const got = judge(line, version);
      const message = `HEDDLE_SEED=${SEED} ${versionName(version)}: ${line}`;
      if (!sameError(got.error, want.error)) assert.equal(got.error, want.error, message);
      if (want.error !== undefined) continue;
      assert.equal(got.text, want.text, message);
      // Bytes that mean nothing need not come back.
      if (i % 2 === 0) assert.equal(got.bytes, want.bytes, message);
    }
  }
});
