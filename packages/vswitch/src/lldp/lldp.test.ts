/** LLDP frames and neighbours. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { Lldp, type LldpSettings } from './lldp.ts';
import { emitLldp, parseLldp } from './pdu.ts';
import { showIsids, showLldp, showLldpStats } from './text.ts';

const settings = (mappings: [number, number][] = []): LldpSettings => ({
  systemName: 'sys',
  systemDescription: 'openvswitch 3.1.0',
  mappings: new Map(mappings),
});

const SERVER = {
  mac: 0x505400000077,
  port: 'eth7',
  ttlS: 120,
  systemName: 'srv',
  systemDescription: 'a server',
  mappings: [],
};

describe('LLDP', () => {
  it('writes frames as Open vSwitch does', () => {
    const recorded =
      '0180c200000eaa55aa55000488cc020704aa55aa5500040403056430060200780a037379730c116f70656e7673' +
      '776974636820332e312e300e0400040004fe3200040d0b00000000000000000000000000000000000000000000' +
      '0000000000000000000038000000aa55aa55000400000000fe2e00040d0c000000000000000000000000000000' +
      '00000000000000000000000000000000000007000005000800000' +
      '60000';
    const lldp = new Lldp(
      'd0',
      settings([
        [5, 7],
        [6, 8],
      ]),
      0,
    );
    assert.equal(lldp.send(4999, 1), undefined);
    const frame = lldp.send(5000, 0xaa55aa550004);
    assert.equal(Buffer.from(frame!).toString('hex'), recorded);
    assert.equal(lldp.nextTxMs, 10_000);
  });

  it('knows a neighbour until it says nothing for long, or that it goes', () => {
    const lldp = new Lldp('d0', settings([[5, 7]]), 0);
    lldp.receive(emitLldp({ ...SERVER, mappings: [{ isid: 5, vlan: 7, status: 2 }] }), 0);
    assert.match(showLldp(lldp), /Server Id: 50:54:00:00:00:77\n.*Descr: a server\n/);
    assert.match(showIsids(lldp), /^5 {8}7 {4}Switch {6}Active {5}$/m);
    lldp.receive(emitLldp({ ...SERVER, mac: 3, ttlS: 60 }), 0);
    assert.equal(lldp.neighbors.size, 2);
    assert.equal(lldp.dueMs, 5000);
    lldp.run(60_000);
    assert.equal(lldp.neighbors.size, 1);
    lldp.receive(emitLldp({ ...SERVER, ttlS: 0 }), 60_000);
    assert.equal(lldp.neighbors.size, 0);
    assert.match(
      showLldpStats(lldp),
      /rx cnt: 3\n(?:.*\n)* {2}ageout cnt: 1\n {2}insert cnt: 2\n {2}delete cnt: 1\n/,
    );
  });

  it('keeps no more neighbours than it can', () => {
    const lldp = new Lldp('d0', settings(), 0);
    for (let mac = 1; mac <= 100; mac++) lldp.receive(emitLldp({ ...SERVER, mac }), 0);
    assert.equal(lldp.neighbors.size + lldp.stats.drop, 100);
    assert.ok(lldp.stats.drop > 0);
  });

  it('takes any bytes without harm', () => {
    const lldp = new Lldp('d0', settings([[5, 7]]), 0);
    const whole = emitLldp({ ...SERVER, mappings: [{ isid: 5, vlan: 7, status: 3 }] });
    let good = 0;
    for (let seed = 1; seed <= 1500; seed++) {
      const r = new Random(seed);
      const bytes = Buffer.from(r.chance(50) ? whole : whole.subarray(0, r.below(whole.length)));
      for (let n = r.below(4); n > 0 && bytes.length > 0; n--) {
        bytes[r.below(bytes.length)] = r.below(256);
      }
      if (parseLldp(bytes).pdu) good++;
      lldp.receive(bytes, seed * 100);
      lldp.run(seed * 100);
      assert.match(showLldp(lldp) + showIsids(lldp) + showLldpStats(lldp), /LLDP: d0/);
    }
    assert.ok(good > 150);
  });
});
