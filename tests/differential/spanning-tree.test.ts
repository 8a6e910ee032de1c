/**
 * Spanning trees of Open vSwitch and ours on dummy devices: the same bridges, the same BPDUs at the
 * same times; the same roles and states, the same BPDUs on the wire, the same status columns.
 * HEDDLE_SEED repeats one round; HEDDLE_COUNT sets how many there are.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { fromHex, toHex } from '@heddle/packet';
import { isolate, Scope } from '@heddle/testing';
import { randomBpdu } from '@heddle/vswitch/oracle/random-bpdu';
import {
  type Bpdu,
  bpduFrame,
  bpduOf,
  emitBpdu,
  parseBpdu,
} from '@heddle/vswitch/spanning-tree/bpdu';
import { agree, agreeSoon, DummySwitch } from './dummy-switch.ts';

isolate();

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 1);
const EVENTS = 8;
const STEP_MS = 100;
/** Between looking and the next event: what falls due with events is over when it is looked at. */
const REST_MS = 700;
const SEEDS =
  process.env['HEDDLE_SEED'] === undefined
    ? Array.from({ length: COUNT }, (_, seed) => seed)
    : [Number(process.env['HEDDLE_SEED'])];
const PORTS = ['p1', 'p2', 'p3'];
const HWADDR = 'aa:55:aa:55:00:00';
const PEER = 0x020000000099;
const HOST = 0x020000010000;

/** A packet of a host that has not been heard of: its address is learned at once. */
function traffic(host: number): string {
  const frame = Buffer.alloc(60);
  frame.writeUIntBE(PEER, 0, 6);
  frame.writeUIntBE(HOST + host, 6, 6);
  frame.writeUInt16BE(0x88b5, 12);
  return toHex(frame);
}

/** What has been learned, and where. */
async function learned(subject: DummySwitch): Promise<string> {
  const lines = (await subject.appctl('fdb/show', 'br0')).split('\n');
  return lines
    .map((line) => line.replace(/\s+\d+$/, ''))
    .sort()
    .join('\n');
}

/** What left by a port. */
function bpdus(subject: DummySwitch, port: string): (Bpdu | undefined)[] {
  const frames = subject.transmitted(port).filter((frame) => frame.startsWith('0180c2'));
  return frames.map((frame) => parseBpdu(bpduOf(fromHex(frame))));
}

/** A column of each port, without what depends on when it was written. */
async function column(subject: DummySwitch, name: string): Promise<string> {
  const words = ['--columns', `name,${name}`, '-f', 'csv', 'list', 'Port', ...PORTS];
  const text = await subject.vsctl(...words);
  return text.replaceAll(/stp_(sec_in_state|tx_count)="*\d+"*(, )?/g, '');
}

function configuration(kind: string, r: Random): string[] {
  const words = ['--', 'set', 'Bridge', 'br0', `${kind}_enable=true`];
  words.push(`other_config:hwaddr=${HWADDR}`);
  if (r.chance(50)) words.push(`other_config:${kind}-priority=${r.pick([0, 4096, 32768, 61440])}`);
  if (r.chance(30)) words.push(`other_config:${kind}-max-age=${r.pick([6, 12, 20, 28])}`);
  if (r.chance(30)) words.push(`other_config:${kind}-forward-delay=${r.pick([15, 20, 30])}`);
  for (const [i, port] of PORTS.entries()) {
    words.push('--', 'set', 'Port', port, `other_config:${kind}-port-num=${i + 1}`);
    if (r.chance(30)) words.push(`other_config:${kind}-path-cost=${r.pick([1, 2, 19, 100])}`);
    if (r.chance(30)) words.push(`other_config:${kind}-port-priority=${r.pick([0, 16, 128, 240])}`);
    if (kind === 'rstp' && r.chance(40)) {
      words.push(`other_config:rstp-port-${r.pick(['admin', 'auto'])}-edge=${r.chance(50)}`);
    }
  }
  return words;
}

/**
 * Open vSwitch starts a timer within a step as if at its beginning: what waits for one goes out by a
 * step sooner. Ages that differ by no more are taken for the same.
 */
function alike(ours: (Bpdu | undefined)[], theirs: (Bpdu | undefined)[]): (Bpdu | undefined)[] {
  return ours.map((a, i) => {
    const b = theirs[i];
    if (!a || !b || a.type === 'tcn' || b.type === 'tcn') return a;
    const { messageAgeMs } = b;
    return Math.abs(a.messageAgeMs - messageAgeMs) > 2.5 * STEP_MS ? a : { ...a, messageAgeMs };
  });
}

for (const kind of ['stp'] as const) {
  test(`${kind}: the same BPDUs have the same consequences`, async () => {
    await using scope = new Scope();
    const both = await DummySwitch.pair(scope);
    const [ours, theirs] = both;
    let sent = 0;
    let hosts = 0;
    for (const seed of SEEDS) {
      const r = new Random(seed);
      const words = configuration(kind, r);
      const told: string[] = [`seed ${seed}: ${words.join(' ')}`];
      for (const subject of both) {
        await subject.setUp('br0', PORTS, words);
        // Bridges speak at a tenth of a second, others at half past: nobody at the same time.
        await subject.warp(500);
      }
      for (let i = 0; i < EVENTS; i++) {
        const port = r.pick(PORTS);
        const frames = Array.from({ length: r.below(3) }, () => [
          port,
          toHex(bpduFrame(PEER, emitBpdu(randomBpdu(r, kind)))),
        ]);
        for (const name of PORTS) if (r.chance(50)) frames.push([name, traffic(++hosts)]);
        const down = r.chance(5);
        const seconds = 1 + r.below(r.chance(20) ? 12 : 2);
        told.push(`${port} ${frames.join(' ')} ${down ? 'down, up, ' : ''}${seconds} s`);
        for (const subject of both) {
          for (const [at, frame] of frames) await subject.receive(at!, frame!);
          if (down) {
            await subject.appctl('netdev-dummy/set-admin-state', port, 'down');
            await subject.warp(1000);
            await subject.appctl('netdev-dummy/set-admin-state', port, 'up');
          }
          await subject.warp(1000 * seconds - REST_MS);
        }
        await agree(both, told.join('\n'), (s) => s.appctl(`${kind}/show`, 'br0'));
        await agree(both, told.join('\n'), learned);
        for (const name of PORTS) {
          const [wasSent, shouldBe] = [bpdus(ours, name), bpdus(theirs, name)];
          assert.deepEqual(alike(wasSent, shouldBe), shouldBe, `${name}\n${told.join('\n')}`);
          sent += wasSent.length;
        }
        for (const subject of both) await subject.warp(REST_MS);
      }
      // Counters are written every five seconds.
      for (const subject of both) await subject.warp(6000);
      const columns = kind === 'stp' ? ['status', 'statistics'] : ['rstp_status'];
      for (const name of columns) {
        await agreeSoon(both, `${name}\n${told.join('\n')}`, (subject) => column(subject, name));
      }
    }
    assert.ok(sent > 0, 'BPDUs were sent');
  });
}
