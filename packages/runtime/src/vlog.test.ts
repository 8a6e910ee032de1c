/** Log lines, levels, patterns, rate limits and files. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { FakeClock } from './clock.ts';
import { SYSLOG_FORMATS, vlog } from './vlog.ts';

let lines: string[] = [];
let clock = new FakeClock();

beforeEach(() => {
  lines = [];
  clock = new FakeClock(Date.UTC(2026, 10, 21, 7, 0, 0, 123));
  vlog.setClock(clock);
  vlog.setConsole((line) => lines.push(line));
  vlog.setLevel(undefined, undefined, 'info');
});

afterEach(() => {
  vlog.apply('PATTERN:console:%D{%Y-%m-%dT%H:%M:%SZ}|%05N|%c%T|%p|%m');
  vlog.setConsole(undefined);
  vlog.setSyslog(undefined);
});

test('a line has time, sequence, module, level and text', () => {
  vlog.module('bridge').warn('hello');
  assert.match(lines[0]!, /^2026-11-21T07:00:00Z\|\d{5}\|bridge\|WARN\|hello$/);
  vlog.module('bridge').dbg('not this');
  assert.equal(lines.length, 1);
});

test('SPEC sets one module, one destination or all', () => {
  const a = vlog.module('mod_a');
  const b = vlog.module('mod_b');
  assert.equal(vlog.apply('mod_a:console:dbg'), undefined);
  a.dbg('1');
  b.dbg('2');
  assert.equal(vlog.apply('any,console,err'), undefined);
  a.warn('3');
  assert.equal(vlog.apply('ANY:ANY:DBG'), undefined);
  b.dbg('4');
  assert.deepEqual(
    lines.map((l) => l.at(-1)),
    ['1', '4'],
  );
});

test('a level for a module that is not loaded yet holds when it is', () => {
  assert.equal(vlog.apply('poll_loop:console:dbg'), undefined);
  vlog.module('poll_loop').dbg('seen');
  assert.equal(lines.length, 1);
});

test('what is wrong with a SPEC, in upstream words', () => {
  vlog.module('mod_a');
  vlog.module('mod_b');
  for (const [spec, wrong] of [
    ['nope', 'no destination, level, or module "nope"'],
    ['file:dbg:warn', 'cannot specify multiple levels'],
    ['console:file:warn', 'cannot specify multiple destinations'],
    ['mod_a:mod_b:warn', 'cannot specify multiple modules'],
    ['PATTERN:foo:bar', 'unknown destination "foo"'],
    ['FACILITY:foo', 'invalid facility'],
    ['FACILITY:local3', undefined],
    ['FACILITY:daemon', undefined],
    ['', undefined],
  ] as const) {
    assert.equal(vlog.apply(spec), wrong, spec);
  }
});

test('patterns', () => {
  vlog.setProgram('prog');
  vlog.setThread('monitor');
  vlog.apply('PATTERN:console:%A %-6p| %6c|%03N %d{%Y}%T %t %%%P %D{%F %T.###} %m');
  vlog.module('m').err('x');
  vlog.setThread('');
  const text = lines[0]!.replace(/\|\d{3,} 2026/, '|N 2026');
  assert.equal(
    text,
    `prog ERR   |      m|N 2026(monitor) monitor %${process.pid} 2026-11-21 07:00:00.123 x`,
  );
});

test('the rate limit drops, counts and tells', () => {
  const log = vlog.module('limited');
  for (let i = 0; i < 25; i++) {
    log.rl.warn(`n${i}`);
    clock.advance(100);
  }
  assert.equal(lines.length, 5);
  clock.advance(60_000);
  log.rl.warn('again');
  assert.match(
    lines[5]!,
    /limited\|WARN\|Dropped 20 log messages in last 62 seconds \(most recently, 60 seconds ago\) due to excessive rate$/,
  );
  assert.match(lines[6]!, /again$/);
  assert.equal(vlog.setRateLimits(['limited'], false), undefined);
  for (let i = 0; i < 25; i++) log.rl.warn('x');
  assert.equal(lines.length, 32);
  assert.equal(vlog.setRateLimits(['nope'], true), 'unknown module');
});

test('syslog lines carry priority; each line of a message is one', () => {
  const sent: string[] = [];
  vlog.setSyslog((line) => sent.push(line), SYSLOG_FORMATS.datagram);
  vlog.module('s').warn('a\nb');
  assert.deepEqual(
    sent.map((l) => l.replace(/\d{5}/, 'N')),
    ['<28>ovs|N|s|WARN|a', '<28>ovs|N|s|WARN|b'],
  );
});

test('the file is opened, rotated, reopened and closed', () => {
  const dir = mkdtempSync(join(tmpdir(), 'vlog-'));
  const path = join(dir, 'x.log');
  try {
    assert.equal(vlog.openFile(join(dir, 'none/x.log')), false);
    assert.match(lines.pop()!, /WARN\|failed to open .* for logging: No such file or directory$/);
    assert.equal(vlog.openFile(path), true);
    renameSync(path, `${path}.1`);
    assert.equal(vlog.reopenFile(), true);
    vlog.module('m').info('after');
    vlog.closeFile();
    vlog.module('m').info('closed');
    assert.match(readFileSync(`${path}.1`, 'utf8'), /opened log file .*\n.*closing log file\n$/);
    assert.match(readFileSync(path, 'utf8'), /T07:00:00\.123Z\|\d+\|m\|INFO\|after\n.*closing/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
