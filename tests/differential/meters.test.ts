/**
 * Random meters, packets and pauses on dummy devices: every counter is afterwards what the
 * distribution's switch counts. HEDDLE_COUNT rounds, HEDDLE_SEED.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { toHex } from '@heddle/packet';
import { ethernet, ipv4, udp } from '@heddle/packet/build';
import { isolate, Scope } from '@heddle/testing';
import { DummySwitch } from './dummy-switch.ts';

isolate();

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 3);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const METERS = [1, 2, 3];
function meter(r: Random): string {
  const hasBurst = r.chance(50);
  const isBits = r.chance(50);
  const bands = Array.from({ length: 1 + r.below(3) }, () => {
    const rate = 1 + r.below(isBits ? 40 : 30);
    return `type=drop,rate=${rate}${hasBurst ? `,burst_size=${1 + r.below(30)}` : ''}`;
  });
  const flags = `${isBits ? 'kbps' : 'pktps'}${hasBurst ? ',burst' : ''},stats`;
  return `${flags},bands=${bands.join(',')}`;
}

function packet(dst: number, bytes: number): string {
  const macs = { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' };
  const ips = { src: '10.0.0.1', dst: '10.0.0.2' };
  return toHex(ethernet(macs, ipv4(ips, udp({ src: 7, dst }, new Uint8Array(bytes)))));
}

/** Blocks in an order that does not depend on hashes, durations apart. */
function inOrder(text: string): string {
  const [head = '', ...lines] = text.trim().split('\n');
  const blocks = lines.join('\n').split(/\n+(?=meter[:=])/);
  return [head.replace(/xid=\w+/, 'xid'), ...blocks.sort()]
    .join('\n\n')
    .replace(/duration:[\d.]+s/g, 'duration');
}

/** For how long there has been each meter, in ms, in the order of their numbers. */
function durations(text: string): number[] {
  const told = [...text.matchAll(/meter:(\d+) .*duration:([\d.]+)s/g)];
  const inOrder = told.sort(([, a], [, b]) => Number(a) - Number(b));
  return inOrder.map(([, , seconds]) => Number(seconds) * 1000);
}

test('meters count and drop alike', async (t) => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  const each = <T>(body: (subject: DummySwitch) => Promise<T>) => Promise.all(both.map(body));
  await each((s) => s.setUp('br0', ['p1', 'p2'], ['--', 'set-fail-mode', 'br0', 'secure']));
  const r = new Random(SEED);
  const history: string[] = [];
  const ofctl = (...args: string[]) => {
    history.push(args.join(' '));
    return each((s) => s.instance.exec('ovs-ofctl', '-O', 'OpenFlow13', ...args));
  };
  for (const id of METERS) {
    await ofctl('add-meter', 'br0', `meter=${id},${meter(r)}`);
    const match = `udp,tp_dst=${id},actions=meter:${id},2`;
    await ofctl('add-flow', 'br0', match);
  }
  await ofctl('add-meter', 'br0', 'meter=controller,pktps,stats,bands=type=drop,rate=3');
  await ofctl('add-flow', 'br0', 'udp,tp_dst=9,actions=controller,2');
  for (let round = 0; round < COUNT; round++) {
    const id = r.pick(METERS);
    if (r.chance(50)) await ofctl('mod-meter', 'br0', `meter=${id},${meter(r)}`);
    for (let burst = 0; burst < 3; burst++) {
      const dst = r.chance(20) ? 9 : r.pick(METERS);
      const frames = Array.from({ length: 1 + r.below(8) }, () =>
        packet(dst, r.below(r.chance(50) ? 1000 : 40)),
      );
      history.push(`${frames.length} packets to ${dst}: ${frames.map((f) => f.length / 2)}`);
      await each((s) => s.receive('p1', ...frames));
      const ms = r.pick([0, 1, 7, 50, 333, 1000, 5000]);
      history.push(`${ms} ms`);
      await each((s) => s.warp(ms, ms));
    }
    for (const command of ['meter-stats', 'dump-meters']) {
      const [actual, expected] = await ofctl(command, 'br0');
      const what = `seed ${SEED}, round ${round}, ${command}:\n${history.join('\n')}\n`;
      assert.equal(inOrder(actual!), inOrder(expected!), what);
      const told = durations(expected!);
      durations(actual!).forEach((ms, i) => {
        // Parts of a millisecond, of which the clocks' first values have some.
        assert.ok(Math.abs(ms - told[i]!) < 5, `${what}${ms} instead of ${told[i]} ms`);
      });
    }
    const sent = await each(({ instance }) =>
      instance.exec('ovs-ofctl', '-O', 'OpenFlow13', 'dump-ports', 'br0', 'p2'),
    );
    const counters = sent.map((text) => /tx pkts=\d+, bytes=\d+/.exec(text)?.[0]);
    assert.equal(counters[0], counters[1], history.join('\n'));
  }
  t.diagnostic(`${COUNT} rounds, seed ${SEED}`);
});
