/** Requests that come in several parts, and how many of them are kept. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '@heddle/runtime';
import { MultipartRequests } from './multipart.ts';

const PORT_STATS = 4;
const TABLE_FEATURES = 12;

/** An OFPT_MULTIPART_REQUEST of OpenFlow 1.3. */
function part(xid: number, type: number, hasMore: boolean, bodyBytes = 0): Uint8Array {
  const raw = new Uint8Array(16 + bodyBytes);
  const dv = new DataView(raw.buffer);
  raw.set([4, 18]);
  dv.setUint16(2, raw.length);
  dv.setUint32(4, xid);
  dv.setUint16(8, type);
  dv.setUint16(10, hasMore ? 1 : 0);
  return raw;
}

function requests(): { it: MultipartRequests; clock: FakeClock; refused: [string, number][] } {
  const refused: [string, number][] = [];
  const clock = new FakeClock();
  const it = new MultipartRequests(clock, (error, raw) => {
    refused.push([error, new DataView(raw.buffer, raw.byteOffset).getUint32(4)]);
  });
  return { it, clock, refused };
}

test('requests are put together by their xid', () => {
  const { it, refused } = requests();
  assert.equal(it.gather(part(1, TABLE_FEATURES, true, 64)), undefined);
  assert.equal(it.gather(part(2, TABLE_FEATURES, true, 128)), undefined);
  assert.equal(it.gather(part(3, PORT_STATS, false, 8))?.length, 1);
  assert.deepEqual(
    it.gather(part(1, TABLE_FEATURES, false, 192))?.map(({ length }) => length - 16),
    [64, 192],
  );
  assert.equal(it.gather(part(2, TABLE_FEATURES, false, 64))?.length, 2);
  assert.deepEqual(refused, []);
});

test('parts of headers alone add nothing, before or behind', () => {
  const { it, refused } = requests();
  const lengths = (parts: readonly Uint8Array[] | undefined) => parts?.map(({ length }) => length);
  for (const type of [PORT_STATS, TABLE_FEATURES]) {
    assert.equal(it.gather(part(1, type, true)), undefined);
    assert.equal(it.gather(part(1, type, true)), undefined);
    assert.deepEqual(lengths(it.gather(part(1, type, false, 8))), [24]);
    assert.equal(it.gather(part(1, type, true, 8)), undefined);
    assert.deepEqual(lengths(it.gather(part(1, type, false))), [24]);
    assert.equal(it.gather(part(1, type, true)), undefined);
    assert.deepEqual(lengths(it.gather(part(1, type, false))), [16]);
  }
  assert.deepEqual(refused, []);
  it.gather(part(1, PORT_STATS, true, 8));
  assert.equal(it.gather(part(1, PORT_STATS, false, 8)), undefined);
  assert.deepEqual(refused, [['OFPBRC_BAD_STAT', 1]]);
});

test('a part that nothing follows is refused after a second', () => {
  const { it, clock, refused } = requests();
  it.gather(part(1, TABLE_FEATURES, true, 64));
  clock.advance(999);
  assert.deepEqual(refused, []);
  clock.advance(1);
  assert.deepEqual(refused, [['OFPBRC_MULTIPART_REQUEST_TIMEOUT', 1]]);
  assert.equal(it.gather(part(1, TABLE_FEATURES, false, 64))?.length, 1);
});

test('what is kept has a limit, and goes with the connection', () => {
  const { it, clock, refused } = requests();
  for (let n = 0; n < 70; n++) it.gather(part(n, TABLE_FEATURES, true, 64_000));
  assert.deepEqual(
    refused.map(([error]) => error),
    Array.from({ length: 6 }, () => 'OFPBRC_MULTIPART_BUFFER_OVERFLOW'),
  );
  it.close();
  clock.advance(2000);
  assert.equal(refused.length, 6);
});

test('parts without a body take room, too', () => {
  const { it, refused } = requests();
  for (let n = 0; n < 20_000; n++) it.gather(part(n, TABLE_FEATURES, true, 0));
  assert(refused.length > 10_000);
  it.close();
});
