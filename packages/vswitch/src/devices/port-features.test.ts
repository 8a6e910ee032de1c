/** What OpenFlow tells of a network card's rates. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_FEATURES, portFeatures } from './port-features.ts';

const SETTINGS = { autoneg: false, port: 0, supported: 0, advertised: 0, peer: 0 };

test('a network card tells of its rates, medium and negotiation', () => {
  // 10/100/1000 by twisted pair, as ethtool(8) shows a common card, and what its peer offers.
  const supported = 0x20ef;
  const settings = { ...SETTINGS, autoneg: true, supported, advertised: supported, peer: 0x68 };
  assert.deepEqual(portFeatures({ ...settings, speed: 1000, duplex: 'full' }), {
    curr: (1 << 5) | (1 << 11) | (1 << 13),
    advertised: 0x682f,
    supported: 0x682f,
    peer: (1 << 3) | (1 << 5) | (1 << 13),
    currSpeed: 1_000_000,
    maxSpeed: 1_000_000,
  });
});

test('half duplex, fibre, rates without a bit, devices that tell nothing', () => {
  const curr = (speed: number | undefined, duplex: 'half' | 'full' | undefined, port = 2) =>
    portFeatures({ ...SETTINGS, speed, duplex, port }).curr;
  assert.equal(curr(10, 'half'), 1 << 0);
  assert.equal(curr(10, 'full'), 1 << 1);
  assert.equal(curr(100_000, 'full', 3), (1 << 8) | (1 << 12));
  assert.equal(curr(25_000, 'full', 3), 1 << 12);
  assert.equal(curr(undefined, undefined), 0);
  assert.equal(portFeatures(undefined), NO_FEATURES);
});
