/** Bonds: which member is active, which flows go by which. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { realClock } from '@heddle/runtime';
import { MacLearning } from '../mac-learning.ts';
import { Bundle, OfPort, Ofproto } from '../ofproto.ts';
import { announcements } from './announce.ts';
import { Buckets, N_BUCKETS } from './balance.ts';
import { Bond, type BondSettings } from './bond.ts';

const SETTINGS: BondSettings = {
  mode: 'active-backup',
  upDelayMs: 0,
  downDelayMs: 0,
  hashBasis: 0,
  rebalanceMs: 10_000,
  allMembersActive: false,
  primary: undefined,
  wantsLacp: false,
  fallsBack: false,
  miimonMs: 0,
};

function world(settings: Partial<BondSettings> = {}) {
  const bridge: Ofproto = new Ofproto('br0', new MacLearning<Bundle>(realClock, () => {}));
  const bundle = new Bundle('bond0', bridge);
  bridge.bundles.set('bond0', bundle);
  const bond = new Bond('bond0', { ...SETTINGS, ...settings });
  const [p1, p2] = [new OfPort('p1', 1, bundle), new OfPort('p2', 2, bundle)] as const;
  bundle.bond = bond;
  bundle.ports.push(p1, p2);
  bond.setPorts([p1, p2]);
  return { bridge, bundle, bond, p1, p2 };
}

describe('a bond', () => {
  it('sends by one member and takes from it alone; the other takes over at once', () => {
    const { bond, p1, p2 } = world();
    assert.equal(bond.run(0), true);
    assert.equal(bond.choose(7)?.port, p1);
    assert.equal(bond.admits(p1, true), 'accept');
    assert.equal(bond.admits(p2, false), 'drop');
    p1.isLinkUp = false;
    assert.equal(bond.run(1), true);
    assert.equal(bond.choose(7)?.port, p2);
    assert.equal(bond.run(2), false);
    p1.isLinkUp = true;
    bond.run(3);
    assert.equal(bond.choose(7)?.port, p2, 'it does not go back by itself');
  });

  it('goes on with the member that was active, if it is up', () => {
    const { p1, p2 } = world();
    for (const [isUp, active] of [
      [true, p2],
      [false, p1],
    ] as const) {
      p2.isLinkUp = isUp;
      const next = new Bond('bond0', SETTINGS, p2);
      next.setPorts([p1, p2]);
      next.run(0);
      assert.equal(next.active?.port, active);
      p2.isLinkUp = true;
      next.run(1);
      assert.equal(next.active?.port, active);
    }
  });

  it('goes back to its primary', () => {
    const { bond, p1, p2 } = world({ primary: 'p2' });
    bond.run(0);
    assert.equal(bond.active?.port, p2);
    p2.mayEnable = false;
    bond.run(1);
    assert.equal(bond.active?.port, p1);
    p2.mayEnable = true;
    bond.run(2);
    assert.equal(bond.active?.port, p2);
  });

  it('waits for links to settle, but not for the first', () => {
    const { bond, p1, p2 } = world({ upDelayMs: 100, downDelayMs: 50 });
    p2.isLinkUp = false;
    bond.run(0);
    assert.deepEqual(
      bond.enabled.map((m) => m.port),
      [p1],
    );
    p2.isLinkUp = true;
    bond.run(10);
    assert.equal(bond.dueMs, 110);
    bond.run(109);
    assert.equal(bond.enabled.length, 1);
    bond.run(110);
    assert.equal(bond.enabled.length, 2);
    p1.isLinkUp = false;
    bond.run(200);
    assert.equal(bond.active?.port, p1);
    p1.isLinkUp = true;
    bond.run(240);
    assert.equal(bond.run(300), false);
    assert.equal(bond.enabled.length, 2, 'a flap shorter than the delay is none');
    p1.isLinkUp = false;
    bond.run(310);
    bond.run(360);
    assert.equal(bond.active?.port, p2);
  });

  it('does nothing without the LACP that it asks for, unless it may fall back', () => {
    const { bond, p1 } = world({ mode: 'balance-tcp', wantsLacp: true });
    bond.run(0);
    assert.equal(bond.choose(1), undefined);
    assert.equal(bond.admits(p1, false), 'drop');
    bond.settings = { ...bond.settings, fallsBack: true };
    bond.run(1);
    assert.equal(bond.choose(1)?.port, p1);
  });

  it('balances by address; each bucket stays at its member while that is up', () => {
    const { bond, p1, p2 } = world({ mode: 'balance-slb' });
    bond.run(0);
    const before = Array.from({ length: N_BUCKETS }, (_, i) => bond.choose(i)?.port);
    assert.ok(before.filter((p) => p === p1).length === N_BUCKETS / 2);
    p1.isLinkUp = false;
    bond.run(1);
    for (let i = 0; i < N_BUCKETS; i++) assert.equal(bond.choose(i)?.port, p2);
    assert.equal(bond.admits(p2, true), 'drop-if-moved');
    p1.isLinkUp = true;
    bond.run(2);
    assert.equal(bond.admits(p1, true), 'drop');
  });

  it('moves busy buckets to idle members', () => {
    const { bond, p1 } = world({ mode: 'balance-slb' });
    bond.run(0);
    const atFirst = Array.from({ length: N_BUCKETS }, (_, i) => i).filter(
      (i) => bond.choose(i)?.port === p1,
    );
    for (const bucket of atFirst.slice(0, 8)) bond.buckets.count(bucket, 1_000_000);
    assert.equal(bond.run(9_999), false);
    assert.equal(bond.run(10_000), true);
    const loads = [...bond.members.values()].map((m) =>
      bond.buckets.load(m, bond.enabled).reduce((sum, b) => sum + b.bytes, 0),
    );
    assert.equal(loads[0], loads[1]);
  });

  it('tells where addresses are, tagged as the port wants', () => {
    const { bridge, bond, p1, bundle } = world();
    bond.run(0);
    const other = new Bundle('p9', bridge);
    bridge.macs.learn(5, 0x020000000001, other);
    bridge.macs.learn(0, 0x020000000002, bundle);
    const [one, ...rest] = announcements(bridge, bond);
    assert.equal(rest.length, 0);
    assert.equal(one?.port, p1);
    const hex = Buffer.from(one!.frame).toString('hex');
    assert.match(hex, /^ffffffffffff020000000001810000058035000108000604000302000000000100000000/);
  });
});

describe('buckets', () => {
  it('are never less even after rebalancing, and none is lost', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const r = new Random(seed);
      const members = Array.from({ length: 1 + r.below(5) }, (_, i) => `m${i}`);
      const buckets = new Buckets<string>();
      const loads = members.map(() => 0);
      for (let n = r.below(300); n > 0; n--) {
        buckets.count(r.below(N_BUCKETS), r.below(1_000_000));
      }
      const spread = () => {
        members.forEach((m, i) => {
          loads[i] = buckets.load(m, members).reduce((sum, b) => sum + b.bytes, 0);
        });
        return Math.max(...loads) - Math.min(...loads);
      };
      const before = spread();
      buckets.rebalance(members);
      assert.ok(spread() * 2 <= before + 1e-6, `seed ${seed}`);
      const all = members.flatMap((m) => buckets.load(m, members).map((b) => b.bucket));
      assert.deepEqual(
        all.sort((x, y) => x - y),
        Array.from({ length: N_BUCKETS }, (_, i) => i),
      );
    }
  });
});
