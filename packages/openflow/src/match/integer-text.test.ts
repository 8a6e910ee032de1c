/** Numbers as strtoull(3) reads them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leadingInteger, wholeInteger } from './integer-text.ts';

const ALL = 2n ** 64n - 1n;

test('numbers in the notations of C', () => {
  const numbers: [string, ReturnType<typeof wholeInteger>][] = [
    ['10', 10n],
    ['010', 8n],
    ['0x10', 16n],
    ['0x', 0n],
    [' +0x1', 1n],
    ['-1', ALL],
    ['-0x1', ALL],
    ['-0x0', 0n],
    ['-18446744073709551615', 1n],
    ['-18446744073709551616', 'large'],
    ['+0x10000000000000000', 'large'],
    ['0x10000000000000000', 2n ** 64n],
    ['-0x', undefined],
    ['08', undefined],
    ['--0', undefined],
    ['1 ', undefined],
    ['', undefined],
  ];
  for (const [text, value] of numbers) assert.equal(wholeInteger(text), value, text);
});

test('numbers with something behind them', () => {
  assert.equal(leadingInteger('08'), 0n);
  assert.equal(leadingInteger('-0xg'), 0n);
  assert.equal(leadingInteger('12->reg0[]'), 12n);
  assert.equal(leadingInteger('x'), undefined);
});
