/** Timeouts and limits of conntrack zones, from the database and by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_TIMEOUTS, UserspaceDpif } from '@heddle/datapath';
import { CtZones } from './ct-zones.ts';

function tracker() {
  const openNetdev = () => {
    throw new Error('no devices');
  };
  return new UserspaceDpif({ openNetdev }).ct;
}

const zone = (timeouts: Record<string, number>, limit?: number) => ({
  timeouts: new Map(Object.entries(timeouts)),
  limit,
});

test('zones with the same timeouts share a policy, and numbers are used again', () => {
  const ct = tracker();
  const zones = new CtZones(ct);
  const one = zone({ udp_first: 5 });
  const two = zone({ udp_first: 6, tcp_unack: 1 });
  const configure = (...each: [number, ReturnType<typeof zone>][]) =>
    zones.configure({ zones: new Map(each) });
  assert.equal(configure([1, one], [2, two], [3, zone({ udp_first: 5 })]), true);
  assert.deepEqual(
    [1, 2, 3, 4].map((z) => zones.policyOf(z)),
    [1, 2, 1, undefined],
  );
  assert.equal(configure([1, one], [2, two], [3, one]), false);
  assert.equal(configure([2, two], [3, one]), true);
  assert.equal(zones.policyOf(1), undefined);
  assert.equal(configure([2, two], [4, zone({ icmp_first: 9 })]), true);
  assert.equal(zones.policyOf(4), 1);
  const policies = new Map(ct.timeoutPolicies());
  assert.deepEqual(policies.get(1), { ...DEFAULT_TIMEOUTS, icmp_first: 9 });
  // The next daemon finds the numbers that connections have.
  const next = new CtZones(ct);
  next.configure({ zones: new Map([[9, two]]) });
  assert.equal(next.policyOf(9), 2);
  assert.deepEqual([...ct.timeoutPolicies()].length, 1);
});

test('limits come and go with the database, those set by hand stay', () => {
  const ct = tracker();
  const zones = new CtZones(ct);
  ct.setZoneLimit(7, 70);
  ct.defaultLimit = 3;
  const limits = () => [ct.defaultLimit, ...ct.zoneLimits()];
  zones.configure({ zones: new Map() });
  assert.deepEqual(limits(), [3, [7, 70]]);
  zones.configure({ zones: new Map([[1, zone({}, 10)]]), defaultLimit: 5 });
  assert.deepEqual(limits(), [5, [1, 10], [7, 70]]);
  zones.configure({ zones: new Map([[1, zone({})]]) });
  assert.deepEqual(limits(), [0, [7, 70]]);
});
