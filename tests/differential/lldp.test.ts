/**
 * LLDP and Auto Attach of Open vSwitch and of ours: the same frames at random, the same answers of
 * autoattach/*, the same frames sent. HEDDLE_SEED repeats one round.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { toHex } from '@heddle/packet';
import { isolate, Scope } from '@heddle/testing';
import { emitLldp } from '@heddle/vswitch/lldp/pdu';
import { agree, DummySwitch } from './dummy-switch.ts';

isolate();

const FRAMES = Number(process.env['HEDDLE_COUNT'] ?? 30);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);

/** TLVs that a neighbour may add, known and unknown ones, whole and cut. */
const EXTRAS = [
  '',
  '',
  '0804706f7274',
  'fe0500000001aa',
  'fe060080c2010005',
  'fe0100',
  'c8027879',
  '06020005',
  'fe0600040d0d0005',
  'fe0600040d0b0005',
  'c9ff',
];

/** A neighbour's frame; now and then a byte of what is behind the names of its TLVs is cut off. */
function randomFrame(r: Random): string {
  const frame = Buffer.from(
    emitLldp({
      mac: 0x505400000070 + r.below(4),
      port: r.pick(['eth7', 'eth8']),
      ttlS: 1 + r.below(65_535),
      systemName: r.pick(['', 'srv']),
      systemDescription: 'a server',
      mappings: Array.from({ length: r.below(3) }, () => ({
        isid: r.pick([5, 6, 9]),
        vlan: r.pick([7, 8]),
        status: r.below(16),
      })),
    }),
  );
  const body = toHex(frame.subarray(0, -2)) + r.pick(EXTRAS);
  if (r.chance(10)) return toHex(frame.subarray(0, 60 + r.below(frame.length - 60)));
  return `${body}0000`;
}

const ANSWERS = ['autoattach/status', 'autoattach/statistics'];

/** Lines of neighbours in an order of their own. */
function sorted(command: string, text: string): string {
  if (command.endsWith('statistics')) return text;
  const [head, ...items] = text.split(/^(?= {2}Auto Attach Primary Server Id)/m);
  return [head, ...items.sort()].join('');
}

/** Without the version, and the address that a dummy has of its own. */
function masked(frame: string): string {
  const mac = frame.slice(12, 24);
  return frame.replaceAll(mac, '').replace(/332e3[0-9]2e3[0-9]/, '');
}

test('random neighbours are told of as Open vSwitch tells of them', async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  const attach = [
    ...['--', '--id=@aa', 'create', 'AutoAttach', 'system_name=sys', 'mappings={5=7,6=8}', '--'],
    ...['set', 'Bridge', 'br0', 'auto_attach=@aa', '--', 'set', 'Interface', 'd0'],
    'lldp:enable=true',
  ];
  for (const subject of both) await subject.setUp('br0', ['d0'], attach);
  const r = new Random(SEED);
  const done: string[] = [];
  for (let i = 0; i < FRAMES; i++) {
    const frame = randomFrame(r);
    done.push(frame);
    for (const subject of both) await subject.receive('d0', frame);
    const told = `seed ${SEED}\n${done.join('\n')}`;
    for (const command of ANSWERS) {
      await agree(both, told, async (subject) => sorted(command, await subject.appctl(command)));
    }
  }
  for (const subject of both) await subject.warp(15_000, 1000);
  const sent = await agree(both, 'frames', async (s) => masked(s.transmitted('d0').at(-1)!));
  assert.ok(sent.includes('0007000005'));
});
