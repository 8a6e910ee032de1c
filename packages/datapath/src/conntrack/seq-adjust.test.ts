/** TCP's sequence numbers behind rewritten text, beside a plain account of what was added and taken. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '../oracle/random-frame.ts';
import { ackOffset, adjustSegment, newSeqAdjusts, noteGrowth } from './seq-adjust.ts';

const ACK = 16;

function segment(seq: number, ack: number, sack?: readonly number[]): DataView {
  const dv = new DataView(new ArrayBuffer(sack ? 32 : 20));
  dv.setUint32(4, seq);
  dv.setUint32(8, ack);
  dv.setUint8(13, ACK);
  if (!sack) return dv;
  dv.setUint8(20, 1);
  dv.setUint8(21, 5);
  dv.setUint8(22, 10);
  for (const [i, edge] of sack.entries()) dv.setUint32(23 + 4 * i, edge);
  return dv;
}

describe('sequence numbers behind text that has another length', () => {
  it('move one way and are acknowledged the other', () => {
    const [own, other] = newSeqAdjusts();
    noteGrowth(own, 1000, 8);
    const first = segment(1000, 5);
    adjustSegment(first, 0, 20, { own, other });
    assert.equal(first.getUint32(4), 1000);
    const next = segment(1022, 5);
    adjustSegment(next, 0, 20, { own, other });
    assert.equal(next.getUint32(4), 1030);
    const answer = segment(5, 1030, [1030, 1040]);
    adjustSegment(answer, 0, 32, { own: other, other: own });
    assert.deepEqual([answer.getUint32(8), answer.getUint32(23)], [1022, 1022]);
    assert.equal(answer.getUint32(27), 1032);
  });

  it('count a segment that is sent again once', () => {
    const [own] = newSeqAdjusts();
    noteGrowth(own, 1000, 8);
    noteGrowth(own, 1000, 8);
    assert.deepEqual(own, { pos: 1000, before: 0, after: 8 });
    noteGrowth(own, 1030 + 8, -2);
    assert.deepEqual(own, { pos: 1030, before: 8, after: 6 });
  });

  it('lead back what they led away, around 2^32', () => {
    const r = new Random(Number(process.env['HEDDLE_SEED'] ?? 1));
    const pair = newSeqAdjusts();
    const [own, other] = pair;
    let seq = 0xffff_ff00;
    for (let i = 0; i < 200; i++) {
      const length = 30 + r.below(50);
      const sent = segment(seq, 0);
      adjustSegment(sent, 0, 20, { own, other });
      const by = r.below(3) === 0 ? r.below(20) - 10 : 0;
      const arrives = sent.getUint32(4);
      noteGrowth(own, arrives, by);
      const ack = (arrives + length + by) >>> 0;
      seq = (seq + length) >>> 0;
      assert.equal((ack - ackOffset(own, ack)) >>> 0, seq, `segment ${i}`);
    }
  });
});
