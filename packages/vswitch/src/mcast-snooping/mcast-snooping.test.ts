/** Groups and routers that IGMP and MLD tell of, by a clock that is held. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { randomMembership } from '../oracle/random-membership.ts';
import { McastSnooping } from './mcast-snooping.ts';
import { type McastMessage, parseMembership } from './membership.ts';

class World {
  nowMs = 0;
  changes = 0;
  readonly table: McastSnooping<string>;

  constructor(max = 100) {
    const settings = { max, idleMs: 300_000, floodsUnregistered: true };
    this.table = new McastSnooping<string>(settings, {
      nowMs: () => this.nowMs,
      changed: () => this.changes++,
      isFlooded: (port) => port === 'flooded',
    });
  }

  members(group: string): string[] {
    return [...(this.table.lookup(0, group)?.ports.keys() ?? [])];
  }
}

function report(group: string, leaves = false): McastMessage {
  return { kind: 'report', isSingle: true, groups: [{ group, leaves }] };
}

const QUERY: McastMessage = { kind: 'query', from: '10.0.0.1', isRouter: true };

test('a group is where it was asked for, until it is left', () => {
  const w = new World();
  w.table.hear(0, 'p1', report('239.1.1.1'));
  w.table.hear(0, 'p2', report('239.1.1.1'));
  assert.deepEqual(w.members('239.1.1.1'), ['p1', 'p2']);
  w.table.hear(0, 'p1', report('239.1.1.1', true));
  assert.deepEqual(w.members('239.1.1.1'), ['p2']);
  w.table.hear(0, 'p2', report('239.1.1.1', true));
  assert.equal(w.table.lookup(0, '239.1.1.1'), undefined);
  assert.deepEqual([...w.table.groups()], []);
});

test('what is heard of no more is forgotten, routers sooner than members', () => {
  const w = new World();
  w.table.hear(0, 'p1', report('239.1.1.1'));
  w.table.hear(0, 'r', QUERY);
  w.nowMs = 179_000;
  w.table.expire();
  assert.equal(w.table.routers().length, 1);
  w.nowMs = 180_000;
  w.table.expire();
  assert.equal(w.table.routers().length, 0);
  assert.deepEqual(w.members('239.1.1.1'), ['p1']);
  w.nowMs = 300_000;
  w.table.expire();
  assert.equal(w.table.lookup(0, '239.1.1.1'), undefined);
});

test('only what changes where packets go is told', () => {
  const w = new World();
  w.table.hear(0, 'p1', report('239.1.1.1'));
  assert.equal(w.changes, 1);
  w.table.hear(0, 'p1', report('239.1.1.1'));
  w.table.hear(0, 'p9', report('239.1.1.1', true));
  assert.equal(w.changes, 1);
});

test('the least recent group makes room', () => {
  const w = new World(10);
  for (let i = 0; i < 10; i++) w.table.hear(0, 'p1', report(`239.0.0.${i}`));
  w.table.hear(0, 'p1', report('239.0.0.0'));
  w.table.hear(0, 'p1', report('239.9.9.9'));
  assert.deepEqual(w.members('239.0.0.0'), ['p1']);
  assert.equal(w.table.lookup(0, '239.0.0.1'), undefined);
  assert.equal([...w.table.groups()].length, 10);
});

test('a port that gets everything is entered for nothing', () => {
  const w = new World();
  w.table.hear(0, 'flooded', report('239.1.1.1'));
  w.table.hear(0, 'flooded', QUERY);
  w.table.hear(0, 'r', QUERY);
  w.table.hear(0, 'r', report('239.1.1.1'));
  assert.equal(w.table.lookup(0, '239.1.1.1'), undefined);
  assert.deepEqual(
    w.table.routers().map(({ port }) => port),
    ['r'],
  );
});

test('messages that are cut short or changed on their way do no harm', () => {
  const r = new Random(1);
  const w = new World();
  for (let i = 0; i < 20_000; i++) {
    const frame = randomMembership(r);
    for (let n = r.below(4); n > 0; n--) frame[r.below(frame.length)] = r.below(256);
    const message = parseMembership(
      r.chance(50) ? frame.subarray(0, r.below(frame.length)) : frame,
    );
    if (message) w.table.hear(0, 'p1', message);
    assert.ok([...w.table.groups()].length <= 100);
  }
});
