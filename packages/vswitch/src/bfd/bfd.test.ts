/** Two BFD sessions that speak to each other, by a clock that is held. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { Flow } from '@heddle/packet';
import { Bfd, type BfdSettings, Diag } from './bfd.ts';
import { bfdSettings, newBfd } from './config.ts';
import { takesBfd } from './match.ts';
import { BFD_STATES, type BfdPacket, emitBfd, parseBfd } from './packet.ts';
import { showBfd } from './text.ts';

const TO = { ethSrc: 1, ethDst: 2, ipSrc: 3, ipDst: 4, udpSrc: 49_152 };
const settings = (config: Record<string, string> = {}): BfdSettings =>
  bfdSettings(new Map(Object.entries({ enable: 'true', ...config })))!;

function session(disc: number, config: Record<string, string> = {}): Bfd {
  return new Bfd(`p${disc}`, settings(config), { disc, udpSrc: 49_152, random: () => 0.5 });
}

/** Lets two sessions talk from `from` to `to`; `heard` says who hears what. */
function talk(a: Bfd, b: Bfd, from: number, to: number, heard = { a: true, b: true }): void {
  for (let now = from; now <= to; now += 10) {
    for (const [x, y, isHeard] of [
      [a, b, heard.b],
      [b, a, heard.a],
    ] as const) {
      x.run(now, () => 0);
      const packet = x.send(now);
      const parsed = packet && parseBfd(emitBfd(packet, TO));
      if (parsed && isHeard) y.receive(parsed as BfdPacket, now);
    }
  }
}

const states = (...sessions: Bfd[]) => sessions.map((s) => s.state);

describe('BFD', () => {
  it('comes up, tells a lost neighbour within three intervals, and comes up again', () => {
    const [a, b] = [session(1, { min_rx: '300' }), session(2, { min_rx: '300' })];
    talk(a, b, 0, 3000);
    assert.deepEqual(states(a, b), ['up', 'up']);
    talk(a, b, 3000, 3950, { a: false, b: true });
    assert.equal(a.state, 'down');
    assert.equal(a.diag, Diag.expired);
    talk(a, b, 3960, 6000, { a: false, b: true });
    // The neighbour hears that it is not heard.
    assert.equal(b.isForwarding, false);
    assert.equal(b.diag, Diag.neighborDown);
    talk(a, b, 6000, 10_000);
    assert.deepEqual(states(a, b), ['up', 'up']);
    assert.deepEqual([a.flaps, b.flaps], [3, 3]);
  });

  it('agrees on new intervals by a Poll Sequence', () => {
    const [a, b] = [session(1), session(2)];
    talk(a, b, 0, 4000);
    assert.equal(a.txIntervalMs, 1000);
    b.configure(settings({ min_rx: '200' }));
    assert.equal(b.minRxMs, 1000);
    talk(a, b, 4000, 5500);
    assert.equal(b.minRxMs, 200);
    assert.equal(a.txIntervalMs, 200);
    talk(a, b, 5500, 9000);
    assert.deepEqual(states(a, b), ['up', 'up']);
    assert.deepEqual([a.flags, b.flags], [0, 0]);
  });

  it('does not forward to who says that the path beyond is down', () => {
    const [a, b] = [session(1), session(2, { cpath_down: 'true' })];
    talk(a, b, 0, 4000);
    assert.deepEqual(states(a, b), ['up', 'up']);
    assert.deepEqual([a.isForwarding, b.isForwarding], [false, true]);
    b.configure(settings());
    talk(a, b, 4000, 8000);
    assert.equal(a.isForwarding, true);
  });

  it('slows an idle neighbour down, and hurries it when traffic comes', () => {
    const [a, b] = [session(1, { min_rx: '300', decay_min_rx: '1000' }), session(2)];
    let received = 0;
    const run = (from: number, to: number, data: number) => {
      for (let now = from; now <= to; now += 10) {
        received += data;
        a.run(now, () => received);
        const packet = a.send(now);
        if (packet) b.receive(packet, now);
        b.run(now, () => 0);
        const answer = b.send(now);
        if (!answer) continue;
        received++;
        a.receive(answer, now);
      }
    };
    run(0, 9000, 0);
    assert.equal(a.minRxMs, 1000);
    run(9000, 16_000, 1);
    assert.equal(a.minRxMs, 300);
    assert.deepEqual(states(a, b), ['up', 'up']);
  });

  it('takes traffic for a sign of life where that is wanted, for a while', () => {
    const [a, b] = [session(1, { min_rx: '100', forwarding_if_rx: 'true' }), session(2)];
    let received = 0;
    talk(a, b, 0, 3000);
    for (let now = 3000; now <= 8000; now += 100) a.run(now, () => received++);
    assert.equal(a.state, 'down');
    assert.equal(a.isForwarding, true);
    // A control packet must come within 100 intervals.
    for (let now = 8000; now <= 14_000; now += 100) a.run(now, () => received++);
    assert.equal(a.isForwarding, false);
  });

  it('takes any bytes without harm, and only good ones', () => {
    const bfd = session(7);
    const whole = emitBfd(
      { diag: 0, state: 'down', flags: 0, mult: 3, myDisc: 1, yourDisc: 0, minTxUs: 1, minRxUs: 1 },
      TO,
    );
    let taken = 0;
    for (let seed = 1; seed <= 2000; seed++) {
      const r = new Random(seed);
      const bytes = Buffer.from(whole.subarray(0, r.chance(50) ? whole.length : r.below(70)));
      for (let n = r.below(4); n > 0 && bytes.length > 0; n--) {
        bytes[r.below(bytes.length)] = r.below(256);
      }
      const packet = parseBfd(bytes);
      if (typeof packet === 'string') bfd.discard(packet);
      else {
        taken++;
        bfd.receive(packet, seed);
        assert.ok(BFD_STATES.includes(bfd.state));
      }
      bfd.run(seed, () => seed);
      const sent = bfd.send(seed);
      if (sent) assert.equal(typeof parseBfd(emitBfd(sent, TO)), 'object');
      assert.match(showBfd(bfd, seed), /Local Session State: /);
    }
    assert.ok(taken > 50);
  });

  it('looks at no more than tells its packets from others', () => {
    const bfd = newBfd('p0', settings({ bfd_remote_dst_mac: '00:23:20:00:00:01' }));
    const udp = new Flow();
    udp.dlType = 0x0800;
    udp.nwProto = 17;
    for (let seed = 1; seed <= 500; seed++) {
      const r = new Random(seed);
      udp.tpDst = r.chance(50) ? 3784 : r.below(65_536);
      udp.dlDst = r.chance(50) ? 0x002320000001 : r.below(2 ** 32) * 2 ** r.below(16);
      const mask = new Flow();
      const takes = takesBfd(bfd, udp, mask);
      // Whatever differs only where nobody looked is treated alike.
      const other = udp.clone();
      other.tpDst ^= r.below(65_536) & ~mask.tpDst;
      const dst = BigInt(udp.dlDst) ^ (BigInt(r.below(2 ** 32)) & ~BigInt(mask.dlDst));
      other.dlDst = Number(dst & 0xffff_ffff_ffffn);
      assert.equal(takesBfd(bfd, other, new Flow()), takes, `seed ${seed}`);
    }
  });
});
