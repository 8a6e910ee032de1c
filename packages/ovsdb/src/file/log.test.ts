/** The database file: what is written is read, and what damage costs. */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { vlog } from '@heddle/runtime';
import fc from 'fast-check';
import { type Json, OvsdbError, printJson } from '../notation/index.ts';
import { decodeLog, encodeGroup, encodeRecord } from './format.ts';
import { LogFile } from './log.ts';
import { newPadding, startOfPadding } from './padding.ts';

const dir = mkdtempSync(join(tmpdir(), 'heddle-log-'));
const path = join(dir, 'db');
vlog.setLevel('ovsdb_file', 'console', 'off');
after(() => rmSync(dir, { recursive: true }));

const RECORDS: Json[] = [
  { name: 'T', version: '1.0.0', tables: { A: { columns: { n: { type: 'integer' } } } } },
  { A: { '11111111-1111-1111-1111-111111111111': { n: 1 } }, _date: 1, _comment: 'é\nx' },
  { A: { '11111111-1111-1111-1111-111111111111': { n: 9223372036854775807n } }, _date: 2 },
];
const WHOLE = Buffer.concat(RECORDS.map((r) => encodeRecord(r)));
const LAST = encodeRecord(RECORDS[2]!).length;

function reopened(bytes: Buffer): Json[] {
  writeFileSync(path, bytes);
  const { file, records } = LogFile.open(path);
  file.close();
  return records;
}

test('records come back as they were written', () => {
  assert.deepEqual(decodeLog(path, WHOLE), {
    records: RECORDS,
    goodBytes: WHOLE.length,
    torn: undefined,
  });
});

test('a last record cut off anywhere is dropped, the file repaired, the rest kept', () => {
  for (let cut = 1; cut <= LAST; cut++) {
    const bytes = WHOLE.subarray(0, WHOLE.length - cut);
    assert.deepEqual(reopened(bytes), RECORDS.slice(0, 2), `${cut} bytes cut off`);
    assert.equal(statSync(path).size, WHOLE.length - LAST);
  }
});

test('garbage in place of any part of the last record is dropped', () => {
  for (let at = WHOLE.length - LAST; at < WHOLE.length; at++) {
    for (const fill of [0, 0xff, 0x0a]) {
      const bytes = Buffer.from(WHOLE);
      bytes.fill(fill, at);
      if (bytes.equals(WHOLE)) continue;
      assert.deepEqual(reopened(bytes), RECORDS.slice(0, 2), `${fill} from ${at}`);
    }
  }
});

test('damage before the last record is refused, with its place, and the file untouched', () => {
  for (let at = 0; at < WHOLE.length - LAST; at++) {
    const bytes = Buffer.from(WHOLE);
    bytes[at]! ^= 0x15;
    writeFileSync(path, bytes);
    assert.throws(() => LogFile.open(path), OvsdbError, `byte ${at}`);
    assert.ok(readFileSync(path).equals(bytes));
  }
});

test('a group that was written at once is dropped from its first damage on', () => {
  const first = Buffer.concat(RECORDS.slice(0, 2).map((r) => encodeRecord(r)));
  const group = encodeGroup([RECORDS[1]!, RECORDS[2]!, RECORDS[1]!].map(printJson));
  const whole = Buffer.concat([first, group]);
  const ends = decodeLog(path, whole).records.length;
  assert.equal(ends, 5);
  for (let at = first.length; at < whole.length; at++) {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 0x15;
    const { records, goodBytes, torn } = decodeLog(path, bytes);
    assert.ok(torn !== undefined && goodBytes <= at, `byte ${at}`);
    assert.ok(records.length >= 2 && records.length < 5);
    // What came in a later write proves that the group had been synced.
    const later = Buffer.concat([bytes, encodeRecord(RECORDS[2]!)]);
    assert.throws(() => decodeLog(path, later), OvsdbError, `byte ${at}`);
  }
});

test('no bytes make reading throw anything but an OvsdbError', () => {
  const near = fc
    .tuple(fc.nat(WHOLE.length), fc.uint8Array({ maxLength: 40 }))
    .map(([at, junk]) => Buffer.concat([WHOLE.subarray(0, at), junk, WHOLE.subarray(at)]));
  const any = fc.uint8Array({ maxLength: 200 }).map((b) => Buffer.from(b));
  fc.assert(
    fc.property(fc.oneof(near, any), (bytes) => {
      try {
        decodeLog('db', bytes);
      } catch (error) {
        assert.ok(error instanceof OvsdbError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test('an append is all there or not at all', async () => {
  writeFileSync(path, WHOLE);
  const { file } = LogFile.open(path);
  await file.append(encodeGroup(RECORDS.slice(1).map(printJson)));
  file.close();
  assert.deepEqual(reopened(readFileSync(path)), [...RECORDS, ...RECORDS.slice(1)]);
});

test('compaction replaces the file, and appending goes on in the new one', async () => {
  writeFileSync(path, WHOLE);
  const { file } = LogFile.open(path);
  file.compact([RECORDS[0]!, RECORDS[2]!]);
  await file.append(encodeRecord(RECORDS[1]!));
  file.close();
  assert.deepEqual(reopened(readFileSync(path)), [RECORDS[0], RECORDS[2], RECORDS[1]]);
});

test('a file that is no database, or of a cluster, is refused', () => {
  for (const [text, words] of [
    ['', 'cannot identify file type'],
    ['hello\n', 'unexpected file format'],
    [encodeRecord({}, 'clustered').toString(), 'cannot apply this operation to clustered'],
  ] as const) {
    writeFileSync(path, '');
    appendFileSync(path, text);
    assert.throws(
      () => LogFile.open(path),
      (e: Error) => e.message.includes(words),
    );
  }
});

test('padding is a record that says nothing, whatever of it has been overwritten', () => {
  const whole = newPadding();
  for (let room = whole.length; room > 0; room -= 1 + (room % 13)) {
    const start = startOfPadding(room);
    if (!start) continue;
    const bytes = Buffer.concat([WHOLE, whole.subarray(-room)]);
    start.copy(bytes, WHOLE.length);
    const { records, torn } = decodeLog(path, bytes);
    assert.equal(torn, undefined, `${room} bytes`);
    assert.deepEqual(records, [...RECORDS, {}]);
  }
});

test('records are aligned by white space, whatever their lengths', () => {
  for (let n = 0; n < 1200; n++) {
    const record = { _date: n, _comment: 'é'.repeat(n) };
    const bytes = encodeGroup([printJson(record), printJson(record)], 64);
    assert.equal(bytes.length % 64, 0);
    assert.ok(bytes.length < 2 * encodeRecord(record).length + 3 * 64);
    assert.deepEqual(decodeLog(path, Buffer.concat([WHOLE, bytes])).records.slice(-2), [
      record,
      record,
    ]);
  }
});

test('a file that is written to often keeps its size, and is trimmed when it is closed', () => {
  writeFileSync(path, WHOLE);
  const { file } = LogFile.open(path);
  const added = Array.from({ length: 300 }, (_, i) => ({
    _date: i,
    _comment: 'x'.repeat(i % 250),
  }));
  const sizes = new Set<number>();
  added.forEach((record, i) => {
    file.appendNow([printJson(record)]);
    sizes.add(statSync(path).size);
    const { records, torn } = decodeLog(path, readFileSync(path));
    assert.equal(torn, undefined);
    const padding = records.length - RECORDS.length - i - 1;
    assert.deepEqual(records.slice(0, records.length - padding).at(-1), record);
    assert.ok(padding === 0 || (padding === 1 && Object.keys(records.at(-1)!).length === 0));
  });
  assert.ok(sizes.size < added.length);
  file.close();
  assert.deepEqual(decodeLog(path, readFileSync(path)).records, [...RECORDS, ...added]);
});
