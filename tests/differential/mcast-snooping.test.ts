/**
 * Multicast snooping of Open vSwitch and ours on dummy devices: the same reports, queries and
 * packets; the same traces, tables and frames. HEDDLE_SEED repeats one round; HEDDLE_COUNT sets how
 * many there are.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { toHex } from '@heddle/packet';
import { isolate, Scope } from '@heddle/testing';
import { randomMembership } from '@heddle/vswitch/oracle/random-membership';
import { agree, DummySwitch } from './dummy-switch.ts';

isolate();

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 1);
const FRAMES = 40;
const SEEDS =
  process.env['HEDDLE_SEED'] === undefined
    ? Array.from({ length: COUNT }, (_, seed) => seed)
    : [Number(process.env['HEDDLE_SEED'])];
const PORTS = ['p1', 'p2', 'p3', 'p4'];

/** A trace but for the numbers and order of the datapath's ports, of which there are so many. */
async function traced(subject: DummySwitch, port: string, frame: string): Promise<string> {
  const trace = await subject.appctl('ofproto/trace', 'br0', `in_port=${port}`, frame);
  // Open vSwitch has an IGMP type where others have a port.
  // Whether a group is news to it depends on when it has forgotten a group without members.
  const table = trace.replaceAll(/^ +-> multicast snooping (learned|processed) .*\n/gm, '');
  const text = table.replace(/(nw_proto=2,.*),tp_src=\d+,tp_dst=\d+$/m, '$1');
  // A type of eight bits has a mask of as many, which need not be told.
  const types = text.replaceAll(/icmp_type=(0x[0-9a-f]+)\/0xff/g, (_, type: string) => {
    return `icmp_type=${Number(type)}`;
  });
  return types.replace(/^Datapath actions: (?!drop)(.*)$/m, (_, actions: string) => {
    return `Datapath actions: ${actions.split(',').length}`;
  });
}

function configuration(r: Random): string[] {
  const words = ['--', 'set', 'Bridge', 'br0', 'mcast_snooping_enable=true'];
  const bridge = (setting: string) => words.push('--', 'set', 'Bridge', 'br0', setting);
  if (r.chance(50)) bridge('other_config:mcast-snooping-disable-flood-unregistered=true');
  for (const port of PORTS) {
    const flood = r.chance(50) ? 'flood' : 'flood-reports';
    if (r.chance(20))
      words.push('--', 'set', 'Port', port, `other_config:mcast-snooping-${flood}=true`);
    if (r.chance(15)) words.push('--', 'set', 'Port', port, 'tag=1');
  }
  return words;
}

test('the same messages have the same consequences', async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  const [ours, theirs] = both;
  let sent = 0;
  for (const seed of SEEDS) {
    const r = new Random(seed);
    const words = configuration(r);
    const told = [`seed ${seed}: ${words.join(' ')}`];
    for (const subject of both) await subject.setUp('br0', PORTS, words);
    for (let i = 0; i < FRAMES; i++) {
      const port = r.pick(PORTS);
      const frame = toHex(randomMembership(r));
      const isTraced = r.chance(40);
      const warpMs = 1000 * (1 + r.below(3));
      told.push(`${isTraced ? 'trace' : 'receive'} ${port} ${frame}, ${warpMs} ms`);
      if (isTraced) await agree(both, told.join('\n'), (s) => traced(s, port, frame));
      for (const subject of both) {
        if (!isTraced) await subject.receive(port, frame);
        await subject.warp(warpMs, 1000);
      }
      await agree(both, told.join('\n'), (s) => s.appctl('mdb/show', 'br0'));
    }
    for (const subject of both) {
      await subject.warp(400_000, 40_000);
      assert.equal(
        (await subject.appctl('mdb/show', 'br0')).split('\n').length,
        2,
        told.join('\n'),
      );
    }
    for (const port of PORTS) {
      const [a, b] = [ours.transmitted(port), theirs.transmitted(port)];
      assert.deepEqual(a, b, `${port}\n${told.join('\n')}`);
      sent += a.length;
    }
  }
  assert.ok(sent > 0, 'frames came out');
});
