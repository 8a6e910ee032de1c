/** When connections are tried again, probed and given up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from './clock.ts';
import { Reconnect } from './reconnect.ts';
import { vlog } from './vlog.ts';

function world(probeMs = 5000) {
  const clock = new FakeClock();
  const events: string[] = [];
  const note = (what: string) => () => void events.push(`${clock.nowMs()} ${what}`);
  const r = new Reconnect(
    'unix:/x',
    { connect: note('connect'), probe: note('probe'), disconnect: note('disconnect') },
    { clock, probeMs },
  );
  return { clock, events, r };
}

function logged(run: () => void): string[] {
  const lines: string[] = [];
  vlog.setConsole((line) => lines.push(line.replace(/^.*?\|\d+\|/, '')));
  try {
    run();
  } finally {
    vlog.setConsole(undefined);
  }
  return lines;
}

test('attempts wait 1, 2, 4, 8, 8 seconds and log as upstream does', () => {
  const { clock, events, r } = world();
  const lines = logged(() => {
    r.start();
    for (const wait of [1000, 2000, 4000, 8000, 8000]) {
      r.failed('No such file or directory');
      assert.equal(r.state, 'waiting');
      clock.advance(wait);
    }
  });
  assert.deepEqual(
    events,
    [0, 1000, 3000, 7000, 15000, 23000].map((ms) => `${ms} connect`),
  );
  const failed = 'unix:/x: connection attempt failed (No such file or directory)';
  assert.deepEqual(lines, [
    'reconnect|INFO|unix:/x: connecting...',
    `reconnect|INFO|${failed}`,
    'reconnect|INFO|unix:/x: connecting...',
    `reconnect|INFO|${failed}`,
    'reconnect|INFO|unix:/x: waiting 2 seconds before reconnect',
    'reconnect|INFO|unix:/x: connecting...',
    `reconnect|INFO|${failed}`,
    'reconnect|INFO|unix:/x: waiting 4 seconds before reconnect',
    'reconnect|INFO|unix:/x: connecting...',
    `reconnect|INFO|${failed}`,
    'reconnect|INFO|unix:/x: continuing to reconnect in the background but suppressing further logging',
  ]);
});

test('a silent peer is probed, then dropped; one that answers is kept', () => {
  const { clock, events, r } = world();
  logged(() => {
    r.start();
    r.connected();
    clock.advance(5000);
    assert.equal(r.state, 'idle');
    r.heard();
    clock.advance(9999);
    assert.deepEqual(events, ['0 connect', '5000 probe', '10000 probe']);
    clock.advance(1);
  });
  assert.equal(events.at(-1), '15000 disconnect');
  assert.equal(r.state, 'waiting');
});

test('an attempt without an answer times out; stop ends everything', () => {
  const { clock, events, r } = world(0);
  logged(() => {
    r.start();
    clock.advance(1000);
    assert.deepEqual(events, ['0 connect', '1000 disconnect']);
    r.stop();
    clock.advance(60_000);
  });
  assert.equal(events.length, 2);
});

test('a connection that held starts the waits anew', () => {
  const { clock, r } = world(0);
  logged(() => {
    r.start();
    for (let i = 0; i < 4; i++) {
      r.failed('x');
      clock.advance(8000);
    }
    r.connected();
    clock.advance(60_000);
    r.failed(undefined);
    clock.advance(1000);
  });
  assert.equal(r.state, 'connecting');
});
