/** The control socket: commands, replies of any length, peers that misbehave. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { registerMemory } from './memory.ts';
import { ConnectError, unixctlCall } from './unixctl-client.ts';
import { UnixctlError } from './unixctl-command.ts';
import { UnixctlServer } from './unixctl-server.ts';
import { vlog } from './vlog.ts';

let dir: string;
let path: string;
let server: UnixctlServer;
/** The last piece that the command `pieces` was asked for. */
let given = 0;

before(async () => {
  vlog.setConsole(() => {});
  dir = mkdtempSync(join(tmpdir(), 'unixctl-'));
  path = join(dir, 'x.ctl');
  server = new UnixctlServer('testd');
  server.register('echo', '[ARG]...', 0, Number.POSITIVE_INFINITY, (args) => args.join(' '));
  server.register('two', 'A B', 2, 2, () => 'ok');
  server.register('slow', '', 0, 0, async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return 'slow\n';
  });
  server.register('refuse', '', 0, 0, () => {
    throw new UnixctlError('no such thing');
  });
  server.register('bug', '', 0, 0, () => {
    throw new TypeError('oops');
  });
  server.register('pieces', 'N', 1, 1, async function* ([n]) {
    for (let i = 0; i < Number(n); i++) {
      given = i;
      yield `"${i}\n`.padEnd(50_000);
    }
    if (n === '0') throw new UnixctlError('no pieces');
  });
  server.register('big', 'N', 1, 1, ([n]) => 'x'.repeat(Number(n)));
  registerMemory(server, () => ({ ports: 5, handlers: 1 }));
  writeFileSync(path, '');
  rmSync(path);
  await server.listen(path);
});

after(() => {
  server.close();
  rmSync(dir, { recursive: true });
  vlog.setConsole(undefined);
});

/** Sends bytes, then reads until the server closes. */
function exchange(bytes: Uint8Array | string, end = true): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(path);
    let text = '';
    socket.setTimeout(5000, () => socket.destroy(new Error('no end')));
    socket.on('data', (chunk) => {
      text += chunk.toString('utf8');
    });
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EPIPE' || error.code === 'ECONNRESET' ? resolve(text) : reject(error),
    );
    socket.on('close', () => resolve(text));
    if (end) socket.end(bytes);
    else socket.write(bytes);
  });
}

test('the socket is for its owner and group', () => {
  assert.equal(statSync(path).mode & 0o777, 0o660);
});

test('results, refusals and the counts of arguments', async () => {
  assert.deepEqual(await unixctlCall(path, 'echo', ['a', 'ü "{']), {
    result: 'a ü "{\n',
    error: null,
  });
  const error = async (method: string, ...args: string[]) =>
    (await unixctlCall(path, method, args)).error;
  assert.equal(await error('refuse'), 'no such thing\n');
  assert.equal(await error('bug'), 'oops\n');
  assert.equal(await error('two', 'a'), '"two" command requires at least 2 arguments\n');
  assert.equal(await error('two', 'a', 'b', 'c'), '"two" command takes at most 2 arguments\n');
  assert.equal(
    await error('nope'),
    '"nope" is not a valid command (use "list-commands" to see a list of valid commands)\n',
  );
});

test('commands that every daemon has', async () => {
  const call = async (method: string, ...args: string[]) =>
    (await unixctlCall(path, method, args)).result;
  assert.match((await call('version'))!, /^testd \(Open vSwitch\) \d+\.\d+\.\d+\n/);
  assert.equal(await call('memory/show'), 'handlers:1 ports:5\n');
  const commands = (await call('list-commands'))!.split('\n');
  assert.equal(commands[0], 'The available commands are:');
  assert.ok(commands.includes('  vlog/set                {spec | PATTERN:destination:pattern}'));
  assert.ok(commands.includes('  list-commands           '));
  assert.match((await call('coverage/show'))!, /^unixctl_received +[\d.]+\/sec .* total: \d+$/m);
  assert.match((await call('coverage/read-counter', 'unixctl_received'))!, /^\d+\n$/);
  assert.match((await call('vlog/list'))!, /^unixctl +\w+ +\w+ +\w+$/m);
});

test('requests in one packet are answered in order, also after the client has shut down', async () => {
  const request = (id: unknown, method: string) => JSON.stringify({ method, params: [], id });
  const text = await exchange(`${request(1, 'slow')} ${request(['x'], 'echo')}`);
  assert.equal(
    text,
    '{"error":null,"id":1,"result":"slow\\n"}{"error":null,"id":["x"],"result":""}',
  );
});

test('a reply larger than the socket takes at once arrives whole', async () => {
  const { result } = await unixctlCall(path, 'big', ['3000000']);
  assert.equal(result?.length, 3_000_001);
});

test('a reply in pieces is made no faster than it is read', async () => {
  const { result } = await unixctlCall(path, 'pieces', ['3']);
  assert.deepEqual(result?.split(/ +/), ['"0\n', '"1\n', '"2\n', '']);
  assert.equal((await unixctlCall(path, 'pieces', ['0'])).error, 'no pieces\n');
  assert.equal(await server.call('pieces', ['1']), '"0\n'.padEnd(50_000));
  given = 0;
  const socket = connect(path);
  socket.pause();
  socket.write(JSON.stringify({ id: 0, method: 'pieces', params: ['100000'] }));
  let last = -1;
  while (given !== last || given === 0) {
    last = given;
    await unixctlCall(path, 'slow', []);
  }
  assert.ok(given < 1000, `${given} pieces for nobody`);
  socket.destroy();
});

test('what is no request ends its connection and no other', async () => {
  for (const bad of [
    'garbage',
    '{"method":"echo"}',
    '{"method":"echo","params":[1],"id":1}',
    '{"method":"echo","params":{},"id":1}',
    '{"method":"echo","params":[],"id":null}',
    '{"method":5,"params":[],"id":1}',
    '[1]',
    '{"a":',
    `{"method":"${'x'.repeat(2 << 20)}`,
  ]) {
    assert.equal(
      await exchange(bad, bad !== '{"a":' ? bad.length < 1000 : true),
      '',
      bad.slice(0, 40),
    );
  }
  assert.equal((await unixctlCall(path, 'echo', ['alive'])).result, 'alive\n');
});

test('fuzz: any bytes, the server lives', async () => {
  const json = fc.record(
    {
      method: fc.oneof(fc.constantFrom('echo', 'two', 'vlog/set', 'coverage/show'), fc.jsonValue()),
      params: fc.oneof(fc.array(fc.string()), fc.jsonValue()),
      id: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  const input = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .array(json, { maxLength: 4 })
      .map((all) => Buffer.from(all.map((j) => JSON.stringify(j)).join(''))),
  );
  await fc.assert(
    fc.asyncProperty(input, async (bytes) => {
      await exchange(bytes);
      assert.equal((await unixctlCall(path, 'echo', ['alive'])).result, 'alive\n');
    }),
    { numRuns: 150 },
  );
});

test('nobody there, nobody answers, abort', async () => {
  await assert.rejects(unixctlCall(join(dir, 'none'), 'version', []), ConnectError);
  await assert.rejects(
    unixctlCall(path, 'slow', [], AbortSignal.timeout(1)),
    (error: { code?: string }) => error.code === 'ETIMEDOUT',
  );
});

test('exit replies first', async () => {
  const other = new UnixctlServer('otherd');
  const order: string[] = [];
  const finished = new Promise<void>((resolve) => {
    other.registerExit(
      '[--cleanup]',
      1,
      (args) => void order.push(args.join()),
      () => {
        order.push('finish');
        resolve();
      },
    );
  });
  const socket = join(dir, 'y.ctl');
  await other.listen(socket);
  assert.deepEqual(await unixctlCall(socket, 'exit', ['--cleanup']), { result: '', error: null });
  await finished;
  other.close();
  assert.deepEqual(order, ['--cleanup', 'finish']);
});

test('a socket that cannot be made is named with the reason', async () => {
  await assert.rejects(new UnixctlServer('x').listen(join(dir, 'none/x.ctl')), {
    message: `${dir}/none/x.ctl: could not initialize control socket (No such file or directory)`,
  });
});
