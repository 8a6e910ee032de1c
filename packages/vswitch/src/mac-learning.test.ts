/** Where addresses are learned, for how long, and which make room for others. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { FakeClock } from '@heddle/runtime';
import { MAC_ENTRY_DEFAULT_IDLE_MS, MacLearning } from './mac-learning.ts';

const A = 0x505400000001;
const B = 0x505400000002;
const C = 0x505400000003;
const GROUP = 0x01005e000001;

function setup(options: { max?: number; idleMs?: number; floodVlans?: readonly number[] } = {}) {
  const clock = new FakeClock();
  const changes: string[] = [];
  const macs = new MacLearning<string>(clock, (vlan, mac) => {
    changes.push(`${vlan}/${mac.toString(16)}`);
  });
  const { max = 8192, idleMs = MAC_ENTRY_DEFAULT_IDLE_MS, floodVlans = [] } = options;
  macs.configure({ max, idleMs, floodVlans: new Set(floodVlans) });
  return { clock, macs, changes };
}

describe('learning', () => {
  it('keeps addresses by VLAN', () => {
    const { macs } = setup();
    macs.learn(1, A, 'p1');
    macs.learn(2, A, 'p2');
    assert.equal(macs.lookup(1, A)?.port, 'p1');
    assert.equal(macs.lookup(2, A)?.port, 'p2');
    assert.equal(macs.lookup(3, A), undefined);
  });

  it('tells whether lookups differ, and its listener which', () => {
    const { macs, changes } = setup();
    assert.equal(macs.learn(0, A, 'p1'), true);
    assert.equal(macs.learn(0, A, 'p1'), false);
    assert.equal(macs.learn(0, A, 'p2'), true);
    assert.deepEqual(changes, ['0/505400000001', '0/505400000001']);
    assert.deepEqual(macs.stats, { learned: 1, expired: 0, evicted: 0, moved: 1 });
  });

  it('does not go back to where an address was before', () => {
    const { clock, macs } = setup();
    macs.learn(0, A, 'p1');
    clock.advance(300);
    macs.learn(0, A, 'p2');
    clock.advance(200);
    // Counters of a megaflow tell of packets that came before the move.
    assert.equal(macs.learn(0, A, 'p1', 250), false);
    assert.equal(macs.lookup(0, A)?.port, 'p2');
    assert.equal(macs.learn(0, A, 'p2', 100), false);
    assert.equal(macs.learn(0, A, 'p1', 150), false);
    assert.equal(macs.learn(0, A, 'p1', 50), true);
    assert.equal(macs.lookup(0, A)?.port, 'p1');
  });

  it('learns no group address and nothing in a VLAN that floods', () => {
    const { macs } = setup({ floodVlans: [7] });
    assert.equal(macs.learn(0, GROUP, 'p1'), false);
    assert.equal(macs.learn(7, A, 'p1'), false);
    assert.equal(macs.size, 0);
  });

  it('forgets a VLAN that comes to flood', () => {
    const { macs, changes } = setup();
    macs.learn(7, A, 'p1');
    macs.learn(8, A, 'p1');
    changes.length = 0;
    const options = { max: 8192, idleMs: MAC_ENTRY_DEFAULT_IDLE_MS, floodVlans: new Set([7]) };
    assert.equal(macs.configure(options), true);
    assert.equal(macs.configure(options), false);
    assert.deepEqual(changes, ['7/505400000001']);
    assert.equal(macs.size, 1);
  });

  it('flushes a port, or all that was learned', () => {
    const { macs } = setup();
    macs.learn(0, A, 'p1');
    macs.learn(0, B, 'p2');
    macs.addStatic(0, C, 'p2');
    macs.flush('p1');
    assert.deepEqual([...macs.entries()].map((e) => e.mac).sort(), [B, C]);
    macs.flush();
    assert.deepEqual(
      [...macs.entries()].map((e) => e.mac),
      [C],
    );
    macs.flush('p2');
    assert.equal(macs.size, 0);
  });
});

describe('age', () => {
  it('ends an entry when its idle time is over, not before', () => {
    const { clock, macs } = setup({ idleMs: 10_000 });
    macs.learn(0, A, 'p1');
    clock.advance(9_999);
    macs.expire();
    assert.equal(macs.lookup(0, A)?.port, 'p1');
    clock.advance(1);
    macs.expire();
    assert.equal(macs.lookup(0, A), undefined);
    assert.equal(macs.stats.expired, 1);
  });

  it('starts anew when the address is seen', () => {
    const { clock, macs } = setup({ idleMs: 10_000 });
    macs.learn(0, A, 'p1');
    macs.learn(0, B, 'p1');
    clock.advance(6_000);
    macs.learn(0, A, 'p1');
    assert.equal(macs.ageSeconds(macs.lookup(0, A)!), 0);
    assert.equal(macs.ageSeconds(macs.lookup(0, B)!), 6);
    clock.advance(6_000);
    macs.expire();
    assert.deepEqual(
      [...macs.entries()].map((e) => e.mac),
      [A],
    );
  });

  it('follows a changed idle time', () => {
    const { clock, macs } = setup({ idleMs: 10_000 });
    macs.learn(0, A, 'p1');
    clock.advance(5_000);
    macs.configure({ max: 8192, idleMs: 4_000, floodVlans: new Set() });
    assert.equal(macs.ageSeconds(macs.lookup(0, A)!), 5);
    macs.expire();
    assert.equal(macs.size, 0);
  });
});

describe('static entries', () => {
  it('neither age nor move, and are deleted as what they are', () => {
    const { clock, macs } = setup({ idleMs: 10_000 });
    macs.learn(0, A, 'p1');
    macs.addStatic(0, A, 'p2');
    assert.equal(macs.learn(0, A, 'p1'), false);
    clock.advance(1_000_000);
    macs.expire();
    assert.equal(macs.lookup(0, A)?.port, 'p2');
    assert.equal(macs.staticCount, 1);
    macs.learn(0, B, 'p1');
    assert.equal(macs.deleteStatic(0, B), false);
    assert.equal(macs.deleteStatic(0, A), true);
    assert.equal(macs.staticCount, 0);
  });

  it('do not shield the learned ones from eviction', () => {
    const { macs } = setup({ max: 4 });
    for (const mac of [A, B, C]) macs.addStatic(0, mac, 'p1');
    macs.learn(0, 0x505400000004, 'p2');
    assert.equal(macs.learn(0, 0x505400000005, 'p2'), true);
    assert.equal(macs.lookup(0, 0x505400000004), undefined);
    assert.equal(macs.size, 4);
  });
});

describe('eviction', () => {
  it('takes the oldest of the fullest port, across VLANs', () => {
    const { clock, macs } = setup({ max: 4 });
    macs.learn(0, A, 'quiet');
    for (const [vlan, mac] of [
      [5, B],
      [6, B],
      [5, C],
    ] as const) {
      clock.advance(1_000);
      macs.learn(vlan, mac, 'noisy');
    }
    macs.learn(0, C, 'quiet');
    assert.equal(macs.lookup(5, B), undefined);
    assert.equal(macs.lookup(0, A)?.port, 'quiet');
    assert.equal(macs.stats.evicted, 1);
  });

  it('counts each once when the table shrinks', () => {
    const { macs } = setup();
    for (const mac of [A, B, C]) macs.learn(0, mac, 'p1');
    macs.configure({ max: 1, idleMs: MAC_ENTRY_DEFAULT_IDLE_MS, floodVlans: new Set() });
    assert.equal(macs.size, 1);
    assert.equal(macs.stats.evicted, 2);
  });

  it('holds the bound and the newest address, whatever comes', () => {
    for (let seed = 0; seed < 200; seed++) {
      const r = new Random(seed);
      const max = 1 + r.below(6);
      const { clock, macs } = setup({ max, idleMs: 10_000 });
      for (let n = 0; n < 50; n++) {
        const [vlan, mac, port] = [r.below(3), A + r.below(10), `p${r.below(3)}`];
        clock.advance(r.below(4_000));
        macs.expire();
        macs.learn(vlan, mac, port);
        assert.equal(macs.lookup(vlan, mac)?.port, port, `seed ${seed}`);
        assert.ok(macs.size <= max, `seed ${seed}`);
        assert.equal([...macs.entries()].length, macs.size, `seed ${seed}`);
      }
      const { learned, expired, evicted } = macs.stats;
      assert.equal(learned - expired - evicted, macs.size, `seed ${seed}`);
    }
  });
});
