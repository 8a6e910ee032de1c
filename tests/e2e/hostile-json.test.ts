/**
 * Servers that speak JSON and mean no good: commands end by themselves and say what is wrong, and a replica of such
 * a database lives and keeps no more than it has room for.
 */
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { Idl, vswitchSchema } from '@heddle/ovsdb';
import { vlog } from '@heddle/runtime';
import { delay, eventually, isolate, REPOSITORY, run, Scope } from '@heddle/testing';

isolate();
vlog.setLevel(undefined, 'console', 'off');

const MEGABYTES = 1 << 20;
const VALUES = [
  ...['null', '1', '-1e400', '"x"', '[]', '{}', '[null]', '["map",[[1]]]', '["uuid","x"]'],
  ...['{"tables":{}}', '{"name":1,"tables":[]}', '{"Open_vSwitch":{"x":{"new":1}}}', '[[],[],[]]'],
  ...['[true,"00000000-0000-0000-0000-000000000000",{"Open_vSwitch":{"":null}}]', '{"":{"":{}}}'],
  ...[
    '{"error":"not supported"}',
    '[{"rows":[null]}]',
    '[{"rows":[{"_uuid":5}]},null,{"count":{}}]',
  ],
];

/** The requests that have come, as far as they can be read at all. */
function answering(socket: Socket, reply: (id: string) => string): void {
  socket.setEncoding('utf8').on('data', (text: string) => {
    for (const [, id] of text.matchAll(/"id":\s*(\d+|"[^"]*")/g)) socket.write(reply(id!));
  });
}

const MISCHIEFS: readonly ((socket: Socket) => void)[] = [
  (socket) => void socket.end(),
  (socket) => void socket.end('no JSON at all'),
  (socket) => void socket.end(Buffer.alloc(100_000, 0xee)),
  (socket) => void socket.write('['.repeat(300_000)),
  (socket) => void socket.end(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`),
  (socket) => void socket.write(VALUES.join('')),
  (socket) => void socket.end('{"id":0,"result":"\ud800\\ud800\\u0000","error":{}}'),
  (socket) => void socket.write('{"method":"update","params":[null,1],"id":null}'.repeat(1000)),
  (socket) => void socket.write('{"method":"echo","params":{},"id":[]}'.repeat(1000)),
  (socket) => void socket.write(`{"method":"${'x'.repeat(1 << 20)}","params":[],"id":7}`),
  (socket) => {
    socket.write('{"id":0,"result":"');
    const more = 'x'.repeat(1 << 16);
    const send = (): void => {
      if (socket.destroyed || socket.bytesWritten > 64 * MEGABYTES) return;
      if (socket.write(more)) setImmediate(send);
      else socket.once('drain', send);
    };
    send();
  },
  (socket) => answering(socket, (id) => `{"id":${id},"result":null,"error":null}`),
  (socket) => answering(socket, (id) => `{"id":${id},"error":[1],"result":{}}{"id":${id}}`),
  (socket) => answering(socket, () => '{"id":99999,"result":{},"error":null}'),
  ...VALUES.map((value) => (socket: Socket) => {
    answering(socket, (id) => `{"id":${id},"result":${value},"error":null}`);
  }),
  ...VALUES.map((value) => (socket: Socket) => {
    const told = ['update', 'update2', 'update3', 'locked', 'stolen', value];
    for (const method of told) socket.write(`{"method":"${method}","params":${value},"id":null}`);
    answering(socket, (id) => `{"id":${id},"result":{},"error":null}`);
  }),
];

/** Serves each connection with the next mischief, from `at` on. */
async function serve(scope: Scope, path: string, at: number, step: 0 | 1): Promise<() => number> {
  let n = at;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    scope.defer(() => void socket.destroy());
    MISCHIEFS[n % MISCHIEFS.length]!(socket);
    n += step;
  });
  await new Promise<void>((done) => server.listen(path, done));
  scope.defer(() => void server.close());
  return () => n;
}

const COMMANDS: readonly (readonly string[])[] = [
  ['ovs-appctl', '--timeout=2', '-t', 'SOCK', 'version'],
  ['ovs-vsctl', '--timeout=2', '--db=unix:SOCK', 'show'],
  ['ovs-vsctl', '--timeout=2', '--db=unix:SOCK', '--no-wait', 'add-br', 'br0'],
  ['ovsdb-client', '--timeout=2', 'list-dbs', 'unix:SOCK'],
  ['ovsdb-client', '--timeout=2', 'dump', 'unix:SOCK', 'Open_vSwitch'],
  ['ovsdb-client', '--timeout=2', 'monitor', 'unix:SOCK', 'Open_vSwitch', 'Bridge'],
];

for (const command of COMMANDS) {
  test(command.join(' '), async () => {
    await using scope = new Scope();
    const directory = scope.directory('json');
    const one = async (n: number): Promise<void> => {
      const path = join(directory, `s${n}`);
      await serve(scope, path, n, 0);
      const [program, ...args] = command.map((word) => word.replace('SOCK', path));
      const { code, signal, stderr, stdout } = await run(
        [join(REPOSITORY, 'bin', program!), ...args],
        {
          timeoutMs: 30_000,
        },
      );
      const where = `${MISCHIEFS[n]}\n${stderr}${stdout}`;
      assert.ok(code !== null || signal === 'SIGALRM', `${signal}: ${where}`);
      assert.doesNotMatch(stderr, /^\s+at .*\.[jt]s/m, where);
      assert.ok(code === 0 || stderr !== '', where);
    };
    // Several at a time: some take the whole of their two seconds.
    for (let n = 0; n < MISCHIEFS.length; n += 8) {
      const some = MISCHIEFS.slice(n, n + 8).map((_, i) => one(n + i));
      await Promise.all(some);
    }
  });
}

test('replicas, as the switch has one, of servers that mean no good', async () => {
  await using scope = new Scope();
  const directory = scope.directory('json');
  const replicas = await Promise.all(
    MISCHIEFS.map(async (_, n) => {
      const path = join(directory, `s${n}`);
      const connections = await serve(scope, path, n, 1);
      const idl = new Idl(vswitchSchema, { remote: `unix:${path}`, lock: 'ovs_vswitchd' });
      scope.defer(() => idl.close());
      idl.start();
      return { idl, n, connections };
    }),
  );
  // What ends or is spoilt is tried again: then it meets the next one.
  await eventually('each to be heard', () => replicas.every((r) => r.connections() > r.n));
  await delay(3000);
  assert.deepEqual(
    replicas.filter(({ idl }) => idl.synced),
    [],
  );
  const bytes = process.memoryUsage().rss;
  assert.ok(bytes < 800 * MEGABYTES, `${bytes / MEGABYTES} MB`);
});
