/**
 * BFD sessions of Open vSwitch and of ours: the same settings, packets and warps at random; the same
 * bfd/show, bfd_status and packets, but for discriminators and jitter. HEDDLE_SEED repeats one
 * round; HEDDLE_COUNT sets how many there are.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { toHex } from '@heddle/packet';
import { isolate, Scope } from '@heddle/testing';
import { BFD_STATES, type BfdPacket, emitBfd } from '@heddle/vswitch/bfd/packet';
import { agree, agreeSoon, DummySwitch } from './dummy-switch.ts';

isolate();

const OPERATIONS = 20;
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 1);
const SEEDS =
  process.env['HEDDLE_SEED'] === undefined
    ? Array.from({ length: COUNT }, (_, seed) => seed)
    : [Number(process.env['HEDDLE_SEED'])];

/** Flags that a neighbour may set, poll and final most often. */
const FLAGS = [0, 0, 0, 0x20, 0x10, 0x10, 0x30, 0x08, 0x02, 0x04, 0x01, 0x3f];

function randomPacket(r: Random): Omit<BfdPacket, 'yourDisc'> {
  return {
    diag: r.chance(60) ? 0 : r.below(32),
    state: r.pick(BFD_STATES),
    flags: r.pick(FLAGS),
    mult: r.chance(95) ? 1 + r.below(5) : 0,
    myDisc: r.chance(97) ? 7 : 0,
    minTxUs: r.pick([0, 1, 999, 1000, 100_000, 250_000, 1_000_000, 3_000_500]),
    minRxUs: r.pick([0, 1, 1000, 100_000, 300_000, 1_000_000, 2_000_999]),
  };
}

const CONFIG: readonly (readonly [string, readonly string[]])[] = [
  ['min_rx', ['0', '1', '100', '400', '1000', 'x', '-3', '2500']],
  ['min_tx', ['0', '1', '100', '300', '1500', '12x']],
  ['mult', ['0', '1', '3', '5', '255', '256']],
  ['cpath_down', ['true', 'false']],
  ['bfd_src_ip', ['10.1.2.3', '10.1.2', '169.254.1.1']],
  ['bfd_dst_ip', ['10.1.2.4', '']],
  ['bfd_local_src_mac', ['50:54:00:00:00:07', 'z']],
  ['bfd_local_dst_mac', ['50:54:00:00:00:08', '0']],
  ['bfd_remote_dst_mac', ['00:23:20:00:00:01', '00:00:00:00:00:00']],
  ['check_tnl_key', ['true', 'false']],
  ['oam', ['true', 'false']],
];

/** Without what each side draws by lot. */
function masked(show: string): string {
  return show
    .replaceAll(/(Next|Last) TX Time: .*/g, '$1 TX Time')
    .replace(/Detect Time: now -.*/, 'Detect Time: past')
    .replace(/Local Discriminator: .*/, '');
}

const discOf = (show: string) => Number(/Local Discriminator: (.*)/.exec(show)![1]);

/** A frame sent, without discriminator, port of UDP and checksums; its bytes in hex. */
function maskedFrame(frame: string): string {
  return frame.slice(0, 12) + frame.slice(24, 68) + frame.slice(72, 92) + frame.slice(100);
}

test('random sessions go as those of Open vSwitch', async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  for (const subject of both) await subject.setUp('br0', ['d0']);
  const states = new Set<string>();
  for (const seed of SEEDS) {
    const r = new Random(seed);
    const done: string[] = [];
    for (const subject of both) {
      await subject.vsctl('clear', 'Interface', 'd0', 'bfd');
      await subject.vsctl('set', 'Interface', 'd0', 'bfd:enable=true', 'bfd:min_rx=400');
    }
    for (let i = 0; i < OPERATIONS; i++) {
      const what = r.below(10);
      if (what < 6) {
        const packet = randomPacket(r);
        const your = r.below(10);
        done.push(`${JSON.stringify(packet)} ${your}`);
        for (const subject of both) {
          const disc = discOf(await subject.appctl('bfd/show', 'd0'));
          const yourDisc = your === 0 ? 5 : your === 1 ? 0 : disc;
          const to = {
            ethSrc: 0x505400000001,
            ethDst: 0x002320000001,
            ipSrc: 0xa9fe0101,
            ipDst: 0xa9fe0100,
            udpSrc: 50_000,
          };
          const frame = toHex(emitBfd({ ...packet, yourDisc }, to));
          await subject.receive('d0', frame);
        }
      } else if (what < 8) {
        const [key, values] = r.pick(CONFIG);
        const value = r.pick(values);
        done.push(`${key}=${value}`);
        for (const subject of both) {
          await subject.vsctl('set', 'Interface', 'd0', `bfd:${key}="${value}"`);
        }
      } else if (what === 8) {
        const word = r.pick(['true', 'false', 'normal', 'normal', 'Normal', 'x']);
        done.push(`set-forwarding ${word}`);
        const answers = await Promise.all(both.map((s) => s.ask('bfd/set-forwarding', word)));
        assert.deepEqual(answers[0]!.error ?? '', answers[1]!.error ?? '');
      }
      const ms = what < 9 ? 100 : r.pick([200, 500, 1500, 4000]);
      done.push(`warp ${ms}`);
      await Promise.all(both.map((subject) => subject.warp(ms)));
      const told = `seed ${seed}\n${done.join('\n')}`;
      const show = await agree(both, told, async (s) => masked(await s.appctl('bfd/show', 'd0')));
      states.add(/Local Session State: (.*)/.exec(show)![1]!);
      if (ms < 4000) continue;
      await agree(both, told, async (s) => maskedFrame(s.transmitted('d0').at(-1)!));
      await agreeSoon(both, told, (s) => s.vsctl('get', 'Interface', 'd0', 'bfd_status'));
    }
  }
  assert.ok(states.has('up') && states.has('down'), [...states].join(' '));
});
