/** JSON texts out of a stream that is cut anywhere. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeddleError } from './errors.ts';
import { JsonStream } from './json-stream.ts';

/** Objects and arrays, as whole texts. */
const texts = fc.array(
  fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue())),
  { maxLength: 5 },
);

test('any texts, cut anywhere, come out whole and in order', () => {
  fc.assert(
    fc.property(texts, fc.array(fc.nat(64), { maxLength: 40 }), (values, cuts) => {
      const bytes = Buffer.from(values.map((v) => JSON.stringify(v)).join('\n '));
      const stream = new JsonStream();
      const out: string[] = [];
      let at = 0;
      for (const cut of cuts) {
        out.push(...stream.push(bytes.subarray(at, at + cut)));
        at += cut;
      }
      out.push(...stream.push(bytes.subarray(at)));
      assert.deepEqual(
        out.map((t) => JSON.stringify(JSON.parse(t))),
        values.map((v) => JSON.stringify(v)),
      );
      assert.equal(stream.pending, 0);
    }),
  );
});

test('byte by byte, with brackets and escapes in strings and characters of many bytes', () => {
  const text = '{"a":"}]\\"\\\\","ü":["€😀",{"[":null}]}';
  const stream = new JsonStream();
  const out = [...Buffer.from(`${text}${text}`)].flatMap((b) => stream.push(Uint8Array.of(b)));
  assert.deepEqual(out, [text, text]);
});

test('any bytes either pass or throw HeddleError, and never hold more than the cap', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }), (chunks) => {
      const stream = new JsonStream(64);
      try {
        for (const chunk of chunks) stream.push(chunk);
      } catch (error) {
        assert.ok(error instanceof HeddleError);
      }
      assert.ok(stream.pending <= 64 + 40);
    }),
  );
});

test('the cap holds for one text, not for the stream', () => {
  const stream = new JsonStream(16);
  for (let i = 0; i < 100; i++) assert.equal(stream.push(Buffer.from('{"a":1}')).length, 1);
  assert.throws(() => stream.push(Buffer.from('{"a":"0123456789"}')), /exceeds 16 bytes/);
  const open = new JsonStream(16);
  assert.throws(() => open.push(Buffer.from(`["${'x'.repeat(20)}`)), /exceeds 16 bytes/);
});

test('closing brackets that nothing opened are an error', () => {
  assert.throws(() => new JsonStream().push(Buffer.from('{}}')), HeddleError);
  assert.throws(() => new JsonStream().push(Buffer.from('x')), HeddleError);
});
