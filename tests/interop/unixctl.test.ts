/** Control sockets, pidfiles and start-up: our programs and the distribution's, crosswise. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';

const BIN = new URL('../../bin/', import.meta.url).pathname;
const THEIRS = '/usr/bin/ovs-appctl';
const OURS = join(BIN, 'ovs-appctl');
const dir = mkdtempSync(join(tmpdir(), 'interop-unixctl-'));
const env = {
  ...process.env,
  OVS_RUNDIR: dir,
  OVS_LOGDIR: dir,
  OVS_DBDIR: dir,
  OVS_SYSCONFDIR: dir,
};

function run(command: string, ...args: string[]) {
  // getopt complains in the name of argv[0].
  const argv0 = basename(command);
  const result = spawnSync(command, args, { argv0, env, encoding: 'utf8', timeout: 20_000 });
  if (result.error) throw result.error;
  // Log lines differ in time and number only.
  const stderr = result.stderr.replace(/^\S+Z\|\d{5}\|/gm, 'LOG|');
  return { status: result.status ?? result.signal, stdout: result.stdout, stderr };
}

function ok(command: string, ...args: string[]): string {
  const { status, stdout, stderr } = run(command, ...args);
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

function pid(name = 'ovsdb-server'): number {
  return Number(readFileSync(join(dir, `${name}.pid`), 'utf8'));
}

function alive(id: number): boolean {
  return existsSync(`/proc/${id}`);
}

async function until(what: string, condition: () => boolean, everyMs = 50): Promise<void> {
  for (let i = 0; i < 10_000 / everyMs; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  assert.fail(`${what} did not come true`);
}

function startServer(program: string, ...options: string[]) {
  return run(
    program,
    '--detach',
    '--no-chdir',
    '--pidfile',
    '-vconsole:off',
    ...options,
    join(dir, 'a.db'),
  );
}

before(() => {
  const schema = {
    name: 'A',
    version: '1.0.0',
    tables: { T: { columns: { n: { type: 'integer' } } } },
  };
  writeFileSync(join(dir, 'a.ovsschema'), JSON.stringify(schema));
  ok('ovsdb-tool', 'create', join(dir, 'a.db'), join(dir, 'a.ovsschema'));
});

after(async () => {
  if (existsSync(join(dir, 'ovsdb-server.pid'))) process.kill(pid(), 'SIGTERM');
  await until('the server ended', () => !existsSync(join(dir, 'ovsdb-server.pid')));
  rmSync(dir, { recursive: true });
});

describe('their server, both clients', () => {
  before(() => assert.equal(startServer('/usr/sbin/ovsdb-server').status, 0));
  after(async () => {
    ok(THEIRS, '-t', 'ovsdb-server', 'exit');
    await until('their server ended', () => !existsSync(join(dir, 'ovsdb-server.pid')));
  });

  const cases: string[][] = [
    ['-t', 'ovsdb-server', 'version'],
    ['-t', 'ovsdb-server', 'list-commands'],
    ['-t', 'ovsdb-server', 'vlog/list'],
    ['--target=ovsdb-server', 'vlog/set', 'nope'],
    ['-t', 'ovsdb-server', 'nope'],
    ['-t', 'ovsdb-server', 'version', '-t'],
    ['-t', 'ovsdb-server', '-T', '5', 'version'],
    ['-t', 'ovsdb-server', '--', 'version'],
    ['-t', 'ovsdb-server', '-vconsole:dbg:dbg', 'version'],
    ['-vnope', 'version'],
    [],
    ['-t', 'ovsdb-server'],
    ['-T', '0', 'version'],
    ['-T', 'x', 'version'],
    ['--bogus'],
    ['-x'],
    ['-t'],
    ['--t=ovsdb-server', 'version'],
    ['--v'],
    ['version'],
    ['-t', 'none', 'version'],
    ['-t', '', 'version'],
    ['-t', join(dir, 'none.ctl'), 'version'],
    ['-t', join(dir, 'a.db'), 'version'],
    ['-vconsole:off', '-t', 'none', 'version'],
    [`--log-file=${dir}/none/x`, 'version'],
    ['--syslog-method=bad', 'version'],
    ['-o'],
    ['--help'],
  ];
  for (const args of cases) {
    test(`ovs-appctl ${args.join(' ').replaceAll(dir, 'DIR')}`, () => {
      assert.deepEqual(run(OURS, ...args), run(THEIRS, ...args));
    });
  }

  test('a stale pidfile', () => {
    const ended = spawnSync('true').pid;
    writeFileSync(join(dir, 'stale.pid'), `${ended}\n`);
    assert.deepEqual(run(OURS, '-t', 'stale', 'version'), run(THEIRS, '-t', 'stale', 'version'));
  });

  test('our server is refused while theirs runs', () => {
    const theirs = startServer('/usr/sbin/ovsdb-server');
    const ours = startServer(join(BIN, 'ovsdb-server'));
    assert.match(ours.stderr, /ovsdb-server\.pid: already running as pid \d+, aborting\n$/);
    assert.deepEqual(ours, theirs);
  });
});

describe('our server, their client', () => {
  test('--detach returns when it serves; pidfile, lock and socket are in place', () => {
    const log = join(dir, 'ours.log');
    const started = startServer(join(BIN, 'ovsdb-server'), `--log-file=${log}`);
    assert.deepEqual(started, { status: 0, stdout: '', stderr: '' });
    assert.equal(statSync(join(dir, `ovsdb-server.${pid()}.ctl`)).mode & 0o777, 0o660);
    assert.equal(readFileSync(`/proc/${pid()}/comm`, 'utf8'), 'ovsdb-server\n');
    assert.match(
      readFileSync(log, 'utf8'),
      /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z\|00001\|vlog\|INFO\|opened log file/,
    );
  });

  test('their ovs-appctl finds it by its locked pidfile', () => {
    assert.match(
      ok(THEIRS, '-t', 'ovsdb-server', 'version'),
      /^ovsdb-server \(Open vSwitch\) [\d.]+\n/,
    );
    assert.equal(
      ok(THEIRS, '-t', 'ovsdb-server', 'vlog/set', 'vlog:file:dbg', 'ANY:syslog:off'),
      '',
    );
    assert.match(ok(THEIRS, '-t', 'ovsdb-server', 'vlog/list'), /^vlog {15}OFF {8}OFF {8}DBG$/m);
    assert.match(ok(THEIRS, '-t', 'ovsdb-server', 'coverage/show'), /^Event coverage, avg rate/);
    const refused = run(THEIRS, '-t', 'ovsdb-server', 'vlog/set', 'nope');
    assert.deepEqual(refused, run(OURS, '-t', 'ovsdb-server', 'vlog/set', 'nope'));
    assert.equal(refused.status, 2);
  });

  test('a second one is refused, theirs too', () => {
    const text = `ovsdb-server: ${dir}/ovsdb-server.pid: already running as pid ${pid()}, aborting\n`;
    for (const program of [join(BIN, 'ovsdb-server'), '/usr/sbin/ovsdb-server']) {
      assert.deepEqual(startServer(program), { status: 1, stdout: '', stderr: text });
    }
  });

  test('who asks often, in pieces and several times at once is answered in order', async () => {
    const socket = connect(join(dir, `ovsdb-server.${pid()}.ctl`));
    let text = '';
    socket.setEncoding('utf8').on('data', (piece) => {
      text += piece;
    });
    const answers = () => text.split('}{').length - (text.endsWith('}') ? 0 : 1);
    const request = (id: number, method = 'version') =>
      JSON.stringify({ id, method, params: method === 'version' ? [] : ['\u00e9'] });
    let asked = 0;
    const done = () => until(`${asked} answers`, () => answers() === asked, 1);
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 20; n++) {
        socket.write(request(asked++));
        await done();
      }
      const parted = request(asked++);
      socket.write(parted.slice(0, 9));
      await new Promise((resolve) => setImmediate(resolve));
      socket.write(parted.slice(9) + request(asked++) + request(asked++, 'h\u00e4'));
      await done();
    }
    const replies = JSON.parse(`[${text.replaceAll('}{', '},{')}]`) as { id: number }[];
    assert.deepEqual(
      replies.map(({ id }) => id),
      Array.from({ length: asked }, (_, id) => id),
    );
    socket.write('[');
    await once(socket.end(), 'close');
    assert.equal(ok(THEIRS, '-t', 'ovsdb-server', 'version').length > 0, true);
  });

  test('exit answers, then the process and its files are gone', async () => {
    const id = pid();
    assert.equal(ok(THEIRS, '-t', 'ovsdb-server', 'exit'), '');
    await until('it ended', () => !alive(id));
    assert.ok(!existsSync(join(dir, 'ovsdb-server.pid')));
    assert.ok(!existsSync(join(dir, `ovsdb-server.${id}.ctl`)));
  });

  test('--monitor starts it again after a crash and ends with it', async () => {
    assert.equal(startServer(join(BIN, 'ovsdb-server'), '--monitor').status, 0);
    const first = pid();
    const [, parent] = /^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${first}/status`, 'utf8')) ?? [];
    process.kill(first, 'SIGSEGV');
    await until('it is back', () => {
      const now = existsSync(join(dir, 'ovsdb-server.pid')) ? pid() : first;
      return now !== first && existsSync(join(dir, `ovsdb-server.${now}.ctl`));
    });
    assert.match(
      readFileSync(`/proc/${parent}/cmdline`, 'utf8'),
      /^ovsdb-server: monitoring pid \d+ \(1 crashes: pid \d+ died, /,
    );
    ok(THEIRS, '-t', 'ovsdb-server', 'exit');
    await until('the monitor ended', () => !alive(Number(parent)));
  });
});

test('a launcher works through links, from any directory', () => {
  const link = join(dir, 'link');
  ok('ln', '-s', OURS, link);
  assert.equal(ok(link, '--version'), ok(OURS, '--version'));
  assert.equal(ok('sh', '-c', `cd ${BIN} && sh ovs-appctl --version`), ok(OURS, '--version'));
});
