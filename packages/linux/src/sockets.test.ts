/** Sockets of Node's streams, past those streams. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { directFd } from '@heddle/runtime';
import { attend, sendEach, sendNow, writeRecord } from './native.ts';

const dir = mkdtempSync(join(tmpdir(), 'heddle-sockets-'));
after(() => rmSync(dir, { recursive: true }));
let pairs = 0;

/** A client's socket and the server's, whose stream does not read yet. */
async function pair(): Promise<{ near: Socket; far: Socket; fd: number; close: () => void }> {
  const path = join(dir, `s${pairs++}`);
  const server = createServer({ pauseOnConnect: true });
  server.listen(path);
  await once(server, 'listening');
  const far = connect(path);
  const [near] = (await once(server, 'connection')) as [Socket];
  for (const socket of [near, far]) socket.on('error', () => {});
  const close = () => {
    for (const socket of [near, far]) socket.destroy();
    server.close();
  };
  return { near, far, fd: directFd(near)!, close };
}

/** What comes until there are so many bytes. */
async function read(socket: Socket, bytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let n = 0;
  while (n < bytes) {
    const part = socket.read() as Buffer | null;
    if (part) parts.push(part);
    else await once(socket, 'readable');
    n += part?.length ?? 0;
  }
  return Buffer.concat(parts);
}

test('text and bytes are sent; what the kernel does not take is told of', async () => {
  const { far, fd, close } = await pair();
  const text = 'hé €\u{1f600}\ud800';
  assert.equal(sendNow(fd, text), -1);
  assert.equal(sendNow(fd, Buffer.from('bytes')), -1);
  const expected = Buffer.concat([Buffer.from(text), Buffer.from('bytes')]);
  assert.deepEqual(await read(far, expected.length), expected);
  assert.equal(sendNow(fd, 'x'.repeat(100_000)), 0, 'too long for a string');
  // Nobody reads: the buffer fills up, at last in the middle of something or at its start.
  const block = Buffer.alloc(50_000, 'y');
  let taken = 0;
  let sent = -1;
  while (sent < 0) {
    sent = sendNow(fd, block);
    taken += sent < 0 ? block.length : sent;
  }
  assert.ok(sent < block.length);
  assert.equal(sendNow(fd, block), 0);
  assert.deepEqual(await read(far, taken), Buffer.alloc(taken, 'y'));
  close();
});

test('an answer follows its record, and none follows one that is not written', async () => {
  const { far, fd, close } = await pair();
  const sent = new Int32Array(1);
  const file = openSync(join(dir, 'log'), 'w');
  const record = (to: number, answer: string) =>
    writeRecord(to, 0, 'H', 'text', 5, null, fd, answer, sent.fill(7));
  record(file, 'first');
  assert.deepEqual([...sent], [-1]);
  const full = openSync('/dev/full', 'w');
  assert.throws(() => record(full, 'second'));
  assert.deepEqual([...sent], [0]);
  record(file, 'third');
  assert.equal((await read(far, 10)).toString(), 'firstthird');
  for (const open of [file, full]) closeSync(open);
  close();
});

test('each socket is sent the same; one that is gone takes nothing', async () => {
  const both = [await pair(), await pair()] as const;
  const fds = Int32Array.from([both[0].fd, -1, both[1].fd]);
  const sent = new Int32Array(3);
  sendEach(fds, 3, 'same', sent);
  assert.deepEqual([...sent], [-1, 0, -1]);
  for (const { far, close } of both) {
    assert.equal((await read(far, 4)).toString(), 'same');
    close();
  }
  assert.throws(() => sendEach(fds, 4, 'x', sent));
});

test('what comes is a text where it is one of ASCII alone, and bytes otherwise', async () => {
  const { near, far, fd, close } = await pair();
  near.resume();
  const cases: [text: string, kind: 'text' | 'dubious' | 'bytes'][] = [
    ['{"a":[1,"}]\\"",{}]}', 'text'],
    ['[]', 'text'],
    ['{"id":"1e999 1234567890123456"}', 'text'],
    ['[1.5e+30,123456789012345]', 'text'],
    ['["\\\\u"]', 'text'],
    ['["\\u0041"]', 'dubious'],
    ['[1e400]', 'dubious'],
    ['[1E+400]', 'dubious'],
    ['[1234567890123456]', 'dubious'],
    ['["é"]', 'bytes'],
    ['["\\é"]', 'bytes'],
    ['{}{}', 'bytes'],
    ['{} ', 'bytes'],
    [' {}', 'bytes'],
    ['{"a":', 'bytes'],
    ['1', 'bytes'],
    ['12{}', 'bytes'],
    [']', 'bytes'],
    [`${'['.repeat(1001)}${']'.repeat(1001)}`, 'bytes'],
  ];
  for (const [text, kind] of cases) {
    let received: [data: string | Buffer, dubious: boolean] | undefined;
    // The stream may be faster.
    while (!received) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const stop = attend(fd, (...args) => {
        received = args;
        resolve();
      });
      near.once('data', resolve);
      far.write(text);
      await promise;
      near.removeListener('data', resolve);
      stop();
    }
    const [data, dubious] = received;
    const found = typeof data !== 'string' ? 'bytes' : dubious ? 'dubious' : 'text';
    assert.deepEqual([String(data), found], [text, kind]);
  }
  close();
});

test('a socket that is attended to keeps neither timers, nor ticks, nor others waiting', async () => {
  const mine = await pair();
  const other = await pair();
  const seen: string[] = [];
  let direct = 0;
  let stop: () => void = () => {};
  const asked = new Promise<void>((resolve) => {
    const take = (data: string | Buffer) => {
      seen.push(String(data));
      // The next request comes as fast as can be.
      process.nextTick(() => sendNow(mine.fd, '{}'));
      if (seen.length === 500) resolve();
    };
    stop = attend(mine.fd, (data) => {
      direct++;
      take(data);
    });
    mine.near.on('data', take).resume();
  });
  mine.far.on('data', () => mine.far.write('{"more":1}'));
  mine.far.write('{"more":0}');
  let timers = 0;
  const timer = setInterval(() => timers++, 1);
  other.near.on('data', (data) => void sendNow(other.fd, data)).resume();
  other.far.write('first');
  for (let i = 0; i < 5; i++) {
    const [echo] = (await once(other.far, 'data')) as [Buffer];
    assert.equal(echo.toString(), i === 0 ? 'first' : `${i}`);
    other.far.write(`${i + 1}`);
  }
  await asked;
  while (timers < 3) await new Promise((resolve) => setTimeout(resolve, 1));
  clearInterval(timer);
  stop();
  stop();
  assert.equal(seen[0], '{"more":0}');
  // The stream goes on where that ends, and finds the end of the connection.
  await once(mine.near, 'data');
  const closed = new Promise((resolve) => mine.near.once('close', resolve));
  mine.far.destroy();
  await closed;
  assert.ok(direct > 0);
  mine.close();
  other.close();
});

test('the end of an attended connection is found by its stream', async () => {
  const { near, far, fd, close } = await pair();
  const stop = attend(fd, () => {});
  near.resume();
  const ended = once(near, 'end');
  near.once('close', stop);
  const closed = once(near, 'close');
  far.end();
  await ended;
  await closed;
  close();
});
