/** Records that the native addon writes to a log, and answers sent behind them. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MAX_RECORD_BYTES, SystemError } from '@heddle/runtime';
import { writeRecord } from './native.ts';

const dir = mkdtempSync(join(tmpdir(), 'heddle-records-'));
process.on('exit', () => rmSync(dir, { recursive: true }));
const path = join(dir, 'log');

const sent = new Int32Array(1);

/** What is in the file after such a write at its start. */
function written(head: string, text: string, length: number, tail: Buffer | null): Buffer {
  const fd = openSync(path, 'w+');
  try {
    const bytes = writeRecord(fd, 0, head, text, length, tail, -1, '', sent);
    const all = readFileSync(path);
    assert.equal(bytes, all.length);
    return all;
  } finally {
    closeSync(fd);
  }
}

test('a record has its hash, its body and what follows, whatever their lengths', () => {
  const texts = Array.from({ length: 200 }, (_, n) => 'x'.repeat(n));
  for (const text of [...texts, 'é€\u{1f600}', 'lone \ud800', 'y'.repeat(60_000)]) {
    const bytes = Buffer.from(text);
    for (const [spaces, tail] of [
      [0, null],
      [0, Buffer.from('tail')],
      [5, Buffer.from('tail')],
    ] as const) {
      const body = Buffer.concat([bytes, Buffer.from(`${' '.repeat(spaces)}\n`)]);
      const head = Buffer.from(`HEAD ${body.length} ${hash('sha1', body)}\n`);
      assert.deepEqual(
        written(`HEAD ${body.length} `, text, body.length, tail),
        Buffer.concat([head, body, tail ?? Buffer.alloc(0)]),
      );
    }
  }
});

test('what is too long, or cannot be written, is an error', () => {
  const failure = (code: string) => (e: unknown) => e instanceof SystemError && e.code === code;
  assert.throws(() => written('H', 'four', 4, null), failure('EMSGSIZE'));
  assert.throws(() => written('H', 'é', 2, null), failure('EMSGSIZE'));
  assert.throws(() => written('H', '', MAX_RECORD_BYTES, null), failure('EMSGSIZE'));
  assert.throws(
    () => written('H', '', 10, Buffer.alloc(MAX_RECORD_BYTES - 20)),
    failure('EMSGSIZE'),
  );
  assert.equal(readFileSync(path).length, 0);
  assert.throws(() => writeRecord(-1, 0, 'H', 'x', 2, null, -1, '', sent), failure('EBADF'));
});

test('an answer is sent behind a whole record only', () => {
  const answers = openSync(join(dir, 'answers'), 'w+');
  const fd = openSync(path, 'w');
  const unwritable = openSync(path, 'r');
  // A file is no socket: what cannot be sent is told of.
  writeRecord(fd, 0, 'H', 'x', 2, null, answers, 'answer', sent.fill(7));
  assert.deepEqual([...sent], [0]);
  assert.throws(() => writeRecord(unwritable, 0, 'H', 'x', 2, null, answers, 'a', sent.fill(7)));
  assert.deepEqual([...sent], [0]);
  for (const open of [answers, fd, unwritable]) closeSync(open);
});
