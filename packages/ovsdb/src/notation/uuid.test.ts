/** New UUIDs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newUuid } from './uuid.ts';

test('new uuids are of version 4 and differ', () => {
  const all = Array.from({ length: 1000 }, newUuid);
  for (const uuid of all)
    assert.match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(new Set(all).size, all.length);
  // Each digit is any, but for the version and the variant.
  for (let at = 0; at < 36; at++) {
    const digits = new Set(all.map((uuid) => uuid[at])).size;
    assert.equal(digits, [8, 13, 14, 18, 23].includes(at) ? 1 : at === 19 ? 4 : 16);
  }
});
