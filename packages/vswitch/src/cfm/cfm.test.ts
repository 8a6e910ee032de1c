/** Maintenance points that hear each other, by a clock that is held. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { type Ccm, emitCcm, parseCcm } from './ccm.ts';
import { Cfm } from './cfm.ts';
import { cfmSettings } from './config.ts';
import { cfmStatus } from './status.ts';
import { showCfm } from './text.ts';

const FRAME = { source: 1, vlan: undefined, isExtended: false };

function point(mpid: number, config: Record<string, string> = {}): Cfm {
  const other_config = new Map(Object.entries(config));
  return new Cfm(`p${mpid}`, cfmSettings({ cfm_mpid: mpid, other_config }, undefined)!, 0);
}

/** Lets points talk; those in `mute` are not heard. */
function talk(points: readonly Cfm[], from: number, to: number, mute: readonly Cfm[] = []): void {
  for (let now = from; now < to; now += 100) {
    for (const x of points) {
      const ccm = x.send(now);
      x.run(now, () => 0);
      if (!ccm || mute.includes(x)) continue;
      const { isExtended } = x.settings;
      const heard = parseCcm(emitCcm(ccm, { ...FRAME, isExtended }), isExtended) as Ccm;
      for (const y of points) if (y !== x) y.receive(heard, now);
    }
  }
}

const faults = (...points: Cfm[]) => points.map((p) => [...p.faults].sort().join(' '));

describe('CFM', () => {
  it('finds nobody at first, then each other, and tells who is not heard', () => {
    const [a, b] = [point(1), point(2)];
    talk([a, b], 0, 4000, [a, b]);
    assert.deepEqual(faults(a, b), ['recv', 'recv']);
    talk([a, b], 4000, 18_000);
    assert.deepEqual(faults(a, b), ['', '']);
    assert.deepEqual(cfmStatus(a).cfm_remote_mpids, [2]);
    talk([a, b], 18_000, 28_000, [b]);
    assert.deepEqual(faults(a, b), ['recv', 'rdi']);
    talk([a, b], 28_000, 42_000);
    assert.deepEqual(faults(a, b), ['', '']);
    assert.deepEqual([a.flaps, b.flaps], [4, 4]);
  });

  it('reckons health of a single neighbour', () => {
    const [a, b] = [point(1), point(2)];
    talk([a, b], 0, 60_000);
    assert.equal(a.health, 100);
    for (let now = 60_000; now < 120_000; now += 1000) {
      talk([a, b], now, now + 1000, now % 3000 === 0 ? [] : [b]);
    }
    assert.ok(a.health !== undefined && a.health < 50, String(a.health));
    const c = point(3);
    talk([a, b, c], 120_000, 160_000);
    assert.equal(a.health, undefined);
    assert.deepEqual(cfmStatus(a).cfm_remote_mpids, [2, 3]);
  });

  it('hears of an operational state and of long numbers in extended mode', () => {
    const config = { cfm_extended: 'true', cfm_interval: '500' };
    const [a, b] = [point(1, config), point(2 ** 40, { ...config, cfm_opstate: 'down' })];
    talk([a, b], 0, 5000);
    assert.deepEqual(faults(a, b), ['', '']);
    assert.deepEqual(cfmStatus(a).cfm_remote_mpids, [2 ** 40]);
    assert.deepEqual([a.isOpup, b.isOpup], [false, true]);
    assert.equal(cfmStatus(a).cfm_remote_opstate, 'down');
  });

  it('takes traffic for a sign of life in demand mode, for a while', () => {
    const config = { cfm_extended: 'true', cfm_demand: 'true', cfm_interval: '1000' };
    const [a, b] = [point(1, config), point(2, config)];
    talk([a, b], 0, 8000);
    let received = 0;
    const run = (from: number, to: number) => {
      for (let now = from; now < to; now += 100) a.run(now, () => received++);
    };
    run(8000, 60_000);
    assert.deepEqual(faults(a), ['']);
    // A CCM must come within 100 intervals.
    run(60_000, 120_000);
    assert.deepEqual(faults(a), ['recv']);
  });

  it('refuses numbers that there cannot be, and rounds intervals down to known ones', () => {
    const settings = (cfm_mpid: number | bigint | undefined, config: [string, string][] = []) =>
      cfmSettings({ cfm_mpid, other_config: new Map(config) }, undefined);
    assert.equal(settings(undefined), undefined);
    assert.equal(settings(0), undefined);
    assert.equal(settings(8192), undefined);
    assert.equal(settings(8192, [['cfm_extended', 'true']])?.mpid, 8192n);
    assert.equal(settings(1, [['cfm_interval', '999']])?.intervalMs, 100);
    assert.equal(settings(1, [['cfm_interval', '1']])?.intervalMs, 3);
  });

  it('takes any bytes without harm', () => {
    for (let seed = 1; seed <= 3000; seed++) {
      const r = new Random(seed);
      const isExtended = r.chance(50);
      const cfm = point(5, { cfm_extended: String(isExtended) });
      const ccm: Ccm = {
        seq: r.below(2 ** 32),
        mpid: BigInt(1 + r.below(60_000)),
        rdi: r.chance(50),
        intervalCode: r.below(8),
        intervalMs: isExtended ? r.below(65_536) : 0,
        opdown: isExtended && r.chance(50),
      };
      const whole = emitCcm(ccm, { ...FRAME, vlan: { vid: 7, pcp: 1 }, isExtended });
      assert.deepEqual(parseCcm(whole, isExtended), ccm);
      const bytes = Buffer.from(whole.subarray(0, r.below(whole.length + 1)));
      for (let n = r.below(4); n > 0 && bytes.length > 0; n--) {
        bytes[r.below(bytes.length)] = r.below(256);
      }
      const heard = parseCcm(bytes, isExtended);
      if (heard === 'foreign') cfm.receiveForeign();
      else if (heard !== 'bad') cfm.receive(heard, seed);
      cfm.run(seed * 100, () => seed);
      assert.match(showCfm(cfm, seed), /next fault check/);
    }
  });
});
