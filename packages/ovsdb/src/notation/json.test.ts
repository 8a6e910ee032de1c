/** JSON from bytes, with exact integers of 64 bits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJson, parserFor } from './index.ts';

test('a parser for bytes is exact wherever their long integers are', () => {
  for (const digits of [14, 15, 16, 17, 19]) {
    for (let before = 0; before < 40; before++) {
      const number = '9'.repeat(digits - 1).replace(/^/, '8');
      const text = `{"${'1'.repeat(before % 15)}${' '.repeat(before)}":${number}}`;
      assert.deepEqual(parserFor(Buffer.from(text))(text), parseJson(text), text);
    }
  }
});

test('a parser for bytes without long integers has nothing to add', () => {
  for (const text of ['[]', '1', '123456789012345', '{"a":[1.5,"x"]}']) {
    assert.deepEqual(parserFor(Buffer.from(text))(text), JSON.parse(text));
  }
});
