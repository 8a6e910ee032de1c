/**
 * Maintenance points of Open vSwitch and of ours: the same settings, CCMs and warps at random; the
 * same cfm/show, columns and CCMs. HEDDLE_SEED repeats one round; HEDDLE_COUNT sets how many.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { toHex } from '@heddle/packet';
import { isolate, Scope } from '@heddle/testing';
import { emitCcm } from '@heddle/vswitch/cfm/ccm';
import { agree, agreeSoon, DummySwitch } from './dummy-switch.ts';

isolate();

const OPERATIONS = 20;
/** Divides all that is due: Open vSwitch looks at the time after each step only. */
const STEP_MS = 50;
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 1);
const SEEDS =
  process.env['HEDDLE_SEED'] === undefined
    ? Array.from({ length: COUNT }, (_, seed) => seed)
    : [Number(process.env['HEDDLE_SEED'])];

const CONFIG: readonly (readonly [string, readonly string[]])[] = [
  ['cfm_interval', ['100', '1000', '300', '700', '0', 'x', '-4', '100000']],
  ['cfm_extended', ['true', 'false', 'true']],
  ['cfm_demand', ['true', 'false']],
  ['cfm_opstate', ['up', 'down', 'x']],
  ['cfm_ccm_vlan', ['7', '0', '4095', '4096', 'x']],
  ['cfm_ccm_pcp', ['3', '0', '7', '8']],
];

const COLUMNS = [
  'cfm_fault',
  'cfm_fault_status',
  'cfm_health',
  'cfm_remote_mpids',
  'cfm_remote_opstate',
  'cfm_flap_count',
];

/** One frame, now and then cut or with a byte changed, as hex. */
function randomFrame(r: Random, isExtended: boolean, seq: number): string {
  const frame = emitCcm(
    {
      seq: r.chance(90) ? seq : r.below(2 ** 32),
      mpid: BigInt(r.chance(80) ? 9 : r.pick([5, 10, 11, 4000])),
      rdi: r.chance(15),
      intervalCode: r.chance(80) ? 4 : r.below(8),
      intervalMs: r.pick([0, 100, 300, 700]),
      opdown: r.chance(20),
    },
    { source: 0x505400000001, vlan: r.chance(10) ? { vid: 5, pcp: 1 } : undefined, isExtended },
  );
  if (r.chance(10)) frame[14 + r.below(75)]! ^= 1 << r.below(8);
  return toHex(r.chance(10) ? frame.subarray(0, 60 + r.below(30)) : frame);
}

/** cfm/show, with remote points in the order of their numbers. */
async function shown(subject: DummySwitch): Promise<string> {
  const show = await subject.appctl('cfm/show');
  const [head, ...remotes] = show.split(/^(?=Remote MPID)/m);
  return [head, ...remotes.map((text) => text.trim()).sort()].join('\n');
}

/** Without the source, and the short MPID, which the extended mode makes up. */
function maskedFrame(frame: string): string {
  const at = 2 * (frame.slice(24, 28) === '8100' ? 26 : 22);
  const rest = frame.startsWith('0123')
    ? frame.slice(24, at) + frame.slice(at + 4)
    : frame.slice(24);
  return frame.slice(0, 12) + rest;
}

test('random maintenance points do as those of Open vSwitch', async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  for (const subject of both) await subject.setUp('br0', ['d0']);
  const faults = new Set<string>();
  for (const seed of SEEDS) {
    const r = new Random(seed);
    const done: string[] = [];
    const told = () => `seed ${seed}\n${done.join('\n')}`;
    for (const subject of both) {
      await subject.vsctl(
        ...['clear', 'Interface', 'd0', 'cfm_mpid', '--', 'clear', 'Interface', 'd0'],
        'other_config',
      );
      await subject.vsctl('set', 'Interface', 'd0', 'cfm_mpid=5');
    }
    let isExtended = false;
    let seq = 1;
    for (let i = 0; i < OPERATIONS; i++) {
      let ms = 100;
      const what = r.below(20);
      if (what < 13) {
        const frame = randomFrame(r, isExtended, seq++);
        done.push(frame);
        for (const subject of both) await subject.receive('d0', frame);
        if (r.chance(60)) ms = 1000;
      } else if (what < 16) {
        const [key, values] = r.pick(CONFIG);
        const value = r.pick(values);
        done.push(`${key}=${value}`);
        if (key === 'cfm_extended') isExtended = value === 'true';
        for (const subject of both) {
          await subject.vsctl('set', 'Interface', 'd0', `other_config:${key}=${value}`);
        }
      } else if (what === 16) {
        const word = r.pick(['true', 'false', 'normal', 'normal', 'NORMAL', 'x']);
        done.push(`set-fault ${word}`);
        const answers = await Promise.all(both.map((s) => s.ask('cfm/set-fault', word)));
        assert.deepEqual(answers[0]!.error ?? '', answers[1]!.error ?? '');
      } else ms = r.pick([500, 4000]);
      done.push(`warp ${ms}`);
      await agree(both, told(), shown);
      await Promise.all(both.map((subject) => subject.warp(ms, STEP_MS)));
      const show = await agree(both, told(), shown);
      faults.add(/fault: (.*)/.exec(show)?.[1] ?? '');
      if (ms < 4000) continue;
      await agree(both, told(), async (s) => maskedFrame(s.transmitted('d0').at(-1)!));
      await agreeSoon(both, told(), (s) => s.vsctl('get', 'Interface', 'd0', ...COLUMNS));
    }
  }
  assert.ok(faults.has('') && faults.size > 1, [...faults].join());
});
