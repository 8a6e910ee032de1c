/** Where Geneve options lie in a flow. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Flow } from './flow.ts';
import { TLV_SPACE, TlvTable } from './tlv-table.ts';

const lengths = fc.array(fc.integer({ min: 0, max: 31 }), { maxLength: 20 });

function mapped(words: readonly number[]): TlvTable {
  let table = TlvTable.EMPTY;
  for (const [index, n] of words.entries()) {
    const mapping = { optionClass: 0xff00 + index, optionType: index, optionLen: 4 * n, index };
    table = table.with(mapping) ?? table;
  }
  return table;
}

test('options of any lengths have places of their own, holes included', () => {
  fc.assert(
    fc.property(lengths, lengths, (first, second) => {
      let table = mapped(first);
      for (let i = 0; i < first.length; i += 2) table = table.without(i);
      for (const [i, n] of second.entries()) {
        const mapping = { optionClass: 1, optionType: i, optionLen: 4 * n, index: 32 + i };
        const fits = table.used + 4 * n <= TLV_SPACE;
        const next = table.with(mapping);
        assert.equal(next !== undefined, fits);
        table = next ?? table;
      }
      const flow = new Flow();
      flow.tlv = table;
      const value = ({ index, optionLen }: { index: number; optionLen: number }) =>
        optionLen === 0 ? 0n : (BigInt(index + 1) << BigInt(optionLen * 8 - 8)) | BigInt(index);
      for (const m of table.mappings) table.set(flow, m.index, value(m));
      for (const m of table.mappings) assert.equal(table.get(flow, m.index), value(m));
      const again = new Flow();
      assert.ok(table.readOptions(table.writeOptions(flow), again));
      assert.deepEqual(again.u8, flow.u8);
      for (const m of table.mappings) table.remove(flow, m.index);
      assert.ok(flow.u8.every((b) => b === 0));
    }),
  );
});

test('malformed options are told of, unknown ones passed over', () => {
  const table = mapped([1]);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const flow = new Flow();
      table.readOptions(bytes, flow);
    }),
  );
  const flow = new Flow();
  assert.equal(table.readOptions(Uint8Array.of(0xff, 0, 0, 2, 1, 2, 3, 4), flow), false);
  assert.equal(table.readOptions(Uint8Array.of(1, 1, 1, 0, 0xff, 0, 0, 1, 1, 2, 3, 4), flow), true);
  assert.equal(table.get(flow, 0), 0x01020304n);
});
