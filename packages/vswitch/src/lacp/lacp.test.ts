/** Two systems that speak LACP to each other, by a clock that is held. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { realClock } from '@heddle/runtime';
import { MacLearning } from '../mac-learning.ts';
import { Bundle, OfPort, Ofproto } from '../ofproto.ts';
import { Lacp, type LacpSettings } from './lacp.ts';
import { emitPdu, NO_INFO, parsePdu, slowFrame } from './pdu.ts';
import { showLacp } from './text.ts';

function side(sysId: number, settings: Partial<LacpSettings> = {}, nowMs = 0) {
  const bridge: Ofproto = new Ofproto('br0', new MacLearning<Bundle>(realClock, () => {}));
  const bundle = new Bundle('bond0', bridge);
  const ports = [1, 2].map((n) => new OfPort(`p${n}`, n, bundle));
  const lacp = new Lacp('bond0', {
    active: true,
    fast: true,
    sysId,
    sysPriority: 65_534,
    ...settings,
  });
  const member = (n: number) => ({ portId: n, portPriority: 65_535, key: 1 });
  lacp.setMembers(new Map(ports.map((p) => [p, member(p.ofport)])), nowMs);
  return { lacp, ports };
}

type Side = ReturnType<typeof side>;

/** Lets two sides talk, link by link, from `from` to `to`; links not in `links` lose what is said. */
function talk(a: Side, b: Side, from: number, to: number, links = [0, 1]): void {
  for (let now = from; now <= to; now += 100) {
    for (const [x, y] of [
      [a, b],
      [b, a],
    ] as const) {
      for (const { port, pdu } of x.lacp.run(now)) {
        const link = x.ports.indexOf(port);
        if (links.includes(link)) y.lacp.receive(y.ports[link]!, pdu, now);
      }
    }
  }
}

const usable = ({ lacp }: Side) => [...lacp.members.values()].map((m) => m.mayEnable);

describe('LACP', () => {
  it('agrees on both links, keeps them while both talk, and gives up a silent one', () => {
    const [a, b] = [side(1), side(2)];
    talk(a, b, 0, 2000);
    assert.deepEqual(
      [usable(a), usable(b)],
      [
        [true, true],
        [true, true],
      ],
    );
    talk(a, b, 2000, 20_000);
    assert.deepEqual(
      [usable(a), usable(b)],
      [
        [true, true],
        [true, true],
      ],
    );
    talk(a, b, 20_000, 24_000, [0]);
    assert.deepEqual(
      [usable(a), usable(b)],
      [
        [true, false],
        [true, false],
      ],
    );
    talk(a, b, 24_000, 30_000, [0]);
    assert.match(showLacp(a.lacp), /member: p2: defaulted detached/);
    talk(a, b, 30_000, 60_000);
    assert.deepEqual(
      [usable(a), usable(b)],
      [
        [true, true],
        [true, true],
      ],
    );
  });

  it('is agreed on by an active side and a passive one, not by two passive ones', () => {
    const [a, b] = [side(1), side(2, { active: false })];
    talk(a, b, 0, 3000);
    assert.deepEqual(
      [usable(a), usable(b)],
      [
        [true, true],
        [true, true],
      ],
    );
    const [c, d] = [side(1, { active: false }), side(2, { active: false })];
    talk(c, d, 0, 10_000);
    assert.equal(c.lacp.isNegotiated || d.lacp.isNegotiated, false);
    assert.equal(
      [...c.lacp.members.values()].some((m) => m.stats.tx > 0),
      false,
    );
  });

  it('takes no links to two systems into one aggregate', () => {
    const [a, b, c] = [side(1), side(2), side(3)];
    for (let now = 0; now <= 5000; now += 100) {
      for (const { port, pdu } of a.lacp.run(now)) {
        const link = a.ports.indexOf(port);
        [b, c][link]!.lacp.receive([b, c][link]!.ports[link]!, pdu, now);
      }
      for (const [link, x] of [b, c].entries()) {
        for (const { port, pdu } of x.lacp.run(now)) {
          if (port === x.ports[link]) a.lacp.receive(a.ports[link]!, pdu, now);
        }
      }
    }
    assert.equal(usable(a).filter(Boolean).length, 1);
  });

  it('talks slowly to who asks for that', () => {
    const [a, b] = [side(1, { fast: false }), side(2, { fast: false })];
    talk(a, b, 0, 5000);
    const sent = () => [...a.lacp.members.values()].reduce((n, m) => n + m.stats.tx, 0);
    const before = sent();
    talk(a, b, 5000, 65_000);
    assert.ok(sent() - before <= 2 * 3, `${sent() - before} PDUs in a minute`);
    assert.deepEqual(usable(a), [true, true]);
  });

  it('writes PDUs as Open vSwitch does', () => {
    const actor = {
      sysPriority: 0xfffe,
      sysId: 0xd250cd327344,
      key: 3,
      portPriority: 0xffff,
      portId: 2,
      state: 0xbf,
    };
    const pdu = emitPdu({ actor, partner: { ...NO_INFO, state: 2 } });
    const recorded =
      '0180c2000002aa55aa55001a880901010114fffed250cd3273440003ffff0002bf0000000214' +
      '00000000000000000000000000000200000003100000';
    assert.equal(slowFrame(0xaa55aa55001a, pdu).toString('hex'), recorded.padEnd(248, '0'));
    assert.deepEqual(parsePdu(pdu), { actor, partner: { ...NO_INFO, state: 2 } });
  });

  it('takes any bytes without harm', () => {
    const { lacp, ports } = side(1);
    const whole = emitPdu({ actor: NO_INFO, partner: NO_INFO });
    for (let seed = 1; seed <= 2000; seed++) {
      const r = new Random(seed);
      const bytes = Buffer.from(whole.subarray(0, r.below(whole.length + 1)));
      for (let n = r.below(8); n > 0 && bytes.length > 0; n--) {
        bytes[r.below(bytes.length)] = r.below(256);
      }
      lacp.receive(ports[0]!, bytes, seed);
      for (const frame of lacp.run(seed)) assert.equal(frame.pdu.length, whole.length);
    }
    assert.match(showLacp(lacp), /member: p1/);
  });
});
