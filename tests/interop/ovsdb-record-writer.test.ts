/** The database file by a writer that puts a record together and writes it in one go, or a part of it, or fails. */
import assert from 'node:assert/strict';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { writeRecord } from '@heddle/linux/native';
import { encodeRecord, printJson, readLog } from '@heddle/ovsdb';
import { LogFile } from '@heddle/ovsdb/file/log';
import { fileStorage } from '@heddle/ovsdb/file/storage';
import { SystemError } from '@heddle/runtime';
import fc from 'fast-check';

const RUNS = Number(process.env['HEDDLE_COUNT'] ?? 10);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const dir = mkdtempSync(join(tmpdir(), 'heddle-writer-'));
after(() => rmSync(dir, { recursive: true }));
const path = join(dir, 'db');
const SCHEMA = { name: 'T', version: '1.0.0', tables: {} };

type Fault = 'none' | 'short' | 'nothing' | 'fails';

function open(faults: () => Fault): LogFile {
  writeFileSync(path, encodeRecord(SCHEMA));
  return LogFile.load(path, (bytes) => ({ goodBytes: bytes.length, torn: undefined }), {
    ...fileStorage,
    writeRecord(...args) {
      const [fd, position, head, text, length, tail] = args;
      const fault = faults();
      if (fault === 'fails') throw new SystemError('EIO', 'write');
      if (fault === 'nothing') return 0;
      if (fault === 'none') return writeRecord(...args);
      const scratch = openSync(`${path}.scratch`, 'w+');
      const bytes = writeRecord(scratch, 0, head, text, length, tail, -1, '', new Int32Array(1));
      closeSync(scratch);
      return writeSync(fd, readFileSync(`${path}.scratch`), 0, bytes >> 1, position);
    },
  });
}

test(`${RUNS} files hold what was written, and nothing of what was not`, () => {
  const fault = fc.constantFrom<Fault>('none', 'none', 'none', 'short', 'nothing', 'fails');
  const text = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.nat(70_000).map((n) => 'x'.repeat(n)),
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(text, fault), { minLength: 1, maxLength: 40, size: 'max' }),
      (appended) => {
        let next: Fault = 'none';
        const file = open(() => next);
        const expected: unknown[] = [SCHEMA];
        for (const [_comment, chosen] of appended) {
          next = chosen;
          try {
            file.appendNow([printJson({ _comment })]);
            expected.push({ _comment });
          } catch (error) {
            assert.ok(next === 'fails' && error instanceof SystemError);
          }
          assert.equal(readLog(path).torn, undefined);
        }
        file.close();
        assert.deepEqual(readLog(path).records, expected);
      },
    ),
    { numRuns: RUNS, seed: SEED },
  );
});

test('its bytes are those that are written without it', (t) => {
  // What is written in a burst has padding behind it; here the time of all is one.
  const now = performance.now();
  t.mock.method(performance, 'now', () => now);
  const byWriter = open(() => 'none');
  for (let i = 0; i < 100; i++) byWriter.appendNow([printJson({ _comment: 'é'.repeat(i) })]);
  const bytes = readFileSync(path);
  byWriter.close();
  writeFileSync(path, encodeRecord(SCHEMA));
  const { file } = LogFile.open(path);
  for (let i = 0; i < 100; i++) file.appendNow([printJson({ _comment: 'é'.repeat(i) })]);
  assert.deepEqual(readFileSync(path), bytes);
  file.close();
});
