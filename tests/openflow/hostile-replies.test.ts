/**
 * Replies that do not end, are for nobody, come a byte at a time, or lie within: ovs-ofctl takes no more memory than
 * it needs, waits no longer than it was told, and dies of none.
 * HEDDLE_COUNT: how many damaged replies; HEDDLE_SEED: which.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { collect, isolate, REPOSITORY, type RunResult, Scope, start } from '@heddle/testing';
import { Random } from '@heddle/testing/random';
import { damage } from '../differential/openflow/damage.ts';
import { bytes, hello, hex, listen, message, type RawPeer, u8, u16, zeros } from './raw-peer.ts';

isolate();

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 40);
const MEGABYTES = 1 << 20;
const file = new URL('../differential/openflow/messages.hex', import.meta.url);
const MESSAGES = readFileSync(file, 'utf8').trim().split('\n').map(hex);
const REPLY_MORE = 1;

interface Session extends RunResult {
  /** The most that it had in memory. */
  readonly peakBytes: number;
}

let count = 0;

/** Runs a command of ovs-ofctl against a switch that does `serve` once it has heard the first request. */
async function session(
  scope: Scope,
  command: string,
  version: number,
  serve: (peer: RawPeer, request: Buffer) => Promise<void> | void,
  redirect = '',
): Promise<Session> {
  const path = join(scope.directory('replies'), `sw${count++}`);
  const server = await listen(scope, path);
  const words = command.replace('SW', path).split(' ');
  const options = ['-O', `OpenFlow1${version - 1}`];
  const shell = ['sh', '-c', `exec "$0" "$@" ${redirect}`];
  const child = start([...shell, join(REPOSITORY, 'bin/ovs-ofctl'), ...options, ...words]);
  const ended = collect(child, { timeoutMs: 60_000 });
  const attend = async (peer: RawPeer): Promise<void> => {
    peer.answersEchos = false;
    peer.send(hello(version));
    await peer.next();
    for (let request = await peer.next(); request; request = await peer.next()) {
      await serve(peer, request);
    }
  };
  void (async () => {
    for (;;) void attend(await server.next());
  })();
  let peakBytes = 0;
  const watch = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      peakBytes = Math.max(peakBytes, Number(/VmHWM:\s*(\d+)/.exec(status)?.[1] ?? 0) * 1024);
    } catch {
      // It has ended.
    }
  }, 20);
  const result = await ended;
  clearInterval(watch);
  return { ...result, peakBytes };
}

/** A part of a multipart reply after which there are more. */
function oneOfMany(request: Buffer, body: Buffer): Buffer {
  const version = request[0]!;
  const head = [u16(request.readUInt16BE(8), REPLY_MORE), ...(version === 1 ? [] : [zeros(4)])];
  return message(version, request[1]! + 1, request.readUInt32BE(4), ...head, body);
}

/** struct ofp_flow_stats of OpenFlow 1.3 with an empty match. */
const FLOW = bytes(u16(56, 0), zeros(44), u16(1, 4), zeros(4));
/** struct ofp_port_stats. */
const PORT_STATS = zeros(112);

for (const [command, entry] of [
  ['dump-flows SW', FLOW],
  ['dump-ports SW', PORT_STATS],
  ['dump-group-stats SW', zeros(0)],
] as const) {
  test(`${command}: a reply without end`, async () => {
    await using scope = new Scope();
    const body = bytes(...Array.from({ length: 500 }, () => entry));
    const { code, signal, stderr, peakBytes } = await session(
      scope,
      `-t 6 ${command}`,
      4,
      async (peer, request) => {
        const many = bytes(...Array.from({ length: 50 }, () => oneOfMany(request, body)));
        const { socket } = peer;
        while (!socket.destroyed) {
          if (!socket.write(many)) await new Promise((done) => setTimeout(done, 5));
        }
      },
      // More than fits into a string.
      '>/dev/null',
    );
    assert.ok(signal === 'SIGALRM' || code === 1, `${code} ${signal}`);
    assert.doesNotMatch(stderr, /^\s+at .*\.[jt]s/m);
    assert.ok(peakBytes < 400 * MEGABYTES, `${peakBytes / MEGABYTES} MB`);
  });
}

test('replies for nobody: it waits for its own', async () => {
  await using scope = new Scope();
  const reply = (xid: number, text: string) =>
    message(1, 17, xid, u16(0, 0), bytes(Buffer.from(text.padEnd(256, '\0')), zeros(800)));
  const { code, stdout } = await session(scope, '-t 20 dump-desc SW', 1, (peer, request) => {
    const xid = request.readUInt32BE(4);
    for (let n = 1; n <= 200; n++) peer.send(reply(xid + n, 'somebody else'));
    peer.send(reply(xid, 'the maker'));
  });
  assert.equal(code, 0);
  assert.match(stdout, /the maker/);
  assert.doesNotMatch(stdout, /somebody else/);
});

test('a reply that comes a byte at a time', async () => {
  await using scope = new Scope();
  const { code, stdout } = await session(scope, '-t 30 dump-flows SW', 4, async (peer, request) => {
    const whole = Buffer.from(oneOfMany(request, bytes(FLOW, FLOW)));
    whole.writeUInt16BE(0, 10);
    for (const byte of whole) {
      peer.send(u8(byte));
      await new Promise((done) => setImmediate(done));
    }
  });
  assert.equal(code, 0);
  assert.equal(stdout.split('\n').filter((line) => line.includes('actions=drop')).length, 2);
});

const REQUESTS: readonly (readonly [string, number, number | undefined])[] = [
  ['show SW', 6, undefined],
  ['dump-desc SW', 19, 0],
  ['dump-flows SW', 19, 1],
  ['dump-aggregate SW', 19, 2],
  ['dump-tables SW', 19, 3],
  ['dump-ports SW', 19, 4],
  ['queue-stats SW', 19, 5],
  ['dump-group-stats SW', 19, 6],
  ['dump-groups SW', 19, 7],
  ['meter-stats SW', 19, 9],
  ['dump-meters SW', 19, 10],
  ['dump-table-features SW', 19, 12],
  ['dump-ports-desc SW', 19, 13],
];

test(`${COUNT} replies with lies in them`, async () => {
  await using scope = new Scope();
  const random = new Random(SEED);
  const pairs = REQUESTS.flatMap(([command, type, kind]) =>
    MESSAGES.filter(
      (m) => m[0]! >= 4 && m[1] === type && (kind === undefined || m.readUInt16BE(8) === kind),
    ).map((reply) => ({ command, reply })),
  );
  for (let n = 0; n < COUNT; n++) {
    const { command, reply } = random.pick(pairs);
    const version = reply[0]!;
    const said = Buffer.from(damage(random, reply));
    said[0] = version;
    const where = `HEDDLE_SEED=${SEED}: OpenFlow 1.${version - 1} ${command}: ${said.toString('hex')}`;
    const result = await session(scope, `-t 20 ${command}`, version, (peer, request) => {
      // Whatever else it asks for is refused.
      const isMeant = said[1] === request[1]! + 1;
      request.copy(said, 4, 4, 8);
      peer.send(isMeant ? said : message(version, 1, request.readUInt32BE(4), u16(1, 1)));
      peer.socket.end();
    });
    assert.equal(result.signal, null, where);
    assert.ok(result.code === 0 || result.stderr !== '' || result.stdout !== '', where);
    assert.doesNotMatch(result.stderr, /^\s+at .*\.[jt]s/m, where);
  }
});
