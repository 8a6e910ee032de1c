/**
 * Sequence numbers of a TCP connection in whose data text was made longer or shorter: those behind
 * it move, and what the other end acknowledges moves back.
 */
import { TCP_ACK } from '@heddle/packet';

const SEQ = 4;
const ACK = 8;
const FLAGS = 13;
const OPTIONS = 20;
const OPT_END = 0;
const OPT_NOP = 1;
/** RFC 2018, 3. */
const OPT_SACK = 5;

/** What one direction has gained. */
export interface SeqAdjust {
  /** Of the segment that was changed last, as its sender counts. */
  pos: number;
  /** Bytes gained before it, and with it. */
  before: number;
  after: number;
}

/** Of the originator's direction, and of the other. */
export type SeqAdjusts = readonly [SeqAdjust, SeqAdjust];

export function newSeqAdjusts(): SeqAdjusts {
  return [
    { pos: 0, before: 0, after: 0 },
    { pos: 0, before: 0, after: 0 },
  ];
}

/** a > b, around 2^32. */
function isAfter(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

function seqOffset(a: SeqAdjust, seq: number): number {
  return isAfter(seq, a.pos) ? a.after : a.before;
}

/** What an acknowledgement, as it arrives, counts too many of the bytes sent in direction `a`. */
export function ackOffset(a: SeqAdjust, ack: number): number {
  return isAfter((ack - a.before) >>> 0, a.pos) ? a.after : a.before;
}

/**
 * Notes that the data of a segment grew by `by` bytes. `seq` is its number after `adjustSegment`;
 * a segment that is sent again is noted once.
 */
export function noteGrowth(a: SeqAdjust, seq: number, by: number): void {
  if (by === 0) return;
  const behind = (seq - a.after) >>> 0;
  const isFirst = a.before === a.after;
  const sent = isFirst || isAfter(behind, a.pos) ? behind : (seq - a.before) >>> 0;
  if (!isFirst && !isAfter(sent, a.pos)) return;
  a.pos = sent;
  a.before = a.after;
  a.after += by;
}

/** Moves the numbers of a segment that is to leave; its checksum is to be made anew. */
export function adjustSegment(
  dv: DataView,
  l4: number,
  dataAt: number,
  { own, other }: { readonly own: SeqAdjust; readonly other: SeqAdjust },
): void {
  const seq = dv.getUint32(l4 + SEQ);
  dv.setUint32(l4 + SEQ, (seq + seqOffset(own, seq)) >>> 0);
  if ((dv.getUint8(l4 + FLAGS) & TCP_ACK) === 0) return;
  moveBack(dv, l4 + ACK, other);
  adjustSack(dv, l4 + OPTIONS, dataAt, other);
}

function moveBack(dv: DataView, at: number, other: SeqAdjust): void {
  const ack = dv.getUint32(at);
  dv.setUint32(at, (ack - ackOffset(other, ack)) >>> 0);
}

function adjustSack(dv: DataView, options: number, end: number, other: SeqAdjust): void {
  for (let at = options; at + 1 < end; ) {
    const kind = dv.getUint8(at);
    if (kind === OPT_END) return;
    if (kind === OPT_NOP) {
      at++;
      continue;
    }
    const length = dv.getUint8(at + 1);
    if (length < 2 || at + length > end) return;
    if (kind === OPT_SACK)
      for (let edge = at + 2; edge + 4 <= at + length; edge += 4) moveBack(dv, edge, other);
    at += length;
  }
}
