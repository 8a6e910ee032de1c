/** The log of flow mods, line by line as Open vSwitch's is for the same ones at the same times. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '@heddle/runtime';
import { FlowModLog } from './flow-mod-log.ts';

/** `when`: seconds after the start, and how many adds come then; undefined is the end. */
function logOf(when: readonly (readonly [s: number, adds: number | undefined])[]): string[] {
  const clock = new FakeClock();
  const said: string[] = [];
  const counts = new FlowModLog('br0<->unix#1', clock, (line) =>
    said.push(`${clock.nowMs() / 1000}: ${line.replace('br0<->unix#1: ', '')}`),
  );
  for (const [s, adds] of when) {
    clock.advance(s * 1000 - clock.nowMs());
    for (let i = 0; i < (adds ?? 0); i++) counts.count('add');
    if (adds === undefined) counts.report();
  }
  return said;
}

test('a connection that ends at once', () => {
  assert.deepEqual(
    logOf([
      [1, 1],
      [1, undefined],
    ]),
    ['1: 1 flow_mods in the last 0 s (1 adds)'],
  );
});

test('one that ends a while after', () => {
  assert.deepEqual(
    logOf([
      [1, 1],
      [4, undefined],
    ]),
    ['4: 1 flow_mods 3 s ago (1 adds)'],
  );
});

test('one that ends a while after the second of two bursts', () => {
  const when = [
    [1, 2],
    [4, 1],
    [6, undefined],
  ] as const;
  assert.deepEqual(logOf(when), ['6: 3 flow_mods in the 3 s starting 5 s ago (3 adds)']);
});

test('one that ends without any', () => {
  assert.deepEqual(
    logOf([
      [1, 0],
      [4, undefined],
    ]),
    [],
  );
});

test('bursts are gathered for ten seconds, and told of once in a minute', () => {
  const when = [
    [1, 3],
    [6, 2],
    [21, 1],
    [145, undefined],
  ] as const;
  assert.deepEqual(logOf(when), [
    '11: 5 flow_mods in the 5 s starting 10 s ago (5 adds)',
    '71: 1 flow_mods 50 s ago (1 adds)',
  ]);
});

test('after a minute it is ten seconds again', () => {
  const when = [
    [1, 1],
    [75, 2],
    [101, undefined],
  ] as const;
  assert.deepEqual(logOf(when), [
    '11: 1 flow_mods 10 s ago (1 adds)',
    '85: 2 flow_mods 10 s ago (2 adds)',
  ]);
});

test('each kind by itself', () => {
  const said: string[] = [];
  const counts = new FlowModLog('br0<->unix#1', new FakeClock(), (line) => said.push(line));
  const commands = ['add', 'delete', 'delete_strict', 'modify', 'modify_strict', 'add'] as const;
  for (const command of commands) counts.count(command);
  counts.report();
  counts.count('modify');
  counts.report();
  const name = 'br0<->unix#1:';
  assert.deepEqual(said, [
    `${name} 6 flow_mods in the last 0 s (2 adds, 2 deletes, 2 modifications)`,
    `${name} 1 flow_mods in the last 0 s (1 modifications)`,
  ]);
});
